"""Where and as whom to connect: the inventory first, then what `ssh -G` says. Every keyword that it sets is honoured,
or has no effect here, or is refused by its name (ssh_keywords)."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.adapters.ssh import tokens as ssh_tokens
from deployer.adapters.ssh.algorithms import ANY, Algorithms, algorithms
from deployer.adapters.ssh.ask import ask_ssh, refuse_unsupported, tokens
from deployer.adapters.ssh.known_hosts import files_of
from deployer.model.errors import InputError
from deployer.model.fleet import Host

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:%-]*")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+\\-]*\$?")  # what may be in the command line of a ProxyCommand
DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
RAW = ("identityfile", "certificatefile", "proxyjump", "proxycommand")  # `ssh -G` leaves their tokens


@dataclass(frozen=True, slots=True)
class Target:
    """One hop. known_as: the name its key is filed under. identities: key files that are there; certificates: of
    CertificateFile. agent: its socket, "" for none. identities_only: what else it holds is not offered. command: the
    ProxyCommand, expanded. family, bind: AddressFamily, BindAddress. jumps: the hops before it, nearest first."""

    hostname: str
    port: int
    user: str
    identities: tuple[str, ...]
    known_hosts: tuple[str, ...]
    known_as: str = ""
    connect_timeout: float = 10.0
    identities_only: bool = False
    certificates: tuple[str, ...] = ()
    agent: str = ""
    command: str = ""
    family: str = "any"
    bind: str = ""
    compress: bool = False
    algorithms: Algorithms = ANY
    jumps: tuple[Target, ...] = ()


def resolve(host: Host, config_file: str = "") -> Target:
    """Everything that is needed to connect to `host`. Raises InputError for what cannot be honoured."""
    return _target(host, config_file, depth=0)


def _target(host: Host, config_file: str, depth: int) -> Target:
    address, user, port, key = host.address or host.name, host.user, host.port, host.key_file
    if not NAME.fullmatch(address):
        raise InputError(f"cannot connect to {address!r}: not a host name or address")
    if depth > 8:
        raise InputError(f"cannot connect to {address}: ProxyJump goes in a circle")
    given = [word for option in host.ssh_options for word in ("-o", option)]
    said = ask_ssh(address, user, port, config_file, *given)
    sets = refuse_unsupported(said, address, config_file)
    known = _tokens(said, address, user, port, config_file)
    hops = [_hop(text, config_file, depth + 1) for text in _listed(said, "proxyjump", known)]
    if hops:  # as `ssh -J a,b`: b is reached through a, whatever else is configured for it
        hops = [*hops[0].jumps, replace(hops[0], jumps=()), *(replace(hop, jumps=(), command="") for hop in hops[1:])]
    keys = [key] if key else said.get("identityfile", "\n".join(DEFAULT_KEYS)).split("\n")
    target = Target(
        hostname=said.get("hostname", address),
        port=port or _port(said.get("port", "22"), address),
        user=user or said.get("user") or getpass.getuser(),
        identities=_there(keys, known, "IdentityFile"),
        known_hosts=(*files_of(said.get("userknownhostsfile", "")), *files_of(said.get("globalknownhostsfile", ""))),
        known_as=said.get("hostkeyalias", ""),
        connect_timeout=_seconds(said.get("connecttimeout", "none")),
        identities_only=said.get("identitiesonly", "no") == "yes",
        certificates=_there(said.get("certificatefile", "").split("\n"), known, "CertificateFile"),
        agent=ssh_tokens.socket_of(said.get("identityagent", "")),
        command="" if hops else _command(said, known, address),
        family=said.get("addressfamily", "any"),
        bind=said.get("bindaddress", ""),
        compress=said.get("compression", "no") == "yes",
        algorithms=algorithms(sets),
        jumps=tuple(hops),
    )
    if target.command and not (USER.fullmatch(target.user) and NAME.fullmatch(target.hostname)):
        raise InputError(f"cannot connect to {address}: {target.user}@{target.hostname} cannot be in a ProxyCommand")
    return target


def _tokens(said: Mapping[str, str], address: str, user: str, port: int, config_file: str) -> dict[str, str]:
    """What tokens mean for this host; ssh is asked for them only where there are some."""
    if not any("%" in said.get(keyword, "") for keyword in RAW):
        return {}
    hostname, user = said.get("hostname", address), user or said.get("user", "")
    port = port or _port(said.get("port", "22"), address)
    return {"h": hostname, "j": said.get("proxyjump", ""), **tokens(address, user, port, config_file)}


def _listed(said: Mapping[str, str], keyword: str, known: Mapping[str, str]) -> list[str]:
    text = said.get(keyword, "none")
    return [] if text == "none" else ssh_tokens.expand(text, known, "ProxyJump").split(",")


def _command(said: Mapping[str, str], known: Mapping[str, str], address: str) -> str:
    text = said.get("proxycommand", "none")
    if text == "-":
        raise InputError(f"cannot connect to {address}: ProxyCommand - is for the standard input of ssh itself")
    return "" if text == "none" else ssh_tokens.expand(text, known, "ProxyCommand")


def _there(files: list[str], known: Mapping[str, str], keyword: str) -> tuple[str, ...]:
    """Those that are files; ssh goes on without the others, too."""
    paths = [ssh_tokens.path(text, known, keyword) for text in files if text not in ("", "none")]
    return tuple(path for path in paths if Path(path).is_file() or Path(f"{path}.pub").is_file())


def _port(text: str, address: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise InputError(f"cannot connect to {address}: {text!r:.40} is not a port (ssh configuration)")
    return int(text)


def _seconds(text: str) -> float:
    return min(30.0, float(text)) if re.fullmatch(r"[0-9]{1,6}", text) and int(text) else 10.0


def _hop(text: str, config_file: str, depth: int) -> Target:
    """`[user@]host[:port]` of a ProxyJump."""
    match = re.fullmatch(r"(?:ssh://)?(?:(\S+)@)?([^:@\s]+|\[[^\]]+\])(?::([0-9]{1,5}))?", text)
    if match is None:
        raise InputError(f"cannot read ProxyJump {text!r}", hint="write [user@]host[:port]")
    hop = Host(match[2].strip("[]"), user=match[1] or "", port=int(match[3] or 0))
    return _target(hop, config_file, depth)
