"""Logging in by public key: what is offered, one after the other, and a refusal that says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from deployer.adapters.ssh.keys import Keyring, Offer

if TYPE_CHECKING:
    import paramiko

    from deployer.adapters.ssh.config import Target


class LogIn:
    """A paramiko `auth_strategy`."""

    def __init__(self, hop: Target) -> None:
        self._hop = hop

    def authenticate(self, transport: paramiko.Transport) -> list[str]:
        """Raises AuthenticationException naming the user, the keys, and the agent."""
        import paramiko

        hop, ring, tried = self._hop, Keyring(self._hop), list[str]()
        for offer in self._allowed(ring):
            tried.append(offer.label)
            try:
                more = transport.auth_publickey(hop.user, offer.key)
            except paramiko.BadAuthenticationType as error:
                wanted = ", ".join(error.allowed_types)
                raise paramiko.AuthenticationException(f"{hop.user}: the server takes {wanted}, no keys") from None
            except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
                if not transport.is_active():
                    tried[-1] += f", which ended it ({error}); IdentitiesOnly keeps others back"
                    break
                if type(error) is not paramiko.AuthenticationException:
                    tried[-1] += f" ({error})"
                continue
            if not more:
                return []
            wanted = ", ".join(more)
            raise paramiko.AuthenticationException(f"{hop.user}: {offer.label} is good, but not enough: then {wanted}")
        raise paramiko.AuthenticationException(self._refused(tried, ring))

    def _refused(self, tried: list[str], ring: Keyring) -> str:
        parts = [f"{self._hop.user}: the server refuses {', '.join(tried)}" if tried else f"{self._hop.user}: no key"]
        parts += [f"not offered: {', '.join(ring.notes)}"] if ring.notes else []
        return "; ".join([*parts, f"agent: {ring.agent}"])

    def _allowed(self, ring: Keyring) -> Iterator[Offer]:
        """Without those that PubkeyAcceptedAlgorithms or RequiredRSASize keep back."""
        rules = self._hop.algorithms
        for offer in ring.offers():
            blob: Any = getattr(offer.key, "public_blob", None)
            kind = blob.key_type if blob else offer.key.get_name()
            if rules.public_keys and not any(name in rules.public_keys for name in _algorithms(kind)):
                ring.notes.append(f"{offer.label} (PubkeyAcceptedAlgorithms)")
            elif "rsa" in kind and offer.key.get_bits() < rules.rsa_bits:
                ring.notes.append(f"{offer.label} (RequiredRSASize)")
            else:
                yield offer


def _algorithms(kind: str) -> tuple[str, ...]:
    """Those by which a key of that kind signs."""
    if not kind.startswith("ssh-rsa"):
        return (kind,)
    return tuple(kind.replace("ssh-rsa", algorithm) for algorithm in ("rsa-sha2-512", "rsa-sha2-256"))
