"""The syntax of HAProxy: one statement a line, words and quotes; sections, with what they take from their defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

WORDS = re.compile(r"""(?P<weak>"(?:[^"\\]|\\.)*")|(?P<strong>'[^']*')|(?P<bare>(?:\\.|[^\s"'#])+)|(?P<comment>\#.*)""")
# What a backslash means (measured on 2.6); before anything else it stays, and in strong quotes before everything.
ESCAPE = {
    "bare": re.compile(r"""\\(?:x(?P<hex>[0-9A-Fa-f]{2})|(?P<sign>[rnt #"'\\]))"""),
    "weak": re.compile(r"""\\(?:x(?P<hex>[0-9A-Fa-f]{2})|(?P<sign>[rnt #"'\\$]))"""),
}
MEANT = {"r": "\r", "n": "\n", "t": "\t"}
Lines = list[tuple[str, tuple[str, ...]]]
SECTIONS = ("defaults", "frontend", "listen", "backend", "global", "ring", "cache", "peers", "resolvers", "userlist")


def statements(files: Mapping[str, bytes], names: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(file:line, words) of every line, without quotes and comments."""
    for name in names:
        for number, line in enumerate(files.get(name, b"").decode("utf-8", "surrogateescape").splitlines(), 1):
            words = list[str]()
            end = -1
            for match in WORDS.finditer(line):
                if match["comment"] is not None:
                    break
                text = meant(match)
                if match.start() == end:
                    words[-1] += text  # "a"b is one word
                else:
                    words.append(text)
                end = match.end()
            if words:
                yield f"{name}:{number}", tuple(words)


def meant(match: re.Match[str]) -> str:
    """A part of a word without its quotes and escapes."""
    kind = match.lastgroup or "bare"
    text = match[0] if kind == "bare" else match[0][1:-1]
    return ESCAPE[kind].sub(escaped, text) if kind in ESCAPE else text


def escaped(match: re.Match[str]) -> str:
    """What one backslash and what follows it stand for."""
    if match["hex"]:
        return bytes.fromhex(match["hex"]).decode("utf-8", "surrogateescape")
    return MEANT.get(match["sign"], match["sign"])


def sections(lines: Lines) -> Iterator[tuple[str, str, Lines]]:
    """(kind, file:line, its lines with those of the defaults it takes first)."""
    defaults: dict[str, Lines] = {}
    latest = ""
    kind, at, inner = "", "", Lines()
    for where, words in [*lines, ("", ("",))]:
        if words[0] in (*SECTIONS, ""):
            if kind == "defaults":
                defaults[latest] = inner
            elif kind:
                yield kind, at, inner
            kind, at = words[0], where
            chosen = words[words.index("from") + 1] if "from" in words[:-1] else latest
            inner = list(defaults.get(chosen, ())) if kind in ("defaults", "frontend", "listen", "backend") else []
            if kind == "defaults":
                latest = words[1] if len(words) > 1 else where
                inner = list(defaults.get(chosen, ())) if "from" in words else []
        else:
            inner.append((where, words))
