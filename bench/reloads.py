"""Harmless reloads at the host agent, one after the other, on one real server: how many are not taken.

  script/bench reloads --service haproxy --count 1000
  script/bench reloads --count 200 --busy 2      all six servers, beside two busy loops

Every turn activates a release that differs from the one before by a comment, and confirms it: check, reload, proof,
watchdog, commit, as in a push, without SSH and without a gate. A turn that is refused is printed with the agent's
reason; the host must be back on the release before, or the run ends.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer.adapters.ssh.hosts import SshHosts
from deployer.model.errors import HostError, Unreachable
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.render import render, variables
from deployer.model.state import Order
from deployer.remote.layout import Layout
from deployer.remote.verbs import Command
from deployer.sandbox import servers
from deployer.sandbox.daemons import NAMES, daemon
from deployer.sandbox.fleet import Sandbox
from deployer.services import SERVICES
from deployer.services.base import ServiceSettings


@dataclass(frozen=True)
class Ran:
    """What one command came to."""

    exit: int | None
    stdout: bytes
    stderr: bytes


class Here:
    """A host without a wire: its commands are run on this machine."""

    def run(self, host: Host, command: Command, fresh: bool = False) -> Ran:
        """See Transport."""
        words = ["sh", "-c", command.line]
        try:
            done = subprocess.run(
                words, input=command.stdin, capture_output=True, timeout=command.deadline, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {command.deadline:.0f} s") from None
        return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Turns:
    """What came of one server's turns. slowest: seconds of the slowest one."""

    service: str
    done: int
    failed: int
    seconds: float
    slowest: float


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes that never wait."""
    words = [sys.executable, "-c", "while True: pass"]
    children = [subprocess.Popen(words) for _ in range(loops)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def package(fleet: Sandbox, host: Host, number: int) -> Package:
    """The example configuration with one comment; its name is its number."""
    names = variables(host)
    files = {s.path: (render(s, names), False) for s in servers.read_files(fleet.service)}
    path = daemon(fleet.service).EDITS["good"].path.removesuffix(".j2")
    files[path] = (files[path][0] + f"\n# harmless {number}\n".encode(), False)
    return Package(f"{number:010x}-{number:08x}", files)


def reload(hosts: SshHosts, host: Host, deploy: Order) -> str:
    """Activate and confirm: why not, or ""."""
    try:
        hosts.activate(host, deploy)
        state = hosts.confirm(host, deploy)
    except HostError as error:
        return str(error)
    return "" if state.verified_on(deploy.release) else f"not verified: it runs {state.loaded or 'nothing proven'}"


def turns(service: str, count: int) -> Turns:
    """One server, `count` turns between two releases."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Sandbox(folder, 1, service) as fleet:
            box = fleet.hosts[0]
            host = Host(box.name, "127.0.0.1", vars=fleet.variables(box))

            def script(host: Host, layout: Layout) -> str:
                return SERVICES[service].script(ServiceSettings(layout.dest, layout.root, layout.prefix, host.vars))

            hosts = SshHosts(Here(), service, servers.dest(service), script)
            hosts.adopt(host, Order("1-0000", 1, "push", "", 60, 600))
            releases = [package(fleet, host, number) for number in (1, 2)]
            for release in releases:
                hosts.stage(host, release)
            return walk(service, hosts, host, [release.release for release in releases], count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def walk(service: str, hosts: SshHosts, host: Host, releases: list[str], count: int) -> Turns:
    """There and back until `count` is reached."""
    failed, slowest, began = 0, 0.0, time.monotonic()
    for number in range(2, count + 2):
        since = time.monotonic()
        why = reload(hosts, host, Order(f"{number}-0000", number, "push", releases[number % 2], 60, 600))
        slowest = max(slowest, time.monotonic() - since)
        if why:
            failed += 1
            print(f"{service} turn {number - 1} after {time.monotonic() - since:.1f} s: {why}", flush=True)
            state = hosts.survey(host)
            if not state.verified_on(state.good):
                raise SystemExit(f"error: {service} did not come back: {state}")
    return Turns(service, count, failed, time.monotonic() - began, slowest)


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", choices=NAMES, action="append", help="one of them; repeat it for more")
    parser.add_argument("--count", type=int, default=200, help="turns for each server")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="beside so many busy loops")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and nothing is left behind
    failed = 0
    with busy(options.busy):
        for service in options.service or NAMES:
            done = turns(service, options.count)
            failed += done.failed
            each = done.seconds / max(1, done.done)
            print(
                f"{service:<14}{done.done:>6} reloads, {done.failed} not taken, "
                f"{each:.1f} s each, the slowest {done.slowest:.1f} s",
                flush=True,
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
