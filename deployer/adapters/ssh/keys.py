"""Which public keys are offered, in the order of ssh: the CertificateFiles, what the agent holds of the IdentityFiles,
what else it holds (unless IdentitiesOnly is set), then the files, each with the certificate beside it. A passphrase is
never asked for: that is the agent's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.adapters.ssh.agent import Held, ask_agent, certified_key

if TYPE_CHECKING:
    import paramiko

    from deployer.adapters.ssh.config import Target

MOST = 64  # bytes of a reason are enough


@dataclass(frozen=True, slots=True)
class Offer:
    """A key that can sign, and what to call it."""

    key: paramiko.PKey
    label: str


@dataclass(slots=True)
class Keyring:
    """What there is for one hop. notes: what could not be offered, and why."""

    hop: Target
    notes: list[str] = field(default_factory=list)
    held: tuple[Held, ...] = ()
    agent: str = "none"

    def __post_init__(self) -> None:
        if self.hop.agent:
            found = ask_agent(self.hop.agent)
            self.held = found or ()
            self.agent = self.hop.agent if found is not None else f"{self.hop.agent}, which does not answer"

    def offers(self) -> Iterator[Offer]:
        """Files are read when their turn has come."""
        for path in self.hop.certificates:
            yield from self._certified(path, public(path, certified=True))
        yield from self._of_agent()
        ours = {one.blob for one in self.held}
        for path in self.hop.identities:
            blob, beside = public(path), Path(f"{path}-cert.pub")
            if blob not in ours and (key := self._read(path)) is not None:
                yield Offer(key, path)
            if not self.hop.certificates and beside.is_file():
                yield from self._certified(str(beside), blob)

    def _of_agent(self) -> Iterator[Offer]:
        named = {public(path): path for path in self.hop.identities}
        for one in self.held:
            if one.blob in named:
                yield Offer(one.key(), f"{named[one.blob]} (agent)")
        for one in self.held:
            if one.blob not in named and not self.hop.identities_only:
                yield Offer(one.key(), f"{one.comment or one.kind} (agent)")

    def _certified(self, certificate: str, blob: bytes) -> Iterator[Offer]:
        """The certificate with the key that it is for; `blob` is its public half."""
        key = self._signer(blob)
        if key is None:
            self.notes.append(f"{certificate} (no key for it)")
            return
        try:
            key.load_certificate(certificate)
        except Exception as error:  # whatever paramiko's reader meets in somebody's file
            self.notes.append(f"{certificate} ({str(error) or type(error).__name__})")
            return
        yield Offer(key, certificate)

    def _signer(self, blob: bytes) -> paramiko.PKey | None:
        """A key of its own for the public key `blob`: the agent's, else one of the files."""
        for one in self.held:
            if blob and one.blob == blob:
                return one.key()
        for path in self.hop.identities:
            if blob and public(path) == blob:
                return self._read(path)
        return None

    def _read(self, path: str) -> paramiko.PKey | None:
        import paramiko

        if path.endswith(".pub") or not Path(path).is_file():
            self.notes.append(f"{path} (a public key, and no agent holds it)")
            return None
        try:
            key: paramiko.PKey = paramiko.PKey.from_path(path)
        except Exception as error:  # bcrypt, cryptography and paramiko each have their own
            self.notes.append(f"{path} ({_why(error)})")
            return None
        key.public_blob = None  # the certificate beside it has its own turn
        return key


def _why(error: Exception) -> str:
    text = str(error)
    if "password" in text.lower() or "passphrase" in text.lower() or "encrypted" in text.lower():
        return "has a passphrase and no agent holds it (ssh-add)"
    return f"cannot be read: {text or type(error).__name__}"[:MOST]


def public(path: str, certified: bool = False) -> bytes:
    """The public key of a file: from FILE.pub, from FILE where that is public itself, or computed from a key without a
    passphrase; of a certificate the key that it is for. b"" where there is none."""
    file = Path(path)
    for one in (file,) if certified or path.endswith(".pub") else (Path(f"{path}.pub"), file):
        try:
            words = one.read_text(errors="replace").split()
            blob = base64.b64decode(words[1], validate=True) if len(words) > 1 else b""
        except (OSError, ValueError):
            continue
        if blob:
            return certified_key(blob) if certified else blob
    return _computed(path)


def _computed(path: str) -> bytes:
    import paramiko

    try:
        return bytes(paramiko.PKey.from_path(path).asbytes())
    except Exception:  # there is none to compute; `_read` says why when its turn comes
        return b""
