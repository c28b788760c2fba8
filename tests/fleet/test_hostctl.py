"""hostctl when things break: killed at bad moments, corrupted, out of space. On this machine, without a wire."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.ssh.hosts import SshHosts
from deployer.engine.deploy.target import on_host
from deployer.model.errors import Refused
from deployer.model.fleet import Host
from deployer.model.release import ADOPTED, Package
from deployer.model.stand import standing
from deployer.remote.verbs import Command
from deployer.sandbox.processes import reap
from tests.contract.real import LocalTransport, Ran, RealRig, shell_folder, toy_service
from tests.contract.rig import order, package
from tests.fleet.conftest import eventually, let_go, until

ONE, TWO, THREE = package(b"one\n"), package(b"two\n"), package(b"three\n")


def ready(rig: RealRig) -> RealRig:
    """ONE is confirmed, TWO is staged."""
    rig.hosts.adopt(rig.host, order(ONE, 1))
    rig.hosts.stage(rig.host, ONE)
    rig.hosts.activate(rig.host, order(ONE, 2))
    rig.hosts.confirm(rig.host, order(ONE, 2))
    rig.hosts.stage(rig.host, TWO)
    return rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RealRig]:
    yield ready(RealRig(tmp_path / "host", LocalTransport()))
    reap(tmp_path)  # watchdogs, and what a test stopped


def root(rig: RealRig) -> Path:
    return rig.prefix / "var/lib/deployer/app"


def phrases(rig: RealRig, release: str) -> Path:
    """The service functions of one release."""
    return root(rig) / "phrases" / release


def speaking(rig: RealRig, more: str) -> SshHosts:
    """The same host, for a deployer whose host variables say something else: more is added to the service functions."""
    return SshHosts(LocalTransport(), "app", "/etc/app", lambda host, layout: toy_service(host, layout) + more)


def tick(rig: RealRig, verb: str = "tick") -> None:
    """What the minute tick, or the boot unit, does."""
    agent = next((rig.prefix / "var/lib/deployer/bin").glob("hostctl-*"))
    subprocess.run(["sh", str(agent), verb, str(root(rig))], check=False, capture_output=True)


def watchdog(rig: RealRig, deploy: str) -> int:
    return int((root(rig) / f"wd.{deploy}").read_text())


def test_a_killed_watchdog_is_replaced_by_the_tick(rig: RealRig) -> None:
    """Status says dead; after the deadline the tick reverts."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=5))
    os.kill(watchdog(rig, "3-abcd"), signal.SIGKILL)
    eventually(lambda: rig.hosts.survey(rig.host).watchdog == "dead", 5, "the watchdog is seen dead")
    tick(rig)
    assert rig.hosts.survey(rig.host).in_flight, "before the deadline the tick does nothing"
    eventually(lambda: rig.hosts.survey(rig.host).left == 0, 10, "the deadline passes")
    tick(rig)
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_a_reboot_is_a_revert(rig: RealRig) -> None:
    """The boot unit puts the links back before the service starts, deadline or not."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=300))
    os.kill(watchdog(rig, "3-abcd"), signal.SIGKILL)
    (rig.prefix / "process").unlink()
    tick(rig, "boot")
    state = rig.hosts.survey(rig.host)
    assert (state.current, state.good, state.in_flight) == (ONE.release, ONE.release, False)


def test_a_host_that_booted_can_prove_what_starts_next(rig: RealRig) -> None:
    """The phrasebook hears which release the next process reads: it is not unproven for ever."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=300))
    os.kill(watchdog(rig, "3-abcd"), signal.SIGKILL)
    tick(rig, "boot")
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_what_a_prune_that_was_cut_off_left_goes_with_the_next(rig: RealRig) -> None:
    """Neither half a stage nor half a prune stays, and the prune after it works."""
    for name in (".trash/old", ".tmp.dddddddddd-dddddddd"):
        (root(rig) / "releases" / name).mkdir(parents=True)
    (root(rig) / "releases/.trash/file").write_text("x")
    old = rig.hosts.survey(rig.host).history[0].release
    state = rig.hosts.prune(rig.host, 1)
    assert old not in state.releases
    assert not list((root(rig) / "releases").glob(".t*"))


