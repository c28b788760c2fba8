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
PAIR = re.compile(rf"([\w.-]*(?:{WORDS})s?[\w.-]*[\"']?\s*[:=]\s*)([^\s,}}#][^,}}#]*)", re.IGNORECASE)
ORDINARY = {"none", "null", "true", "false", "default", "file"}


def is_secret(name: str) -> bool:
    """Does a variable of this name look as if its value were a secret? `ansible_ssh_private_key_file` is a path."""
    return bool(NAME.search(name)) and not HARMLESS.search(name)


class Secrets:
    """Learns values; `hide` replaces them by `***`. Reading and learning may go on at the same time."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

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
        """A JSON value without any of them."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {key: self.hide_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide_all(item) for item in value]
        return value

    def forget(self) -> None:
        """As at the start of the process."""
        self._known, self._pattern = frozenset(), None


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


def hide_pairs(line: str) -> str:
    """A line of a file whose values are not known yet: what follows `password:` and its like is blotted out."""
    return PAIR.sub(rf"\1{MASK}", line)


SECRETS = Secrets()
learn, learn_named, hide, hide_all = SECRETS.learn, SECRETS.learn_named, SECRETS.hide, SECRETS.hide_all
