"""Values that are never said: one list for the whole process, filled where variables are read, asked where text leaves.

What must not be said is no caller's choice, so it is not passed around: whoever reads a value calls `learn`, and every
way out (both output streams, `.deploy/`, the ledger, the text of a host) goes through `hide`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

MASK = "***"
SHORTEST = 4  # a shorter value would blot out ordinary words, and is no secret worth the name
WORDS = r"password|passwd|passphrase|secret|token|credentials?|api_?key|private_?key|auth_?key"
NAME = re.compile(rf"(?:^|[_.-])(?:\w*(?:{WORDS})s?|pass)(?:$|[_.-])", re.IGNORECASE)
HARMLESS = re.compile(r"_(?:file|path|dir|name|url|user|ttl|timeout|length|enabled|type)$", re.IGNORECASE)
ORDINARY = {"none", "null", "true", "false", "default", "file"}


# Of a JSON value: names, ids and enumerations that we ourselves choose or check, which programs compare.
STRUCTURE = frozenset(
    ("action", "command", "current", "deploy", "environment", "host", "level", "metric", "playbook", "previous",
     "probe", "record", "release", "result", "revision", "ruling", "service", "state", "target", "unchanged", "waves",
     "who")
)  # fmt: skip
ID = re.compile(r"[0-9a-f]{10}-[0-9a-f]{8}|[0-9a-f]{40}")


def is_secret(name: str) -> bool:
    """Does a variable of this name look as if its value were a secret, or was it declared to be one?
    `ansible_ssh_private_key_file` is a path."""
    return name in SECRETS.declared or (bool(NAME.search(name)) and not HARMLESS.search(name))


class Secrets:
    """Learns values; `hide` replaces them by `***`. Reading and learning may go on at the same time."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.declared: frozenset[str] = frozenset()

    def declare(self, names: Iterable[str]) -> None:
        """Variables whose values, not read yet, are secrets whatever they are called."""
        self.declared |= frozenset(names)

    def learn(self, value: object) -> None:
        """A text, a number, or all that a list or a map holds. Of several lines each is a secret too."""
        found = {form for text in texts(value) for form in forms(text)}
        if found - self._known:
            self._known |= found
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def learn_named(self, names: Mapping[str, object]) -> None:
        """The values of variables whose names look secret, however deep they lie."""
        for name, value in names.items():
            if is_secret(name):
                self.learn(value)
            elif isinstance(value, dict):
                self.learn_named(value)
            elif isinstance(value, str) and "PRIVATE KEY-----" in value:
                self.learn(value)

    def hide(self, text: str) -> str:
        """`text` without any of them."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def hide_all(self, value: object) -> object:
        """A JSON value, its texts without any of them. What is no text stays: ids, and the names and enumerations under
        the keys of STRUCTURE (a secret may be an ordinary word)."""
        if isinstance(value, str):
            return value if ID.fullmatch(value) else self.hide(value)
        if isinstance(value, Mapping):
            return {k: v if k in STRUCTURE and is_names(v) else self.hide_all(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide_all(item) for item in value]
        return value

    def forget(self) -> None:
        """As at the start of the process."""
        self._known, self._pattern, self.declared = frozenset(), None, frozenset()


def texts(value: object) -> Iterable[str]:
    """Every text and number inside `value`."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def forms(text: str) -> Iterable[str]:
    """The value as it is, line by line, and as it looks inside JSON or a quoted Python string."""
    for one in {text.strip(), *(line.strip() for line in text.splitlines() if len(line.strip()) >= 2 * SHORTEST)}:
        if len(one) >= SHORTEST and one.lower() not in ORDINARY:
            yield from {one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1], repr(one)[1:-1]}


def is_names(value: object) -> bool:
    """A text, or lists of them."""
    return all(map(is_names, value)) if isinstance(value, list | tuple) else isinstance(value, str)


SECRETS = Secrets()
learn, learn_named, declare = SECRETS.learn, SECRETS.learn_named, SECRETS.declare
hide, hide_all = SECRETS.hide, SECRETS.hide_all
