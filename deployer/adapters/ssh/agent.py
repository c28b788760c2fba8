"""An ssh-agent at a given socket, asked with a limit: paramiko asks only the one of the environment, and for as long as
it takes."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko

AGENT_SECONDS = 5.0  # for its list of keys; one that hangs would hold every connection
SIGN_SECONDS = 30.0  # for a signature: a person may have to touch a key, or say yes
CERTIFICATE = "-cert-v01@openssh.com"
DEAD: set[str] = set()  # sockets where none answered; looked at by every thread, and only ever added to


@dataclass(frozen=True, slots=True)
class Held:
    """One key of an agent. blob: the public key or certificate. signs: the key by which it is asked to sign: the plain
    one of a certificate where it holds that, too (with a certificate some agents make no RSA signature but SHA-1)."""

    path: str
    blob: bytes
    comment: str
    kind: str
    signs: bytes

    def key(self) -> paramiko.PKey:
        """It signs over a connection of its own."""
        from paramiko.agent import AgentKey
        from paramiko.pkey import PublicBlob

        made: Any = AgentKey(_agent(self.path), self.signs, self.comment)
        if self.signs != self.blob:
            made.public_blob = PublicBlob(self.kind, self.blob)
        elif self.kind.endswith(CERTIFICATE):
            made.inner_key = None  # or it would be offered as a plain key
        key: paramiko.PKey = made
        return key


def ask_agent(path: str) -> tuple[Held, ...] | None:
    """What it holds; None where no agent answers there in time, for this process once and for all."""
    if path in DEAD:
        return None
    try:
        agent = _agent(path)
    except Exception:  # no socket, no answer, an answer that is none
        DEAD.add(path)
        return None
    keys = agent.get_keys()
    agent._close()  # type: ignore[attr-defined]
    blobs = {key.blob for key in keys}
    found = []
    for key in keys:
        plain = certified_key(key.blob) if key.get_name().endswith(CERTIFICATE) else b""
        found.append(Held(path, key.blob, key.comment, key.get_name(), plain if plain in blobs else key.blob))
    return tuple(found)


def _agent(path: str) -> paramiko.agent.AgentSSH:
    from paramiko.agent import AgentSSH

    wire = socket.socket(socket.AF_UNIX)
    try:
        wire.settimeout(AGENT_SECONDS)
        wire.connect(path)
        agent = AgentSSH()
        agent._connect(wire)  # type: ignore[attr-defined]
        wire.settimeout(SIGN_SECONDS)
    except BaseException:
        wire.close()
        raise
    return agent


def certified_key(blob: bytes) -> bytes:
    """The plain key inside an OpenSSH certificate (PROTOCOL.certkeys): its type, then the fields after the nonce."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, SSHCertificate
    from cryptography.hazmat.primitives.serialization.ssh import load_ssh_public_identity

    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    try:
        found = load_ssh_public_identity(kind + b" " + base64.b64encode(blob))
    except Exception:  # not one that could be used
        return b""
    if not isinstance(found, SSHCertificate):
        return b""
    return base64.b64decode(found.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])
