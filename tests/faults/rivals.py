"""The same faults against what people use instead: a plain symlink deploy over ssh, and iptables-apply (R9).

Each cell says what was found when everything had settled: on which release the hosts are, and whether anybody said so.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.sandbox import binaries, repository
from tests.faults import injections as inject
from tests.faults.crash import wait
from tests.faults.fleet import FaultFleet, end
from tests.faults.matrix import Cell
from tests.faults.unpack import unpack

HERE = Path(__file__).parent
PATIENCE = 30.0  # seconds after which a command that says nothing counts as hanging


@dataclass
class Rival:
    """A plain deploy of the new release that stands after its first host."""

    fleet: FaultFleet
    child: subprocess.Popen[str]

    def on(self) -> dict[str, str]:
        """Host -> what its nginx serves: old, new, something else, or nothing."""
        words = {self.fleet.old: "old", self.fleet.new: "new", "": "down"}
        return {name: words.get(self.fleet.serves(name), "?") for name in self.fleet.names}

    def go(self) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(OSError):
            self.child.stdin.write("go\n" * 5)
            self.child.stdin.flush()


def material(fleet: FaultFleet, release: str) -> Path:
    """HOST/ -> the files of a release as each host gets them."""
    folder = fleet.folder / "material" / release
    for name in fleet.names:
        if (folder / name).exists():
            continue
        (folder / name).mkdir(parents=True)
        with tarfile.open(fleet.folder / f"after.{name}.tar") as tar:
            start = f"state/nginx/releases/{release}/"
            for member in tar.getmembers():
                if member.isfile() and member.name.startswith(start) and not member.name.endswith(".manifest"):
                    member.name = member.name.removeprefix(start)
                    unpack(tar, member, folder / name)
    return folder


def begin(fleet: FaultFleet, folder: Path, hosts: list[str]) -> Rival:
    """Start it and let it switch its first host."""
    text = (HERE / "plain-deploy.sh").read_text()
    config = fleet.folder / "plain_config"
    blocks = [(fleet.folder / "ssh_config").read_text()]
    for name in fleet.names:
        host = fleet.fleet.host(name)
        blocks.insert(0, f"Host {name}\n  HostName 127.0.0.1\n  Port {host.ssh_port}\n")
        nginx = f"{binaries.find('nginx')} -p {host.prefix}/ -c {host.prefix}/etc/nginx/nginx.conf"
        wrapper = fleet.folder / "bin" / f"nginx-of-{name}"
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(f'#!/bin/sh\nexec {nginx} "$@"\n')
        wrapper.chmod(0o755)
    text = text.replace("nginx-of-$host", f"{fleet.folder}/bin/nginx-of-$host")
    text = text.replace("ROOT_$host", f"{fleet.folder}/hosts/$host/var/lib/deployer/nginx")
    config.write_text("".join(blocks))
    script = fleet.folder / "plain-deploy.sh"
    script.write_text(text)
    ssh = Path(binaries.find("ssh")).parent
    child = subprocess.Popen(
        ["sh", str(script), str(config), str(folder), folder.name, *hosts],
        env={**os.environ, "PATH": f"{ssh}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Rival(fleet, child)


def at_first_host(rival: Rival) -> None:
    """Its first host is switched, or it has ended."""
    first = rival.fleet.names[0]
    wait(lambda: rival.child.poll() is not None or rival.fleet.serves(first) == rival.fleet.new, PATIENCE)


Strike = Callable[[Rival], None]


@dataclass(frozen=True)
class Blow:
    """early: before the first host is switched. lift: what `reset` does not mend by itself."""

    strike: Strike
    early: bool = False
    lift: Strike = lambda rival: None


def kill(number: signal.Signals) -> Strike:
    return lambda rival: os.killpg(rival.child.pid, number)


def at(action: inject.Action, host: str = "web2") -> Strike:
    """One of the injections of the matrix."""
    return lambda rival: action(Cell(rival.fleet, "push", "stage", host))


def both(first: Strike, second: Strike) -> Strike:
    def strike(rival: Rival) -> None:
        first(rival)
        second(rival)

    return strike


def another(rival: Rival) -> None:
    """A colleague takes both hosts back meanwhile."""
    other = begin(rival.fleet, material(rival.fleet, rival.fleet.old), rival.fleet.names)
    other.go()
    other.child.communicate(timeout=PATIENCE)


def lying(fleet: FaultFleet) -> Path:
    """A release that `nginx -t` and the reload accept and no worker ever has."""
    folder = fleet.folder / "material/lying"
    if not folder.exists():
        shutil.copytree(material(fleet, fleet.new), folder)
        for file in folder.rglob("shop.conf"):
            file.write_text(file.read_text().replace("cache/nginx/shop levels", "cache/nginx/shop2 levels"))
    return folder


PLAIN = {
    "client SIGKILL": Blow(kill(signal.SIGKILL)),
    "client SIGHUP": Blow(kill(signal.SIGHUP)),
    "client SIGINT": Blow(kill(signal.SIGINT)),
    "network silent at host 2": Blow(at(inject.network("silent"))),
    "answers of host 2 lost": Blow(at(inject.network("deaf"))),
    "connection refused at host 2": Blow(both(at(inject.network("refuse")), at(inject.cut))),
    "sshd of host 2: MaxStartups taken": Blow(
        both(at(inject.with_sshd(inject.SLOTS)), at(inject.fill_slots)), lift=at(inject.free_slots)
    ),
    "key removed": Blow(at(inject.take_key), lift=at(inject.give_key)),
    "host 1 reboots": Blow(at(inject.reboot_bare, "web1")),
    "server of host 2 dead": Blow(at(inject.kill_server)),
    "reload of host 2 hangs": Blow(at(inject.freeze_server)),
    "disk of host 2 full: blocks": Blow(at(inject.fill_blocks), early=True),
    "disk of host 2 full: inodes": Blow(at(inject.fill_inodes), early=True),
    "disk of host 2 read-only": Blow(at(inject.read_only)),
    "two deployers": Blow(another),
}


def plain(fleet: FaultFleet) -> Iterator[tuple[str, str]]:
    """Fault, what was found."""
    for name, blow in PLAIN.items():
        fleet.reset("before")
        if blow.early:
            blow.strike(Rival(fleet, None))  # type: ignore[arg-type]
        rival = begin(fleet, material(fleet, fleet.new), fleet.names)
        at_first_host(rival)
        if not blow.early:
            blow.strike(rival)
        yield name, verdict(rival)
        blow.lift(rival)
    fleet.reset("before")
    rival = begin(fleet, lying(fleet), fleet.names)
    rival.go()
    yield "reload lies", verdict(rival)


def verdict(rival: Rival) -> str:
    """Wait for its end, or not for ever; then look."""
    rival.go()
    try:
        rival.child.communicate(timeout=PATIENCE)
        said = f"exit {rival.child.returncode}"
    except subprocess.TimeoutExpired:
        said = f"still hanging after {PATIENCE:.0f} s"
        os.killpg(rival.child.pid, signal.SIGKILL)
        rival.child.communicate()
    time.sleep(10)  # longer than any dead-man timer here: nobody is coming
    on = rival.on()
    links = {n: os.readlink(rival.fleet.root(n) / "current").removeprefix("releases/")[:10] for n in rival.fleet.names}
    rival.fleet.network("web2", "pass")
    return f"{said}; served {on}; links {links}"


# --- iptables-apply


def rules_in_place() -> bool:
    done = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True)
    return "--dport 9" in done.stdout


def iptables_apply(folder: Path, name: str) -> str:
    """One cell: apply a rule with a timeout of 5 s, break it, look 8 s later."""
    subprocess.run(["iptables", "-F"], check=True)
    subprocess.run(
        ["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "10", "-j", "ACCEPT"], check=True
    )  # or it saves nothing
    rules = folder / "rules"
    rules.write_text(
        "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -p tcp --dport 9 -j DROP\nCOMMIT\n"
    )
    master, slave = pty.openpty()
    words = ["iptables-apply", "-t", "5", str(rules)]
    child = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    if not wait(rules_in_place, 10):
        return "never applied"
    if name == "client SIGKILL":
        os.close(master)  # what sshd does to a session whose client is gone: the terminal hangs up
        os.killpg(child.pid, signal.SIGHUP)
    elif name == "tool SIGKILL":
        end(child.pid)
    elif name == "terminal stopped":
        pass
    time.sleep(8)
    stays = rules_in_place()
    end(child.pid)
    child.wait()
    subprocess.run(["iptables", "-F"], check=True)
    return "the unconfirmed rules stay" if stays else "reverted"


APPLY = ("nobody answers", "client SIGKILL", "tool SIGKILL")


__all__ = ["APPLY", "iptables_apply", "plain", "repository"]
