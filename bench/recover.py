"""How fast a whole fleet is back (goal R4 of the host protocol): real sshd and nginx per host, all on this machine.

  script/bench recover --hosts 100 [--runs 3]

Two stories, each `--runs` times on one fleet. What the hosts serve is asked over HTTP by this process, which knows
nothing of the deploy:

  abort     every host serves a new release in its bake; Ctrl-C is the decision; how long until the first and the last
            host serve the old one, and until the command ends
  rollback  every host has the new release for good and the git remote is gone; the same from the start of the command

Prints seconds: minimum, median, maximum. The hosts share the processors with the deployer, so CPU seconds stand beside:
`cpu` of everything on the machine until the command ends (divided by the processors it is what no order of the work
could beat here), `deployer` of the command alone, `asking` of this process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.fleet import deploy
from deployer.sandbox import repository
from deployer.sandbox.fleet import Sandbox, wait_for

CHECK = """probes: [{name: home, url: /, expect: 200, rate: 1/s, level: required}]
compare: {}
sources: {traffic: none}
inconclusive: continue
"""  # the way back is measured here, not the gate: hundreds of probes a second would only heat the machine

COLUMNS = ("first host", "last host", "command", "cpu", "deployer", "asking")


@contextmanager
def fleet_of(hosts: int) -> Iterator[Sandbox]:
    """Adopted; one wave, a long bake."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Sandbox(folder, hosts, "nginx") as fleet:
            repository.make_repository(fleet, bake="5s", confirm_timeout="60s", serial='["100%"]')
            for check in (fleet.config / "health_checks").glob("*.yml"):
                check.write_text(CHECK)
            repository.commit(fleet, "a lighter check")
            must(fleet, "adopt")
            yield fleet
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def must(fleet: Sandbox, *words: str) -> None:
    """A command on which the rest stands."""
    code, body = deploy(fleet, *words)
    if code:
        raise SystemExit(f"error: deploy {' '.join(words)} ended with {code}: {body}")


def new(port: int) -> bool:
    """Does the host serve the new release? One plain request: the asking must not take the processors it measures."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(b"HEAD / HTTP/1.0\r\nHost: shop.example\r\n\r\n")
        head = wire.recv(8192)
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"error: port {port} answers {head[:60]!r}")
    return b"\r\nX-Shop:" in head


def start(fleet: Sandbox, *words: str) -> subprocess.Popen[bytes]:
    """`deploy WORDS`, in a process group of its own."""
    command = [sys.executable, "-m", "deployer", *words, "--yes", "--json"]
    return subprocess.Popen(
        command,
        cwd=fleet.config,
        env=fleet.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(fleet.folder / "err").open("wb"),
        start_new_session=True,
    )


def back(fleet: Sandbox, child: subprocess.Popen[bytes], begun: float) -> tuple[float, ...]:
    """Seconds from `begun` until the first host serves the old release, the last, the command ends; CPU seconds of
    all, of the command, of this process."""
    ports, first = {host.http_port for host in fleet.hosts}, 0.0
    machine, deployer, asking = cpu(), used_by(child.pid), time.process_time()
    while ports:
        if time.monotonic() > begun + 300:
            raise SystemExit(f"error: {len(ports)} hosts are not back: {(fleet.folder / 'err').read_text()[-2000:]}")
        ports = {port for port in ports if new(port)}
        if len(ports) < len(fleet.hosts) and not first:
            first = time.monotonic() - begun
        time.sleep(0.2)
    last = time.monotonic() - begun
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays to be asked what it used
    end, deployer = time.monotonic() - begun, used_by(child.pid) - deployer
    child.wait()
    return first, last, end, cpu() - machine, deployer, time.process_time() - asking


def abort(fleet: Sandbox) -> tuple[float, ...]:
    """Ctrl-C when all hosts serve the new release."""
    child = start(fleet, "push", "--allow-quarantined")
    wait_for(lambda: all(new(host.http_port) for host in fleet.hosts), "every host has the new release", 300)
    os.killpg(child.pid, signal.SIGINT)
    return back(fleet, child, time.monotonic())


def rollback(fleet: Sandbox) -> tuple[float, ...]:
    """With the remote gone."""
    must(fleet, "push", "--allow-quarantined")
    remote = fleet.folder / "origin.git"
    remote.rename(fleet.folder / "gone")
    begun = time.monotonic()
    try:
        return back(fleet, start(fleet, "rollback"), begun)
    finally:
        (fleet.folder / "gone").rename(remote)


def cpu() -> float:
    """Seconds that all processors were busy since the machine started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return (sum(map(int, fields[:8])) - int(fields[3]) - int(fields[4])) / os.sysconf("SC_CLK_TCK")


def used_by(pid: int) -> float:
    """CPU seconds of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.hosts} hosts, {options.runs} runs, {os.cpu_count()} processors")
    with fleet_of(options.hosts) as fleet:
        repository.commit_edit(fleet, "header")
        for story in (abort, rollback):
            columns = zip(*(story(fleet) for _ in range(options.runs)), strict=True)
            for name, column in zip(COLUMNS, columns, strict=True):
                figures = (min(column), statistics.median(column), max(column))
                print(f"{story.__name__:<9}{name:<11}" + "".join(f"{figure:>7.1f}" for figure in figures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
