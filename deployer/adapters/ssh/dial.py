"""The socket of a first hop where ssh_config says more about it than a name and a port: through a ProxyCommand, by one
address family, from one address of ours."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from typing import IO

from deployer.adapters.local.children import ELSEWHERE, SSH, environment
from deployer.adapters.ssh.config import Target

FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
SAID = 300  # characters of a command's complaint


class Proxied(socket.socket):
    """The near end of what a ProxyCommand carries; closing it ends the command."""

    child: subprocess.Popen[bytes]
    complaint: IO[bytes]

    def close(self) -> None:
        """Never waits for the command."""
        super().close()
        if self.child.poll() is None:
            self.child.kill()

    def said(self) -> str:
        """What the command wrote on stderr."""
        self.complaint.seek(0)
        return " ".join(self.complaint.read(4096).decode("utf-8", "replace").split())[:SAID]


def dial(hop: Target, end: float) -> socket.socket | None:
    """None where there is nothing special. Raises OSError."""
    if hop.command:
        return _through(hop.command)
    if hop.family == "any" and not hop.bind:
        return None
    last: OSError = OSError(f"{hop.hostname} has no address of the family {hop.family}")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        hop.hostname, hop.port, FAMILIES.get(hop.family, socket.AF_UNSPEC), socket.SOCK_STREAM
    ):
        wire = socket.socket(family, kind, protocol)
        try:
            wire.settimeout(max(0.1, end - time.monotonic()))
            if hop.bind:
                wire.bind((hop.bind, 0))
            wire.connect(address)
            return wire
        except OSError as error:
            wire.close()
            last = error
    raise last


def _through(command: str) -> Proxied:
    """As ssh does it: by the user's own shell, both streams on one socket."""
    near, far = socket.socketpair()
    complaint = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the connection)
    with far:
        child = subprocess.Popen(
            [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"],
            stdin=far.fileno(), stdout=far.fileno(), stderr=complaint,
            cwd=ELSEWHERE, env=environment(SSH), start_new_session=True,
        )  # fmt: skip
    wire = Proxied(near.family, near.type, near.proto, near.detach())
    wire.child, wire.complaint = child, complaint
    return wire
