"""Where and as whom to connect: the inventory first, then what `ssh -G` says (so Include, Match and ProxyJump mean
what they mean to ssh); without an ssh client, paramiko's reader in a strict mode.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deployer.adapters.children import ELSEWHERE, SSH, environment, program
from deployer.model.errors import InputError
from deployer.model.fleet import Host

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:%-]*")
DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


@dataclass(frozen=True, slots=True)
class Target:
    """One hop. known_as: the name its key is filed under. identities_only: what else an agent holds is not offered.
    jumps: the hops before it, nearest to us first."""

    hostname: str
    port: int
    user: str
    identities: tuple[str, ...]
    known_hosts: tuple[str, ...]
    known_as: str = ""
    connect_timeout: float = 10.0
    identities_only: bool = False
    jumps: tuple[Target, ...] = ()


def resolve(host: Host, config_file: str = "") -> Target:
    """Everything that is needed to connect to `host`. Raises InputError for what cannot be honoured."""
    address = host.address or host.name
    return _target(address, host.user, host.port, host.key_file, config_file, depth=0)


def _target(address: str, user: str, port: int, key: str, config_file: str, depth: int) -> Target:
    if not NAME.fullmatch(address):
        raise InputError(f"cannot connect to {address!r}: not a host name or address")
    if depth > 8:
        raise InputError(f"cannot connect to {address}: ProxyJump goes in a circle")
    said = ask_ssh(address, user, port, config_file)
    if said.get("proxycommand", "none") != "none" and "proxyjump" not in said:
        raise InputError(f"cannot connect to {address}: ProxyCommand is not supported", hint="use ProxyJump")
    if said.get("revokedhostkeys", "none") != "none":
        raise InputError(
            f"cannot connect to {address}: RevokedHostKeys is not supported", hint="write @revoked lines in known_hosts"
        )
    jump = said.get("proxyjump", "none")
    hops = [] if jump == "none" else [_hop(text, config_file, depth + 1) for text in jump.split(",")]
    keys = [key] if key else said.get("identityfile", "\n".join(DEFAULT_KEYS)).split("\n")
    return Target(
        hostname=said.get("hostname", address),
        port=port or _port(said.get("port", "22"), address),
        user=user or said.get("user") or getpass.getuser(),
        identities=tuple(p for k in keys if (p := os.path.expanduser(k)) and Path(p).is_file()),
        known_hosts=tuple(f"{said.get('userknownhostsfile', '')} {said.get('globalknownhostsfile', '')}".split()),
        known_as=said.get("hostkeyalias", ""),
        connect_timeout=_seconds(said.get("connecttimeout", "none")),
        identities_only=said.get("identitiesonly", "no") == "yes",
        jumps=tuple(hop for one in hops for hop in (*one.jumps, one)),
    )


def _port(text: str, address: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise InputError(f"cannot connect to {address}: {text!r:.40} is not a port (ssh configuration)")
    return int(text)


def _seconds(text: str) -> float:
    return min(30.0, float(text)) if re.fullmatch(r"[0-9]{1,6}", text) and int(text) else 10.0


def _hop(text: str, config_file: str, depth: int) -> Target:
    """`[user@]host[:port]` of a ProxyJump."""
    match = re.fullmatch(r"(?:ssh://)?(?:([^@\s]+)@)?([^:\s]+|\[[^\]]+\])(?::([0-9]{1,5}))?", text)
    if match is None:
        raise InputError(f"cannot read ProxyJump {text!r}", hint="write [user@]host[:port]")
    return _target(match[2].strip("[]"), match[1] or "", int(match[3] or 0), "", config_file, depth)


def ask_ssh(address: str, user: str, port: int, config_file: str) -> dict[str, str]:
    """What ssh itself would do, as lower-case keyword -> value (identityfile: lines)."""
    client = program("ssh")
    if client is None:
        return read_strictly(address, config_file)
    words = [client, "-G"]
    words += ["-F", os.path.abspath(config_file)] if config_file else []
    words += ["-l", user] if user else []
    words += ["-p", str(port)] if port else []
    try:
        done = subprocess.run(
            [*words, "--", address], capture_output=True, text=True, timeout=10, check=False,
            stdin=subprocess.DEVNULL, env=environment(SSH), cwd=ELSEWHERE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:  # `Match exec` runs programs
        raise InputError(f"cannot read the ssh configuration for {address}: ssh -G does not end") from None
    if done.returncode != 0:
        raise InputError(f"cannot read the ssh configuration for {address}: {done.stderr.strip()}")
    return _collect(done.stdout.splitlines())


def _collect(lines: list[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for line in lines:
        keyword, _, value = line.partition(" ")
        if keyword == "identityfile" and keyword in said:
            said[keyword] += "\n" + value
        else:
            said.setdefault(keyword, value)
    return said


def refuse_unreadable_config(config_file: str = "") -> None:
    """Without an ssh client, what paramiko's reader would silently skip or always take. Nothing is contacted yet."""
    path = Path(config_file or os.environ.get("DEPLOY_SSH_CONFIG") or "~/.ssh/config").expanduser()
    if program("ssh") is not None or not path.is_file():
        return
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        word = re.split(r"[\s=]", line.strip())[0].lower()
        if word in ("include", "match", "revokedhostkeys"):
            raise InputError(
                f"{path}:{number}: {word} cannot be honoured without an ssh client",
                hint="install the distribution's openssh-client",
            )


def read_strictly(address: str, config_file: str) -> dict[str, str]:
    """Without an ssh client: paramiko's reader, refusing what it would silently get wrong."""
    known = {"userknownhostsfile": "~/.ssh/known_hosts", "globalknownhostsfile": "/etc/ssh/ssh_known_hosts"}
    path = Path(config_file or "~/.ssh/config").expanduser()
    if not path.is_file():
        return known
    refuse_unreadable_config(config_file)
    from paramiko import SSHException
    from paramiko.config import SSHConfig

    try:
        found = SSHConfig.from_text(path.read_text(errors="replace")).lookup(address)
    except (SSHException, ValueError, KeyError, OSError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="install the distribution's openssh-client") from None
    lists: dict[str, object] = dict(found)
    flat = {k: "\n".join(v) if isinstance(v, list) else str(v) for k, v in lists.items()}
    return {**known, **flat}
