"""Reading a host's access log as counts, from a cursor that the deployer keeps: nothing is left on the host.

A cursor is an inode and an offset, so neither clock matters. Rotation: the rest of PATH.1 is read when it is the file
of the cursor, then the new one from its beginning; a renamed log that is still written to is followed until the new
one has something in it. At most CAP bytes are read at a time; what is more is skipped, oldest first, and said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.errors import HostError
from deployer.model.sh import Sh, block, sh, shipped
from deployer.remote.layout import Layout
from deployer.remote.verbs import Command
from deployer.services.base import AccessLog
from deployer.services.logline import program

CAP = 4 * 1024 * 1024  # bytes of one log in one read
DEADLINE = 8.0  # seconds
ANSWER = 1024 * 1024  # bytes of one answer
WORD = re.compile(r"[A-Za-z0-9_.:; ,=>?-]{0,60}")
MOST = 10**9  # a count above this is no count


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next read begins."""

    inode: int
    offset: int


AT_END = Cursor(0, 0)  # never read: what is there already is history
FROM_START = Cursor(-1, 0)  # was not there when it was looked for: all of it is new


@dataclass(frozen=True, slots=True)
class Counts:
    """What services/logline.py counts; lat: (milliseconds, requests). They add up."""

    n: int = 0
    err: int = 0
    look: int = 0
    miss: int = 0
    orig: int = 0
    probe: int = 0
    bad: int = 0
    odd: int = 0
    word: str = ""
    lat: tuple[tuple[float, int], ...] = ()

    def __add__(self, other: Counts) -> Counts:
        sums: dict[str, int] = {name: getattr(self, name) + getattr(other, name) for name in NUMBERS}
        return Counts(**sums, word=self.word or other.word, lat=self.lat + other.lat)


NUMBERS = ("n", "err", "look", "miss", "orig", "probe", "bad", "odd")


@dataclass(frozen=True, slots=True)
class LogRead:
    """What one read of one log gave. state: ok, missing, unreadable, not a file, or `failed: ...` for a command.
    release: what the host had then ("" unknown). skipped: bytes that were too much."""

    release: str
    state: str
    cursor: Cursor
    counts: Counts = Counts()
    skipped: int = 0
    rotated: bool = False


def read_logs(layout: Layout, logs: Sequence[Sequence[AccessLog]]) -> Command:
    """Read logs again and again: for every line on stdin (see `ask_logs`) one answer for each of `logs`, until stdin
    ends. Each: the formats of one path, of which the first that fits a line is taken."""
    calls, names, places = list[Sh](), list[str](), list[Sh]()
    for number, formats in enumerate(logs):
        path, awk = formats[0].path, program(formats)
        names += [f"i{number}", f"o{number}"]
        if path.startswith("|"):
            calls.append(sh("run {} {}", path[1:], awk))
        else:
            places.append(sh("p{}={}", number, formats[0].place))
            calls.append(sh('follow "$p{n}" "$i{n}" "$o{n}" {awk}', n=number, awk=awk))
    head = [Sh("exec 2>/dev/null"), sh("root={} cap={}", layout.root, CAP), *places]
    loop = [sh("while read -r {}; do", names), *calls, Sh("done")]
    return Command(block(*head, shipped("deployer.remote", "readlog.sh"), *loop), deadline=DEADLINE, most=ANSWER)


def ask_logs(cursors: Sequence[Cursor]) -> bytes:
    """What is written to the command of `read_logs` for one read."""
    return " ".join(f"{cursor.inode} {cursor.offset}" for cursor in cursors).encode() + b"\n"


def parse_logs(stdout: bytes, asked: Sequence[Cursor]) -> tuple[LogRead, ...]:
    """One answer for each log that was asked for, in order. Raises HostError for anything else."""
    lines = [line for line in stdout.decode("utf-8", "replace").split("\n") if line][-len(asked) :] if asked else []
    try:
        found = tuple(_read(json.loads(line), cursor) for line, cursor in zip(lines, asked, strict=True))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HostError(f"the access log was not read: the answer is no answer ({type(error).__name__})") from None
    return found


def _read(body: dict[str, object], asked: Cursor) -> LogRead:
    release, state = str(body["release"])[:40], str(body["state"])[:40]
    if state != "ok":
        return LogRead(release, state, FROM_START if state == "missing" else asked)
    start, skipped, given = whole(body["start"], -MOST * 10**6), whole(body["skipped"]), body["log"]
    inode = whole(body["inode"])
    if given is None:
        return LogRead(release, state, Cursor(inode, start))
    if not isinstance(given, dict):
        raise TypeError("log")
    ended = whole(given["exit"])
    if ended not in (0, 124, 143):  # timeout ends a command that goes on for ever
        return LogRead(release, f"failed: exit {ended}{' (not found)' if ended == 127 else ''}", asked)
    lat = tuple((milliseconds(ms), whole(many)) for ms, many in given["lat"])
    counts = Counts(**{name: whole(given[name]) for name in NUMBERS}, word=word(given["word"]), lat=lat)
    used = whole(given["used"])
    return LogRead(release, state, Cursor(inode, max(0, start + used)), counts, skipped, body["rotated"] is True)


def whole(value: object, least: int = 0) -> int:
    """An integer that can be a count, an inode or an offset."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < MOST * 10**10:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def word(value: object) -> str:
    """A word of a log that a person may be shown."""
    if not isinstance(value, str) or not WORD.fullmatch(value):
        raise ValueError(f"{value!r:.40} is no word")
    return value


def milliseconds(value: object) -> float:
    """A finite time, not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST * 10**10:
        raise ValueError(f"{value!r:.40} is no time")
    return float(value)
