"""Which private keys are offered, in the order of ssh: what an agent holds of the IdentityFiles, the files themselves,
then whatever else the agent holds, unless IdentitiesOnly is set. A passphrase is never asked for: that is the agent's.
"""

from __future__ import annotations

import base64
import os
import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko

    from deployer.adapters.ssh_config import Target


AGENT_SECONDS = 5.0


def offered(hop: Target) -> dict[str, Any]:
    """paramiko's keyword arguments of a connection to `hop`."""
    agent = answers(os.environ.get("SSH_AUTH_SOCK", ""))
    return {
        "key_filename": list(hop.identities),  # never None: Fabric extends it
        "pkey": held(hop) if agent else None,
        "allow_agent": agent and not hop.identities_only,
        "look_for_keys": False,
    }


@cache
def answers(path: str) -> bool:
    """Does an agent answer there? paramiko asks it for its keys without a limit, so one that hangs would hold every
    connection; it is left out. The request is REQUEST_IDENTITIES of draft-ietf-sshm-ssh-agent, 3.5."""
    with socket.socket(socket.AF_UNIX) as agent:
        agent.settimeout(AGENT_SECONDS)
        try:
            agent.connect(path)
            agent.sendall(b"\0\0\0\1\x0b")
            return bool(agent.recv(1))
        except OSError:
            return False


def held(hop: Target) -> paramiko.PKey | None:
    """The first IdentityFile that the agent holds; a key is known by the file.pub beside it."""
    named = {blob for path in hop.identities if (blob := public(path))}
    if not named:
        return None
    from paramiko.agent import Agent

    found: list[paramiko.PKey] = [key for key in Agent().get_keys() if key.asbytes() in named]
    return found[0] if found else None


def public(path: str) -> bytes:
    """The key in `path`.pub, or in `path` where that is a public key itself; b"" where there is none to read."""
    file = Path(path if path.endswith(".pub") else f"{path}.pub")
    try:
        return base64.b64decode(file.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return b""