def test_what_a_host_keeps_of_its_past_is_bounded(rig: RealRig) -> None:
    """A push every hour for years: the rules see the same as before. What a killed watchdog left goes, too."""
    history, events = root(rig) / "history", root(rig) / "events"
    first = history.read_text().splitlines()[0]
    past = [f"{number} push {(ONE, THREE)[number % 2].release}" for number in range(1, 1201)]
    history.write_text("\n".join([first, *past, ""]))
    events.write_text("2026-01-01T00:00:00Z staged\n" * 3000)
    (root(rig) / "wd.1-dead").write_text("1\n")
    before = rig.hosts.survey(rig.host)
    after = rig.hosts.prune(rig.host, 5)
    assert history.read_text().splitlines() == [first, *past[-500:]]
    assert len(events.read_text().splitlines()) < 600
    assert not list(root(rig).glob("wd.*"))
    assert standing(after.history)[-2:] == standing(before.history)[-2:] == [THREE.release, ONE.release]
    assert on_host(after, ADOPTED) == first.split()[2]
    assert rig.hosts.prune(rig.host, 5).history == after.history


def test_links_that_disagree_without_a_record_go_back(rig: RealRig) -> None:
    """A torn or missing record: the two links decide."""
    for torn in ("", "phase=pen"):
        (root(rig) / "state").write_text(torn)
        new = root(rig) / "current.x"
        new.symlink_to(f"releases/{TWO.release}")
        new.rename(root(rig) / "current")
        assert rig.hosts.survey(rig.host).in_flight
        tick(rig)
        assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_dying_right_after_the_commit_point_is_completed(rig: RealRig) -> None:
    """`good` was moved: the deploy is confirmed, and the next tick finishes the book-keeping."""
    rig.hosts.activate(rig.host, order(TWO, 3))
    (root(rig) / "good.cfm").rename(root(rig) / "good")
    tick(rig)
    state = rig.hosts.survey(rig.host)
    assert state.verified_on(TWO.release)
    assert (state.outcome, state.history[-1].release) == ("confirmed", TWO.release)


def test_no_way_back_no_way_forward(rig: RealRig) -> None:
    """A good release that was edited: the activation is refused before anything is switched."""
    (root(rig) / "releases" / ONE.release / "conf.d/app.conf").write_bytes(b"edited\n")
    with pytest.raises(Refused, match="no way back") as caught:
        rig.hosts.activate(rig.host, order(TWO, 3))
    assert caught.value.code == "corrupt"
    assert rig.hosts.survey(rig.host).current == ONE.release


