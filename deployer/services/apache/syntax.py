"""The syntax of httpd: one directive a line, continued by a backslash; words and quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class Line:
    """One directive with its arguments, unquoted. at: file:line."""

    at: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.words[0].lower()

    @property
    def condition(self) -> str:
        """What decides of a CustomLog which requests it takes: `env=` or `expr=`; "" for all."""
        return next((w for w in self.words[3:] if w.lower().startswith(("env=", "expr="))), "")


def directives(files: Mapping[str, bytes]) -> Iterator[Line]:
    """Of every file that can be part of the configuration; continued lines are joined."""
    for path in sorted(files):
        if "-available/" in path or not path.endswith((".conf", ".load")):
            continue
        text = files[path].decode("utf-8", "surrogateescape")
        number, held, begun = 0, "", 0
        for raw in text.splitlines():
            number += 1
            begun = begun if held else number
            held += raw
            if raw.endswith("\\"):
                held = held[:-1]
                continue
            words = tuple(
                re.sub(r'\\(["\\])', r"\1", m[1]) if m[1] is not None else m[2] for m in WORDS.finditer(held.strip())
            )
            held = ""
            if words and not words[0].startswith("#"):
                yield Line(f"{path}:{begun}", words)
