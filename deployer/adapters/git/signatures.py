"""Is a commit signed, and by whom? Judged by ssh-keygen over the commit's own bytes (the SSHSIG format of OpenSSH's
PROTOCOL.sshsig, as `git commit -S` with gpg.format=ssh writes it).

git's own verification is not asked: its programs are configured in the checkout, and it believes the time that the
commit claims, so that a key which has expired could sign for ever by dating back. Identity is the principal under which
the key is listed, never the author or the committer: those are only text.
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.adapters.git.repository import run_git
from deployer.adapters.local.children import ELSEWHERE, NOTHING, environment, program
from deployer.adapters.ssh.known_hosts import fingerprint
from deployer.model.errors import DeployError, InputError

if TYPE_CHECKING:
    from git import Repo

NAMESPACE = "git"
ALLOWED = 4 * 1024 * 1024  # characters of an allowed_signers file that are read
BEGIN, END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"


@dataclass(frozen=True, slots=True)
class Rule:
    """allowed: the allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS). only: principals; () for all it lists."""

    allowed: Path
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose key it was, as allowed_signers says."""

    principal: str
    key: str


def verify(repo: Repo, sha: str, rule: Rule) -> Signer:
    """The signer of commit `sha`. Raises InputError, each case with a text of its own; nothing is ever only warned."""
    listed = read_allowed(rule.allowed)
    keygen = program("ssh-keygen")
    if keygen is None:
        raise DeployError("cannot verify signatures: there is no ssh-keygen here", hint="install openssh-client")
    payload, signature = split(
        run_git(repo, "cat-file", "commit", sha), b"gpgsig" if len(sha) == 40 else b"gpgsig-sha256"
    )
    short = sha[:10]
    if not signature:
        raise InputError(f"{short} is not signed", hint="sign it: git commit --amend -S (gpg.format ssh)")
    if not signature.startswith(BEGIN):
        raise InputError(f"{short} is signed, but not with an SSH key", hint="set gpg.format to ssh and sign again")
    key = signing_key(signature)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        words = [keygen, "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(file)]
        if not _holds(words, payload):
            raise InputError(
                f"{short}: its signature does not belong to it: it was changed, or made for something else"
            )
        words = [keygen, "-Y", "find-principals", "-f", str(rule.allowed), "-s", str(file)]
        found = _ask(words).stdout.decode("utf-8", "replace").split("\n")
        for principal in filter(None, found):
            verb = [keygen, "-Y", "verify", "-f", str(rule.allowed), "-I", principal, "-n", NAMESPACE, "-s", str(file)]
            if _holds(verb, payload):
                return _permitted(Signer(principal, fingerprint(key)), short, rule)
    raise InputError(f"{short} is signed {why_not(key, listed, rule.allowed)}", hint="have it signed by one who may")


def _permitted(signer: Signer, short: str, rule: Rule) -> Signer:
    if rule.only and signer.principal not in rule.only:
        raise InputError(
            f"{short} is signed by {signer.principal} ({signer.key}), who may not sign for this",
            hint=f"it takes one of: {', '.join(rule.only)}",
        )
    return signer


def _holds(words: list[str], payload: bytes) -> bool:
    return _ask(words, payload).returncode == 0


def _ask(words: list[str], payload: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words, input=payload, capture_output=True, timeout=20, check=False, env=environment(NOTHING), cwd=ELSEWHERE
    )


def split(raw: bytes, header: bytes = b"gpgsig") -> tuple[bytes, bytes]:
    """A commit object -> (the bytes that were signed, the armoured signature or b""): the header `gpgsig` (in SHA-256
    repositories `gpgsig-sha256`) with its continuation lines, which begin with a space, is taken out."""
    head, _, body = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signature: list[bytes] = []
    inside = False
    for line in head.split(b"\n"):
        if line.startswith(header + b" "):
            inside = True
            signature.append(line[len(header) + 1 :])
        elif inside and line.startswith(b" "):
            signature.append(line[1:])
        else:
            inside = False
            kept.append(line)
    return b"\n".join(kept) + b"\n\n" + body, b"\n".join(signature) + b"\n" if signature else b""


def signing_key(signature: bytes) -> bytes:
    """The public key inside an SSHSIG: magic, version, then the key as a string. b"" when it cannot be read."""
    try:
        blob = base64.b64decode(b"".join(signature.partition(BEGIN)[2].partition(END)[0].split()), validate=True)
    except ValueError:
        return b""
    size = int.from_bytes(blob[10:14], "big")
    return blob[14 : 14 + size] if blob[:6] == b"SSHSIG" else b""


def read_allowed(path: Path) -> dict[str, str]:
    """Key (base64) -> its line, of an allowed_signers file. Raises InputError when there is nothing to verify with."""
    try:
        with path.open() as file:
            lines = file.read(ALLOWED).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(
            f"cannot verify signatures: {path}: {why}", hint="name an allowed_signers file, or drop require_signed"
        ) from None
    found = {word: line for line in lines if not line.startswith("#") for word in line.split() if word[:4] == "AAAA"}
    if not found:
        raise InputError(f"cannot verify signatures: {path} lists no key", hint="see ssh-keygen(1), ALLOWED SIGNERS")
    return found


def why_not(key: bytes, listed: dict[str, str], path: Path) -> str:
    """Why ssh-keygen did not take this key, for a person: the ruling was ssh-keygen's."""
    line = listed.get(base64.b64encode(key).decode(), "")
    who = f"with {fingerprint(key)}"
    if not line:
        return f"{who}, a key that {path.name} does not list"
    principal, options = line.split()[0], line.split()[1]
    if "valid-before=" in options or "valid-after=" in options:
        return f"{who} of {principal}, a key that is not valid now ({options})"
    if "namespaces=" in options and NAMESPACE not in options:
        return f"{who} of {principal}, a key that is not for git ({options})"
    return f"{who} of {principal}, which ssh-keygen does not accept"