def test_a_good_release_that_rots_while_pending_is_an_alarm(rig: RealRig) -> None:
    """Nothing is reloaded; the alarm names it; repaired, the watchdog finishes by itself."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=8))  # the edit below has to come before the watchdog's turn
    file = root(rig) / "releases" / ONE.release / "conf.d/app.conf"
    file.write_bytes(b"rotten\n")
    assert rig.hosts.survey(rig.host).in_flight
    state = rig.until(lambda s: bool(s.alarm), 30)
    assert "corrupt" in state.alarm
    assert state.loaded == TWO.release
    file.write_bytes(b"one\n")
    assert rig.until(lambda s: s.verified_on(ONE.release), 15).verified_on(ONE.release)


def test_the_deployers_connection_dies_in_the_activation(rig: RealRig) -> None:
    """The whole client side is killed while the host works: it ends pending or old, and then old."""
    from deployer.remote import verbs
    from deployer.remote.layout import layout_for

    line = verbs.activate(layout_for(rig.host, "app", "/etc/app"), order(TWO, 3, lease=2)).line
    child = subprocess.Popen(["sh", "-c", line], stdout=subprocess.PIPE, start_new_session=True)
    eventually(lambda: (root(rig) / "current").readlink().name == TWO.release, 10, "switched")
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert rig.until(lambda s: s.verified_on(ONE.release), 20).verified_on(ONE.release)


def uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def deadline(rig: RealRig) -> int:
    """When the watchdog acts, on the uptime clock."""
    record = dict(line.split("=", 1) for line in (root(rig) / "state").read_text().splitlines())
    return int(record["deadline"])


def test_an_activation_that_is_slower_than_its_lease_ends(rig: RealRig) -> None:
    """It cannot be renewed while it is at work: the watchdog lets it end, and what it used up is given back then."""
    go, slow = rig.prefix / "go", phrases(rig, TWO.release)
    reload = f"{until(go)}; readlink {root(rig)}/current > {rig.prefix}/process"
    slow.write_text(slow.read_text() + f"service_reload() {{ {reload}; }}\n")
    from deployer.remote import verbs
    from deployer.remote.layout import layout_for

    line = verbs.activate(layout_for(rig.host, "app", "/etc/app"), order(TWO, 3, lease=2)).line
    with subprocess.Popen(["sh", "-c", line], stdout=subprocess.PIPE, text=True) as child, let_go(go):
        eventually(lambda: (root(rig) / "current").readlink().name == TWO.release, 10, "switched")
        over = deadline(rig) + 8  # the watchdog looked, and would have waited for the lock and taken it
        eventually(lambda: uptime() > over, 30, "its lease is over")
        go.touch()
        assert '"ok":true' in child.communicate()[0]
    assert deadline(rig) > over
    state = rig.hosts.extend(rig.host, order(TWO, 3, lease=30))
    assert (state.phase, state.loaded) == ("pending", TWO.release)
    assert rig.hosts.confirm(rig.host, order(TWO, 3)).verified_on(TWO.release)


def test_a_hung_holder_of_the_lock_is_not_waited_for(rig: RealRig) -> None:
    """Stopped right after the switch, holding the lock: after the deadline the watchdog takes it."""
    slow = phrases(rig, TWO.release)
    slow.write_text(slow.read_text() + "service_reload() { kill -STOP $PPID; sleep 100; }\n")
    from deployer.remote import verbs
    from deployer.remote.layout import layout_for

    line = verbs.activate(layout_for(rig.host, "app", "/etc/app"), order(TWO, 3, lease=2)).line
    child = subprocess.Popen(["sh", "-c", line], stdout=subprocess.PIPE, start_new_session=True)
    try:
        eventually(lambda: (root(rig) / "current").readlink().name == TWO.release, 10, "switched")
        eventually(lambda: (root(rig) / "current").readlink().name == ONE.release, 40, "taken back")
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def test_a_holder_that_froze_before_it_wrote_its_name_is_not_waited_for(rig: RealRig) -> None:
    """Who has the lock open is found, whatever stands in lock.holder: found by freezing an agent at every change."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=3))
    words = ["sh", "-c", "exec 9>>lock; flock 9; kill -STOP $$"]
    with subprocess.Popen(words, cwd=root(rig)) as holder:
        try:
            (root(rig) / "lock.holder").write_text("1 do_extend\n")
            eventually(lambda: rig.hosts.survey(rig.host).verified_on(ONE.release), 30, "the watchdog took the lock")
        except BaseException:
            holder.terminate()
            holder.send_signal(signal.SIGCONT)
            raise
    assert holder.returncode == -signal.SIGKILL


def test_links_are_drift_wherever_they_lead(rig: RealRig) -> None:
    """A site that was enabled by hand (a2ensite), a dangling link, a file that became a link to the same content."""
    live = root(rig) / "current"
    (live / "conf.d/new").symlink_to("app.conf")
    (live / "conf.d/gone").symlink_to("nowhere")
    assert rig.hosts.survey(rig.host).drift == ("A conf.d/gone", "A conf.d/new")
    for name in ("new", "gone"):
        (live / "conf.d" / name).unlink()
    (rig.prefix / "elsewhere").write_bytes(b"one\n")
    (live / "conf.d/app.conf").unlink()
    (live / "conf.d/app.conf").symlink_to(rig.prefix / "elsewhere")
    assert rig.hosts.survey(rig.host).drift == ("M conf.d/app.conf",)


def test_an_activation_that_was_cut_off_before_the_reload_is_not_pending(rig: RealRig) -> None:
    """Asked again, as after a connection that broke: the process is asked, not the record."""
    rig.hosts.activate(rig.host, order(TWO, 3))
    assert rig.hosts.activate(rig.host, order(TWO, 3)).phase == "pending"
    (rig.prefix / "process").write_text(f"releases/{ONE.release}\n")
    with pytest.raises(Refused, match="was cut off") as caught:
        rig.hosts.activate(rig.host, order(TWO, 3))
    assert caught.value.code == "unproven"
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


BELIEVES = """\
service_check() { :; }
service_running() { :; }
service_change() { echo reload; }
service_adopted() { :; }
service_reload() { echo "new-$1" > "$ROOT/pid"; echo "$1 new-$1" > "$ROOT/loaded"; readlink "$ROOT/current" > "$ROOT/served"; }
service_start() { service_reload "$1"; }
service_loaded() {
  read -r release pid < "$ROOT/loaded" || return 1
  [ "$pid" = "$(cat "$ROOT/pid")" ] || [ "$(readlink "$ROOT/current")" = "releases/$release" ] && echo "$release"
}
"""


