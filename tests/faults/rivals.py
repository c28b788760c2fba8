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

from deployer.adapters.sandbox import binaries, repository
from tests.faults.crash import wait
from tests.faults.fleet import FaultFleet, end, masters
from tests.faults.injections import fill_blocks
from tests.faults.matrix import Cell

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
                    tar.extract(member, folder / name, filter="data")
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


def kill(number: signal.Signals) -> Strike:
    return lambda rival: os.killpg(rival.child.pid, number)


def silent(rival: Rival) -> None:
    rival.fleet.network("web2", "silent")


def reset(rival: Rival) -> None:
    rival.fleet.network("web2", "refuse")
    rival.fleet.relays["web2"].cut()


def reboot(rival: Rival) -> None:
    rival.fleet.reboot("web1", boot_unit=False)


def server_dead(rival: Rival) -> None:
    end(*masters(rival.fleet.fleet.host("web2").prefix))


def full(rival: Rival) -> None:
    fill_blocks(Cell(rival.fleet, "push", "stage", "web2"))


def nothing(rival: Rival) -> None:
    """The release itself is the fault, or there is none."""


def lying(fleet: FaultFleet) -> Path:
    """A release that `nginx -t` and the reload accept and no worker ever has."""
    folder = fleet.folder / "material/lying"
    if not folder.exists():
        shutil.copytree(material(fleet, fleet.new), folder)
        for file in folder.rglob("shop.conf"):
            file.write_text(file.read_text().replace("cache/nginx/shop levels", "cache/nginx/shop2 levels"))
    return folder


PLAIN: dict[str, tuple[Strike, bool]] = {  # name -> strike, before the first host?
    "client SIGKILL": (kill(signal.SIGKILL), False),
    "client SIGHUP": (kill(signal.SIGHUP), False),
    "network silent at host 2": (silent, False),
    "connection refused at host 2": (reset, False),
    "host 1 reboots": (reboot, False),
    "server of host 2 dead": (server_dead, False),
    "disk of host 2 full": (full, True),
}


def plain(fleet: FaultFleet) -> Iterator[tuple[str, str]]:
    """Fault, what was found."""
    for name, (strike, early) in PLAIN.items():
        fleet.reset("before")
        if early:
            strike(Rival(fleet, None))  # type: ignore[arg-type]
        rival = begin(fleet, material(fleet, fleet.new), fleet.names)
        at_first_host(rival)
        if not early:
            strike(rival)
        yield name, verdict(rival)
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
    rules = folder / "rules"
    subprocess.run("iptables-save > /dev/null", shell=True, check=True)
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
