"""The real thing for the contract suite: hostctl under a chosen shell, with a toy service that has a process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.adapters.ssh.hosts import SshHosts
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.model.state import HostState
from deployer.remote.layout import Layout
from deployer.remote.verbs import Command
from deployer.sandbox.binaries import find

# A "process" is a file that says what it has loaded: reload reads the configuration through DEST, as a server does.
SERVICE = """
service_check() {
  ! grep -q broken "$1/conf.d/app.conf" || { echo "unknown word in conf.d/app.conf:1" >&2; return 1; }
}
service_running() { [ -f @PREFIX@/process ]; }
service_reload() { grep -q 'never loads' @DEST@/conf.d/app.conf || readlink @ROOT@/current > @PREFIX@/process; }
service_start() { service_reload; }
service_loaded() { sed 's|releases/||' @PREFIX@/process; }
service_change() { echo reload; }
service_adopted() { readlink @ROOT@/current > @PREFIX@/process; }
"""


def toy_service(host: Host, layout: Layout) -> str:
    """The phrasebook of the toy."""
    text = SERVICE.replace("@PREFIX@", layout.prefix).replace("@DEST@", layout.dest)
    return text.replace("@ROOT@", layout.root)


@dataclass(frozen=True)
class Ran:
    exit: int | None
    stdout: bytes
    stderr: bytes
    noise: bytes = b""


class LocalTransport:
    """A host without a wire: the command line goes to a shell on this machine. shell: a folder whose `sh` is used."""

    def __init__(self, shell_folder: str = "") -> None:
        path = os.environ.get("PATH", "/usr/bin:/bin")
        self._env = {"PATH": f"{shell_folder}:{path}" if shell_folder else path, "HOME": "/nonexistent"}

    def run(self, host: Host, command: Command, fresh: bool = False) -> Ran:
        try:
            done = subprocess.run(
                ["sh", "-c", command.line],
                input=command.stdin,
                capture_output=True,
                timeout=command.deadline,
                env=self._env,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {command.deadline:.0f} s") from None
        return Ran(done.returncode, done.stdout, done.stderr)


def shell_folder(folder: Path, shell: str) -> str:
    """A folder in which `sh` is the given shell ("" for the system's): first in PATH, it is what every script gets."""
    if not shell:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sh").symlink_to(os.path.realpath(find(shell)))
    return str(folder)


class RealRig:
    """A host below `prefix`, over any transport."""

    def __init__(self, prefix: Path, transport: object, host: Host | None = None) -> None:
        self.prefix = prefix
        self.host = host or Host("web1", vars={"deploy_prefix": str(prefix)})
        self.live = prefix / "etc/app/conf.d/app.conf"
        self.live.parent.mkdir(parents=True)
        self.live.write_bytes(b"as it was\n")
        (prefix / "process").write_text("unknown\n")
        self.hosts = SshHosts(transport, "app", "/etc/app", toy_service)  # type: ignore[arg-type]

    def until(self, holds: Callable[[HostState], bool], seconds: float) -> HostState:
        end = time.monotonic() + seconds
        while not holds(state := self.hosts.survey(self.host)) and time.monotonic() < end:
            time.sleep(0.2)
        return state

    def edit(self, text: bytes) -> None:
        self.live.write_bytes(text)
