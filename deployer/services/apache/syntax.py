"""The syntax of httpd: one directive a line, continued by a backslash; words and quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WORDS = re.compile(r"""(?P<double>"(?:[^"\\]|\\.)*")|(?P<single>'(?:[^'\\]|\\.)*')|(?P<bare>\S+)""")
# ap_getword_conf: a backslash is taken off another one and the quotes around it; any other one stays
ESCAPE = {
    "double": re.compile(r'\\(["\\])'),
    "single": re.compile(r"\\(['\\])"),
    "bare": re.compile(r"\\(\\)"),
}


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
            words = tuple(meant(match) for match in WORDS.finditer(held.strip()))
            held = ""
            if words and not words[0].startswith("#"):
                yield Line(f"{path}:{begun}", words)


def meant(match: re.Match[str]) -> str:
    """A word without its quotes and what escapes them."""
    kind = match.lastgroup or "bare"
    return ESCAPE[kind].sub(r"\1", match[0] if kind == "bare" else match[0][1:-1])
