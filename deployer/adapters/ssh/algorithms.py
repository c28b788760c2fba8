"""The algorithms that an ssh configuration allows, where it sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import paramiko

ALIASES = {"curve25519-sha256": "curve25519-sha256@libssh.org"}  # one algorithm, two names
OPTIONS = {"Ciphers": "ciphers", "MACs": "digests", "KexAlgorithms": "kex"}  # as paramiko calls them


@dataclass(frozen=True, slots=True)
class Algorithms:
    """() for whatever is spoken here. authorities: of signatures on host certificates. rsa_bits: the least."""

    session: tuple[tuple[str, tuple[str, ...]], ...] = ()
    host_keys: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    rsa_bits: int = 0


ANY = Algorithms()


def algorithms(keywords: Mapping[str, str]) -> Algorithms:
    """From what the configuration sets, as `ssh -G` gives it: lists without `+`, `-` and `^`."""

    def names(keyword: str) -> tuple[str, ...]:
        return tuple(filter(None, keywords.get(keyword.lower(), "").split(",")))

    bits = keywords.get("requiredrsasize", "")
    return Algorithms(
        tuple((name, names(name)) for name in OPTIONS if names(name)),
        names("HostKeyAlgorithms"),
        names("PubkeyAcceptedAlgorithms"),
        names("CASignatureAlgorithms"),
        int(bits) if bits.isdigit() else 0,
    )


def restrict(transport: paramiko.Transport, allowed: Algorithms) -> None:
    """Offer to the server nothing else. Raises SSHException where nothing is left."""
    import paramiko

    options = transport.get_security_options()
    for keyword, names in allowed.session:
        spoken = getattr(options, OPTIONS[keyword])
        left = [ALIASES.get(name, name) for name in names if ALIASES.get(name, name) in spoken]
        if not left:
            raise paramiko.SSHException(f"{keyword} of the ssh configuration allows none of {', '.join(spoken)}")
        setattr(options, OPTIONS[keyword], tuple(dict.fromkeys(left)))