def test_a_process_that_nobody_knows_is_not_believed_on_the_way_back(rig: RealRig) -> None:
    """Killed between the reload and its record: the old record and the link that was moved back would agree."""
    for release in (ONE.release, TWO.release):
        phrases(rig, release).write_text(f"ROOT={root(rig)}\n{BELIEVES}")
    rig.hosts.activate(rig.host, order(TWO, 3))
    (root(rig) / "loaded").write_text(f"{ONE.release} old\n")
    rig.hosts.revert(rig.host, order(TWO, 3))
    assert (root(rig) / "served").read_text().strip() == f"releases/{ONE.release}"


def test_at_boot_no_name_resolves_and_the_way_back_is_taken(rig: RealRig) -> None:
    """The good release was checked when it was taken; what cannot be checked yet is not doubted."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=300))
    os.kill(watchdog(rig, "3-abcd"), signal.SIGKILL)
    phrases(rig, ONE.release).write_text("service_check() { echo 'host not found in upstream' >&2; return 1; }\n")
    tick(rig, "boot")
    assert os.readlink(root(rig) / "current") == f"releases/{ONE.release}"


def test_a_hand_edit_is_adopted_as_a_release_of_its_own(rig: RealRig) -> None:
    """`deploy adopt` on a drifted host: the edit is kept, the way back is whole again."""
    rig.edit(b"by hand\n")
    assert rig.hosts.survey(rig.host).drift
    state = rig.hosts.adopt(rig.host, order(ONE, 3))
    state = rig.hosts.survey(rig.host)
    assert not state.drift
    assert state.good.startswith("0000000000-")
    assert state.history[-1].number == 3
    assert rig.live.read_bytes() == b"by hand\n"
    rig.hosts.activate(rig.host, order(TWO, 4))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[RealRig]:
    """A host whose state lies on two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "host/var/lib/deployer"
    disk.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=400", "none", str(disk)], check=False)
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield ready(RealRig(tmp_path / "host", LocalTransport()))
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(folder: Path) -> None:
    """Until not one byte more fits."""
    with (folder / "filler").open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        except OSError:
            return


def test_a_disk_without_room(small_disk: RealRig) -> None:
    """A release that does not fit is refused by name and leaves nothing behind; what is pending can still go back."""
    rig = small_disk
    big = Package("dddddddddd-dddddddd", {"conf.d/app.conf": (b"two\n", False), "blob": (b"x" * 4_000_000, False)})
    with pytest.raises(Refused) as caught:
        rig.hosts.stage(rig.host, big)
    assert caught.value.code == "disk"
    assert big.release not in rig.hosts.survey(rig.host).releases
    rig.hosts.activate(rig.host, order(TWO, 3))
    fill(root(rig))
    assert rig.hosts.revert(rig.host, order(TWO, 3)).verified_on(ONE.release)


def test_a_full_disk_does_not_stop_a_confirm(small_disk: RealRig) -> None:
    """Renames only."""
    rig = small_disk
    rig.hosts.activate(rig.host, order(TWO, 3))
    fill(root(rig))
    assert rig.hosts.confirm(rig.host, order(TWO, 3)).verified_on(TWO.release)


NOT_FOUND = 'service_check() { echo "/opt/nginx: not found" >&2; return 127; }\n'
BLIND = "service_loaded() { return 1; }\n"


