"""known_hosts as ssh reads it: markers, hashed names, patterns, [host]:port. Fabric checks no host key by itself
(measured) and paramiko's own reader knows neither markers nor patterns, so this file decides on every hop.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One line: marker "", "@revoked" or "@cert-authority"; names as written; key type and blob (base64)."""

    marker: str
    names: str
    kind: str
    blob: str
    place: str


def read_known_hosts(paths: Iterable[str]) -> tuple[Line, ...]:
    """Every well-formed line of the files that exist; unreadable or malformed ones are skipped as ssh does."""
    lines: list[Line] = []
    for path in paths:
        try:
            text = Path(path).expanduser().read_text(errors="replace")
        except OSError:
            continue
        for number, raw in enumerate(text.splitlines(), 1):
            parts = raw.split()
            marker = parts.pop(0) if parts and parts[0].startswith("@") else ""
            if len(parts) >= 3 and not parts[0].startswith("#") and _is_base64(parts[2]):
                lines.append(Line(marker, parts[0], parts[1], parts[2], f"{path}:{number}"))
    return tuple(lines)


def files_of(text: str) -> tuple[str, ...]:
    """The files of a UserKnownHostsFile. `ssh -G` prints several paths and one with spaces alike, without quotes: words
    that together are a file that is there are one path."""
    if text == "none":
        return ()
    words, found = shlex.split(text) if '"' in text else text.split(" "), list[str]()
    while words:
        ends = range(len(words), 1, -1)
        end = next((end for end in ends if Path(" ".join(words[:end])).expanduser().is_file()), 1)
        found.append(" ".join(words[:end]))
        words = words[end:]
    return tuple(filter(None, found))


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def lookup_name(host: str, port: int) -> str:
    """The name under which ssh files a host key."""
    return host if port == 22 else f"[{host}]:{port}"


def matches(line: Line, name: str) -> bool:
    """Does `name` fall under this line's list of names, patterns (`*`, `?`, `!not`) or hashes?"""
    if line.names.startswith("|1|"):
        try:
            _, _, salt, digest = line.names.split("|")
            mac = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1)
            return hmac.compare_digest(mac.digest(), base64.b64decode(digest))
        except (ValueError, binascii.Error):
            return False
    found = False
    for pattern in line.names.split(","):
        negated, bare = pattern.startswith("!"), pattern.lstrip("!").lower()
        escaped = bare.replace("[", "[[]")  # [host]:port is no character class
        if fnmatch.fnmatchcase(name.lower(), escaped):
            if negated:
                return False
            found = True
    return found


def fingerprint(blob: bytes) -> str:
    """`SHA256:...` as ssh prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
