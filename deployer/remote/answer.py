"""How a host's answer is read. Pure.

A host may lie, by malice or by a broken disk. Every field has a grammar and a bound, and an answer outside them is
refused as that host's result: nothing of it becomes a path, a wait, a number or a line on a screen. What an answer says
within them steers that host alone; model/quorum.py says when several hosts are believed about more than themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from deployer.model.change import change_said
from deployer.model.errors import HostError, Refused, Unreachable
from deployer.model.release import MAX_FILES, RELEASE_ID
from deployer.model.secret import hide
from deployer.model.state import LONGEST_LEASE, TOP_NUMBER, Confirmed, HostState, number_of
from deployer.remote.verbs import PROTOCOL

SUDO_SAID = re.compile(r"(?:^|\s)sudo: |is not (?:in the sudoers file|allowed to execute)|Sorry, (?:user|try)")
CODE = re.compile(r"[a-z][a-z-]{0,19}")
DEPLOY = re.compile(r"[0-9]{1,12}-[0-9a-f]{1,19}|")
SOME_RELEASE = re.compile(f"(?:{RELEASE_ID.pattern})|")
PATH = re.compile(r"(?!(?:.*/)?\.\.(?:/|$))[A-Za-z0-9_@+.][A-Za-z0-9._@+#/-]{0,1023}")  # as the agent adopts them
DIGEST = re.compile(r"[0-9a-f]{64}")
LAYER = re.compile(r"[a-z]{1,20}:[a-z]{1,20}")
TEXT = 500  # characters of what is only shown or compared
FILES, LINES, RELEASES = 2 * MAX_FILES, 1000, 1000  # of a list; of the history the newest


def parse(stdout: bytes, exit_status: int | None, stderr: bytes) -> HostState:
    """The last line of stdout is the answer; what a login banner printed before it is ignored.

    Raises Refused (code and text from the host), Unreachable (no answer at all), or HostError (one that cannot be
    read)."""
    try:
        body = json.loads(stdout.rstrip().rpartition(b"\n")[2])
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or "ok" not in body:
        said = one_line(stderr.decode("utf-8", "replace")) or "nothing"
        if SUDO_SAID.search(said):
            raise Unreachable(f"sudo refuses: {said}; deploy doctor says what is needed", sent=False)
        cut = exit_status is None
        raise Unreachable(f"no answer from the host agent (exit {exit_status}); it said: {said}", cut=cut)
    if body.get("proto") != PROTOCOL:
        raise Refused(f"the host speaks protocol {body.get('proto')!r:.20}, this deployer {PROTOCOL}", "usage")
    if body["ok"] is not True:
        code = body.get("code")
        known = isinstance(code, str) and CODE.fullmatch(code)
        raise Refused(one_line(str(body.get("error", "refused"))), str(code) if known else "usage")
    return _state(body)


def one_line(text: str) -> str:
    """What a host says is data: one line, bounded, without control characters and secrets."""
    return hide(" ".join("".join(c if c.isprintable() else " " for c in text[:20_000]).split()))[:TEXT]


def _state(body: Mapping[str, object]) -> HostState:
    """Strict: a field that is there obeys its grammar, or the answer is refused."""
    fields: dict[str, object] = {}
    for name, read in FIELDS.items():
        if name in body:
            try:
                fields[name] = read(body[name])
            except ValueError as error:
                raise HostError(f"the host's answer cannot be read: {name} is {one_line(str(error))}") from None
    return HostState(**fields)  # type: ignore[arg-type]


Read = Callable[[object], object]


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40}")
    return one_line(value)


def _whole(most: int) -> Read:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise ValueError(f"{value!r:.40}; it is a number up to {most}")
        return value

    return read


def _word(*words: str) -> Read:
    def read(value: object) -> object:
        if value not in words:
            raise ValueError(f"{value!r:.40}")
        return value

    return read


def _like(grammar: re.Pattern[str]) -> Read:
    def read(value: object) -> str:
        if not isinstance(value, str) or not grammar.fullmatch(value) or not value.isprintable():
            raise ValueError(f"{value!r:.40}")
        return value

    return read


def _deploy(value: object) -> str:
    """The number in an id is a deploy's as any other is."""
    text = _like(DEPLOY)(value)
    _whole(TOP_NUMBER)(number_of(str(text)))
    return str(text)


def _items(value: object, most: int) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40}")
    if len(value) > most:
        raise ValueError(f"a list of {len(value)}, {most} at most")
    return value


def _list(read: Read, most: int) -> Read:
    return lambda value: tuple(read(item) for item in _items(value, most))


def _releases(value: object) -> tuple[str, ...]:
    """What bears no release's name there is none."""
    return tuple(item for item in _items(value, RELEASES) if isinstance(item, str) and RELEASE_ID.fullmatch(item))


def _files(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.40}")
    if len(value) > FILES:
        raise ValueError(f"a list of {len(value)}, {FILES} at most")
    path, digest = _like(PATH), _like(DIGEST)
    return {str(path(name)): str(digest(content)) for name, content in value.items()}


def _edit(value: object) -> str:
    """One line of drift: what was found is only shown, and may have any name."""
    if not isinstance(value, str) or value[:2] not in ("M ", "D ", "A ") or len(value) < 3:
        raise ValueError(f"{value!r:.40}")
    return one_line(value)


def _history(value: object) -> tuple[Confirmed, ...]:
    """The newest lines: hosts keep as many at most (LINES_KEPT of the agent), but for one without a push in years."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40}")
    return tuple(_line(item) for item in value[-LINES:])


def _line(item: object) -> Confirmed:
    if not isinstance(item, list) or len(item) != 3:
        raise ValueError(f"{item!r:.40}")
    number, command, release = (
        _whole(TOP_NUMBER)(item[0]),
        _word(*COMMANDS, "away")(item[1]),
        _like(RELEASE_ID)(item[2]),
    )
    return Confirmed(int(str(number)), str(command), str(release))


COMMANDS = ("push", "rollback", "adopt")
FIELDS: Mapping[str, Read] = {
    "adopted": _flag,
    "dest": _word("ours", "foreign", "absent"),
    "phase": _word("idle", "armed", "pending", "reverting", "unknown"),
    "deploy": _deploy,
    "command": _word("", *COMMANDS),
    "outcome": _word("", "confirmed", "reverted"),
    "fence": _whole(TOP_NUMBER),
    "current": _like(SOME_RELEASE),
    "good": _like(SOME_RELEASE),
    "loaded": _text,
    "target": _like(SOME_RELEASE),
    "left": _whole(LONGEST_LEASE),
    "watchdog": _word("alive", "dead", "none"),
    "alarm": _text,
    "releases": _releases,
    "files": _files,
    "drift": _list(_edit, FILES),
    "history": _history,
    "free_kb": _whole(10**15),
    "layers": _list(_like(LAYER), 8),
    "change": lambda value: change_said(_text(value)),
}