def refuses(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.code


def taken(rig: RealRig, pack: Package, number: int) -> None:
    """`pack` is confirmed as deploy `number`."""
    rig.hosts.stage(rig.host, pack)
    rig.hosts.activate(rig.host, order(pack, number))
    assert rig.hosts.confirm(rig.host, order(pack, number)).verified_on(pack.release)


def test_a_refused_push_changes_nothing_of_the_way_back(rig: RealRig) -> None:
    """Staged with a binary that is not there and refused: the process is seen as before, and a rollback works."""
    taken(rig, TWO, 3)
    speaking(rig, NOT_FOUND).stage(rig.host, THREE)
    assert refuses(lambda: rig.hosts.check(rig.host, THREE.release)) == "invalid"
    assert rig.hosts.survey(rig.host).verified_on(TWO.release)
    back = replace(order(ONE, 4), command="rollback")
    rig.hosts.check(rig.host, ONE.release)
    rig.hosts.activate(rig.host, back)
    assert rig.hosts.confirm(rig.host, back).verified_on(ONE.release)


@pytest.mark.parametrize("broken", [NOT_FOUND, BLIND, "service_reload() { return 1; }\n"])
def test_what_is_pending_goes_back_whatever_is_staged(rig: RealRig, broken: str) -> None:
    """By the watchdog, alone."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=2))
    speaking(rig, broken).stage(rig.host, THREE)
    assert rig.until(lambda s: not s.in_flight, 20).verified_on(ONE.release)


@pytest.mark.parametrize("broken", [NOT_FOUND, BLIND])
def test_a_release_that_is_here_keeps_what_it_works_with(rig: RealRig, broken: str) -> None:
    """Staged again with other variables: refused where they do not do, be it live or what a rollback would go to."""
    taken(rig, TWO, 3)
    for pack in (TWO, ONE):
        assert refuses(lambda pack=pack: speaking(rig, broken).stage(rig.host, pack)) == "invalid"  # type: ignore[misc]
        assert not list((root(rig) / "releases").glob(".tmp*"))
    assert refuses(lambda: speaking(rig, broken).adopt(rig.host, order(TWO, 3))) == "invalid"
    assert rig.hosts.survey(rig.host).verified_on(TWO.release)
    rig.hosts.activate(rig.host, replace(order(ONE, 4), command="rollback"))
    assert rig.hosts.revert(rig.host, order(ONE, 4)).verified_on(TWO.release)
    speaking(rig, "# with a path that works\n").stage(rig.host, TWO)
    assert "a path that works" in phrases(rig, TWO.release).read_text()
    assert rig.hosts.survey(rig.host).verified_on(TWO.release)


def test_a_wrong_variable_that_was_mended_takes_effect(rig: RealRig) -> None:
    """The same release, staged wrong, refused, staged right."""
    speaking(rig, NOT_FOUND).stage(rig.host, THREE)
    assert refuses(lambda: rig.hosts.activate(rig.host, order(THREE, 3))) == "invalid"
    taken(rig, THREE, 3)


def test_a_tool_that_moved_does_not_end_the_way_back(rig: RealRig) -> None:
    """What was confirmed here is asked for with what works today: before a push, in a revert, and in a rollback."""
    taken(rig, TWO, 3)
    for release in (ONE.release, TWO.release):
        phrases(rig, release).write_text(phrases(rig, release).read_text() + NOT_FOUND)
    assert refuses(lambda: rig.hosts.activate(rig.host, order(ONE, 4))) == "invalid"
    taken(rig, THREE, 4)
    back = replace(order(ONE, 5), command="rollback")
    rig.hosts.check(rig.host, ONE.release)
    rig.hosts.activate(rig.host, back)
    assert rig.hosts.confirm(rig.host, back).verified_on(ONE.release)
    rig.hosts.activate(rig.host, order(TWO, 6, lease=300))
    phrases(rig, ONE.release).write_text(phrases(rig, ONE.release).read_text() + NOT_FOUND)
    assert rig.hosts.revert(rig.host, order(TWO, 6)).verified_on(ONE.release)


def test_a_host_that_an_older_agent_adopted(rig: RealRig) -> None:
    """One file of functions for all releases: it serves those that have none of their own, and no stage changes it."""
    old = root(rig) / "service"
    shutil.copy(phrases(rig, ONE.release), old)
    shutil.rmtree(root(rig) / "phrases")
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)
    before = old.read_text()
    speaking(rig, NOT_FOUND).stage(rig.host, THREE)
    rig.hosts.activate(rig.host, order(TWO, 3))
    assert rig.hosts.revert(rig.host, order(TWO, 3)).verified_on(ONE.release)
    assert old.read_text() == before


def test_functions_go_with_their_release(rig: RealRig) -> None:
    for number, pack in ((3, TWO), (4, THREE)):
        taken(rig, pack, number)
    state = rig.hosts.prune(rig.host, 1)
    assert ONE.release not in state.releases
    assert {p.name for p in (root(rig) / "phrases").iterdir()} == set(state.releases)


NEEDS_A_RESTART = """
service_change() { case $1$2 in *{two}*) echo "restart: the zone moves" ;; *) echo reload ;; esac; }
service_reload() {{ echo reload >> {told}; [ "$1" != {two} ] || return 1; readlink {root}/current > {process}; }}
service_restart() {{ echo restart >> {told}; readlink {root}/current > {process}; }}
""".replace("() { case", "() {{ case").replace("esac; }", "esac; }}")


def test_a_release_that_was_never_loaded_is_undone_without_the_process(rig: RealRig) -> None:
    """It needs a restart, the reload was refused: what runs is the good release, so it is neither restarted nor told."""
    told = rig.prefix / "told"
    text = NEEDS_A_RESTART.format(two=TWO.release, told=told, root=root(rig), process=rig.prefix / "process")
    for release in (ONE.release, TWO.release):
        phrases(rig, release).write_text(phrases(rig, release).read_text() + text)
    assert refuses(lambda: rig.hosts.activate(rig.host, order(TWO, 3))) == "unproven"
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)
    assert told.read_text().split() == ["reload"]
    rig.hosts.activate(rig.host, replace(order(TWO, 4), restart=True))
    assert rig.hosts.revert(rig.host, order(TWO, 4)).verified_on(ONE.release)
    assert told.read_text().split() == ["reload", "restart", "restart"], "what was loaded by a restart goes back by one"


def test_a_host_that_goes_down(tmp_path: Path) -> None:
    """Nothing new is begun there; what is pending will be gone after the boot, and the process is left alone."""
    going, tools = tmp_path / "going-down", tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text(f"#!/bin/sh\n[ -f {going} ] && echo stopping || echo running\n")
    (tools / "systemctl").chmod(0o755)
    rig = ready(RealRig(tmp_path / "host", LocalTransport(str(tools))))
    going.touch()
    assert refuses(lambda: rig.hosts.activate(rig.host, order(TWO, 3))) == "stopping"
    going.unlink()
    rig.hosts.activate(rig.host, order(TWO, 3, lease=300))
    going.touch()
    for _ in range(2):
        assert refuses(lambda: rig.hosts.revert(rig.host, order(TWO, 3))) == "stopping"
    state = rig.hosts.survey(rig.host)
    assert (state.current, state.in_flight, state.loaded) == (ONE.release, True, TWO.release)
    os.kill(watchdog(rig, "3-abcd"), signal.SIGTERM)
    eventually(lambda: rig.hosts.survey(rig.host).watchdog == "dead", 10, "the machine does not wait for the watchdog")
    going.unlink()
    tick(rig, "boot")
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_a_watchdog_outlives_whoever_asks_it_to_end(rig: RealRig) -> None:
    """A signal to it, while the machine stays."""
    rig.hosts.activate(rig.host, order(TWO, 3, lease=4))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(watchdog(rig, "3-abcd"), number)
    assert rig.until(lambda s: not s.in_flight, 20).verified_on(ONE.release)


THEM = 61236 if os.geteuid() == 0 else os.geteuid()
BECOME = ["setpriv", "--reuid", str(THEM), "--regid", str(THEM), "--clear-groups"] if os.geteuid() == 0 else []


def may_have(processes: str, pid: int) -> None:
    """How many processes the owner of `pid` may have before it can fork no more."""
    subprocess.run([*BECOME, "prlimit", "--pid", str(pid), f"--nproc={processes}:"], check=True)


class AsThem(LocalTransport):
    """Another user: nothing limits the processes of root."""

    def run(self, host: Host, command: Command, fresh: bool = False) -> Ran:
        return super().run(
            host, replace(command, line=f"exec {shlex.join([*BECOME, 'sh', '-c', command.line])}"), fresh
        )


@pytest.mark.parametrize("shell", ["dash", "busybox", "bash", "mksh"])
def test_a_watchdog_that_cannot_fork_lives_on(shell: str) -> None:
    """No process can be made for a while, over the end of the lease: it goes back as soon as one can."""
    folder = Path(tempfile.mkdtemp(prefix="fork-"))
    try:
        folder.chmod(0o755)
        rig = RealRig(folder / "host", AsThem(shell_folder(folder / "bin", shell)))
        for path in (rig.prefix, *rig.prefix.rglob("*")):
            os.lchown(path, THEM, THEM)
        ready(rig)
        rig.hosts.activate(rig.host, order(TWO, 3, lease=3))
        pid = watchdog(rig, "3-abcd")
        may_have("0", pid)
        eventually(lambda: rig.hosts.survey(rig.host).left == 0, 30, "the lease is over")
        eventually(lambda: not Path(f"/proc/{pid}/task/{pid}/children").read_text(), 10, "it has no child")
        assert rig.hosts.survey(rig.host).in_flight
        may_have("1000", pid)
        assert rig.until(lambda s: not s.in_flight, 60).verified_on(ONE.release)
    finally:
        reap(folder)
        shutil.rmtree(folder, ignore_errors=True)
