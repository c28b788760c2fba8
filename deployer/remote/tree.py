"""A configuration folder as it lies on a host, links followed: what is in it, then the files themselves. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployer.model.errors import HostError
from deployer.model.release import FILE_PATH, MAX_BYTES, MAX_PATH
from deployer.model.sh import Sh
from deployer.remote.recognise import elevated
from deployer.remote.untar import untar
from deployer.remote.verbs import Command

LARGEST = 16 * 1024 * 1024  # bytes of one file
LIST_MOST, LIST_DEADLINE, TAR_DEADLINE = 4 * 1024 * 1024, 60.0, 180.0
LINE = re.compile(r"(sum|file|odd|kind|big|closed|folder) (.*)")
SUM = re.compile(r"([0-9a-f]{64})  \./(.+)")
LIST = Sh(r"""
LC_ALL=C; export LC_ALL
cd "$1" 2>/dev/null || { [ ! -d "$1" ] || echo "folder closed"; exit 0; }
echo "folder open"
say() { sed "s|^\./||; s/^/$1 /"; }
{
  find -L . ! -type d ! -type f | say kind
  find -L . -type f \( -path '*[!A-Za-z0-9._@+#/-]*' -o -path '*/[#-]*' \) | say odd
  find -L . -type d -exec sh -c 'for d; do [ -r "$d" ] && [ -x "$d" ] || echo "$d"; done' sh {} + | say closed
  find -L . -type f -size +"$2"c | say big
  find -L . -type f ! -size +"$2"c | say file
  find -L . -type f ! -size +"$2"c -exec sha256sum {} + | sed 's/^/sum /'
} 2>/dev/null
""")
TAR = Sh(r"""
LC_ALL=C; export LC_ALL
cd "$1" && xargs tar -chf - 2>/dev/null | head -c "$2"
""")
WHY = {
    "odd": "its name has other signs than A-Z a-z 0-9 . _ @ + # -, which no release can hold",
    "kind": "it is no regular file, or a link to nowhere",
    "big": f"it is larger than {LARGEST >> 20} MiB",
    "git": "it is a git repository of the host's own, which no commit can hold: git here would run what it says",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """files: path -> SHA-256 of what can be had. left_out: path -> why it cannot. state: open, closed (it may not be
    entered), or absent."""

    files: Mapping[str, str]
    left_out: Mapping[str, str]
    state: str = "open"


def list_tree(folder: str) -> Command:
    return elevated(LIST, folder, str(LARGEST), deadline=LIST_DEADLINE, most=LIST_MOST)


def listing(body: bytes, user: str) -> Listing:
    """A host's answer to `list_tree`. user: who read."""
    said: dict[str, list[str]] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        if match := LINE.fullmatch(line):
            said.setdefault(match[1], []).append(match[2])
    sums = {m[2]: m[1] for text in said.get("sum", []) if (m := SUM.fullmatch(text))}
    left_out = {path: why for word, why in WHY.items() for path in said.get(word, [])}
    left_out |= {f"{path}/": f"{user} may not look into it" for path in said.get("closed", [])}
    for path in said.get("file", []):
        if top := own_git(path):
            left_out.pop(path, None)
            left_out[top] = WHY["git"]
            continue
        if not FILE_PATH.fullmatch(path) or len(path) > MAX_PATH:
            left_out.setdefault(path, WHY["odd"])
        elif path not in sums:
            left_out.setdefault(path, f"{user} may not read it")
    left_out.pop(".manifest", None)
    taken = (path for path in said.get("file", []) if path not in left_out and path != ".manifest")
    kept = {path: sums[path] for path in taken if not own_git(path)}
    return Listing(kept, left_out, said.get("folder", ["absent"])[0])


def own_git(path: str) -> str:
    """The folder (or file) of git that `path` is or lies in, "" for none; on a disk that knows no case, too."""
    parts = path.split("/")
    at = next((at for at, part in enumerate(parts) if part.casefold() == ".git"), -1)
    return "/".join(parts[: at + 1]) + "/" * (at + 1 < len(parts)) if at >= 0 else ""


def fetch(folder: str, paths: Iterable[str]) -> Command:
    """These files as tars, one after the other: not every busybox has `tar -T`. Paths need no quotes (FILE_PATH)."""
    names = "".join(f"./{path}\n" for path in sorted(paths)).encode()
    most = 2 * MAX_BYTES
    return elevated(TAR, folder, str(most), deadline=TAR_DEADLINE, most=most + 65536, stdin=names)


def unpack(body: bytes) -> dict[str, tuple[bytes, bool]]:
    """path -> (content, executable). What is damaged is not among them, or raises HostError: digests tell."""
    try:
        return untar(body)
    except ValueError as error:
        raise HostError(f"its files cannot be read: {error}") from None
