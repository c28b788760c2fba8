"""adopt and unadopt, killed at each change: what lies in the place of dest is whole, as before or as after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.model.release import Package
from tests.contract.real import toy_service
from tests.contract.rig import order, package

if TYPE_CHECKING:
    from tests.faults.crash import Case, Died, HostFolder

# ending -> the verb, and what the host has before it. unadopt: a release that is not what was found; give back: what was
ENDINGS = {"adopt": "adopt", "unadopt": "unadopt", "give back": "unadopt"}
SOME = package(b"some\n")
Tree = dict[str, tuple[int, str]]


def tree(folder: Path) -> Tree:
    """Path -> mode, and link target or content, of everything below."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "a folder"
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, content)
    return found


def prepare(host: HostFolder, ending: str) -> bytes:
    """The whole host right before the verb: content with links, modes and an empty folder."""
    host.restore(host.fresh)
    host.rig.hosts.unadopt(host.rig.host, order(SOME, 3))
    site = host.prefix / "etc/app"
    for name in ("available", "enabled", "empty"):
        (site / name).mkdir()
    (site / "available/shop").write_text("shop\n")
    (site / "available/shop").chmod(0o640)
    (site / "enabled/shop").symlink_to("../available/shop")
    if ending != "adopt":
        host.rig.hosts.adopt(host.rig.host, order(SOME, 4))
    if ending == "unadopt":
        files = {"conf.d/app.conf": b"new\n", "available/shop": b"shop\n", "enabled/shop": b"shop\n", "more/x": b"x\n"}
        new = Package("cccccccccc-33333333", {name: (content, False) for name, content in files.items()})
        host.rig.hosts.stage(host.rig.host, new)
        host.rig.hosts.activate(host.rig.host, order(new, 5))
        host.rig.hosts.confirm(host.rig.host, order(new, 5))
        host.quiet()
    return host.save()


def ask(host: HostFolder, verb: str, number: int, *traced: str) -> Died:
    """adopt or unadopt, as the deployer sends it."""
    service = host.prefix.with_name(f"{host.prefix.name}.service")
    service.write_text(toy_service(host.rig.host, host.layout))
    script = 'printf "%s %s\\n" "$2" "$(sh "$1" "$2" "$3" "$4-abcd" "$4" "$5" < "$6")"'
    words = [host.agent, verb, str(host.root), str(number), str(host.prefix / "etc/app"), str(service)]
    return host.answered(host.sh("-c", script, "ask", *words, traced=traced))


def begin(host: HostFolder, ending: str) -> None:
    """As before the verb; what it makes of that is known from one that nobody killed."""
    if ending not in host.saved:
        host.saved[ending] = prepare(host, ending)
        ask(host, ENDINGS[ending], 7)
        host.after[ending] = tree(host.prefix / "etc")
        host.restore(host.saved[ending])
        host.before[ending] = tree(host.prefix / "etc")
    host.restore(host.saved[ending])


def kill(host: HostFolder, case: Case, k: int) -> tuple[Died, bool, list[str]]:
    """Killed at the K-th change; how it ended, whether a tick had to end it, and what is wrong. heal: see Case; alone:
    nobody comes but the one who asks again."""
    begin(host, case.ending)
    verb = ENDINGS[case.ending]
    died = ask(host, verb, 7, "-k", str(k), "-d", case.victim)
    ticked = not whole(host, case)
    bad = [] if died.killed or died.promised.get(verb) else [f"{verb} failed"]
    if died.promised.get(verb) and ticked:
        bad.append("promised, and not done")
    return died, ticked, bad + ([] if case.again else ended(host, case, case.heal))


def killed_again(host: HostFolder, case: Case) -> Iterator[tuple[int, list[str]]]:
    """From the death that lies there: at each change of what comes next a second death, and what is wrong after it.
    heal: boot and tick die themselves and come again; alone: the one who asks again dies. Then a tick must make it
    whole, and so must a third one who asks, whom no tick comes before."""
    dead, verb = host.save(), ENDINGS[case.ending]
    for j in range(1, 500):
        host.restore(dead)
        if case.heal == "alone":
            second = ask(host, verb, 8, "-k", str(j), "-d", case.victim)
        else:
            second = host.verb(case.heal, "-k", str(j), "-d", case.victim)
        if not second.killed:
            return
        bad = ["promised, and not done"] if second.promised.get(verb) and not whole(host, case) else []
        dead_twice = host.save()
        bad += ended(host, case, case.heal)
        host.restore(dead_twice)
        yield j, bad + ended(host, case, "tick" if case.heal == "alone" else "alone")
    raise AssertionError("it never ends")


def whole(host: HostFolder, case: Case) -> bool:
    """Is what lies there as before or as after?"""
    return tree(host.prefix / "etc") in (host.before[case.ending], host.after[case.ending])


def ended(host: HostFolder, case: Case, heal: str) -> list[str]:
    """What is wrong once life has gone on: the tick or the boot, then the verb asked again."""
    verb, bad = ENDINGS[case.ending], []
    before, after, etc = host.before[case.ending], host.after[case.ending], host.prefix / "etc"
    if heal != "alone":
        host.verb(heal)
        if not whole(host, case):
            bad.append(f"neither as before nor as after: {sorted(tree(etc).items() ^ before.items())}")
    again = ask(host, verb, 9)
    if not again.promised.get(verb):
        bad.append(f"another {verb} fails")
    if (now := tree(etc)) != after:
        bad.append(f"not as after, after another {verb}: {sorted(now.items() ^ after.items())}")
    return bad + at_rest(host, verb)


def at_rest(host: HostFolder, verb: str) -> list[str]:
    """Adopted it can be deployed to and given back; given back there is nothing of ours."""
    if verb == "unadopt":
        left = [path.name for path in host.root.parent.iterdir() if path.name != "bin"]
        return [f"left: {left}"] if left else []
    state = host.rig.hosts.survey(host.rig.host)
    bad = [] if state.verified_on(state.good) and not state.drift else [f"adopted as {state}"]
    bad += [f"left: {path}" for path in (*host.root.glob("releases/.*"), *host.root.glob("adopting"))]
    return bad
