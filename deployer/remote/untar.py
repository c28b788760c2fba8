"""Files out of a tar that a host sent. Pure.

Read here and not by tarfile, which believes what a header says: a sparse file of a terabyte, a size below nothing that
sends it back for ever, names within names without end. Of a format that tar of GNU, busybox and BSD write, this knows
what they write without being asked to: files, hard links to them, folders, long names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.model.release import FILE_PATH

BLOCK = 512
FILE, LINK, LONG_NAME, LONG_TARGET, PAX = (b"0", b"\0"), b"1", b"L", b"K", b"x"
LONGEST = 64 * 1024  # bytes of a long name, or of the further fields of one file
FIELD = re.compile(rb"[0-9]{1,6} (path|linkpath)=([^\n\0]*)\n")
OCTAL = re.compile(rb"[ 0]*([0-7]{1,11})?[ \0]*")


def untar(body: bytes) -> dict[str, tuple[bytes, bool]]:
    """path -> (content, executable) of every file whose path a release can hold; archives one after the other count as
    one. Raises ValueError for what is no tar, or not a whole one."""
    files: dict[str, tuple[bytes, bool]] = {}
    for name, target, kind, mode, content in _entries(body):
        path = name.removeprefix("./")
        if not FILE_PATH.fullmatch(path):
            continue
        if kind in FILE:
            files[path] = content, bool(mode & 0o111)
        elif kind == LINK and (there := files.get(target.removeprefix("./"))):
            files[path] = there  # the very bytes: a thousand links to one file are one file
    return files


def _entries(body: bytes) -> Iterator[tuple[str, str, bytes, int, bytes]]:
    """(name, target of a link, type, mode, content), without what only says more of the next one."""
    at, more = 0, dict[bytes, bytes]()
    while at < len(body):
        head = body[at : at + BLOCK]
        at += BLOCK
        if not head.strip(b"\0"):
            continue  # the end of an archive, or what fills it up
        if len(head) < BLOCK or _number(head[148:156]) != sum(head) - sum(head[148:156]) + 8 * 32:
            raise ValueError("it is no tar")
        size, kind = _number(head[124:136]), head[156:157]
        content = body[at : at + size] if kind not in (LINK, b"5") else b""
        if len(content) < size and kind not in (LINK, b"5"):
            raise ValueError("it is cut off")
        at += -(-len(content) // BLOCK) * BLOCK
        if kind in (LONG_NAME, LONG_TARGET, PAX):
            if size > LONGEST:
                raise ValueError("a name in it is too long")
            fields = FIELD.findall(content) if kind == PAX else [(kind, content)]
            more |= {{LONG_NAME: b"path", LONG_TARGET: b"linkpath"}.get(key, key): value for key, value in fields}
            continue
        above = _text(head[345:500]) if head[257:263] == b"ustar\0" else b""
        name = more.get(b"path", b"/".join(filter(None, (above, _text(head[:100])))))
        target = more.get(b"linkpath", _text(head[157:257]))
        more = {}
        yield _name(name), _name(target), kind, _number(head[100:108]), content


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _name(name: bytes) -> str:
    return _text(name).decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """Octal digits. Raises ValueError for all else: no file of a release is so large that it needs another form."""
    match = OCTAL.fullmatch(field)
    if not match:
        raise ValueError("a number in it is none")
    return int(match[1] or b"0", 8)
