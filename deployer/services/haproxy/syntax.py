"""The syntax of HAProxy: one statement a line, words and quotes; sections, with what they take from their defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|((?:\\.|[^\s"\'#])+)|(#.*)')
Lines = list[tuple[str, tuple[str, ...]]]
SECTIONS = ("defaults", "frontend", "listen", "backend", "global", "ring", "cache", "peers", "resolvers", "userlist")


def statements(files: Mapping[str, bytes], names: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(file:line, words) of every line, without quotes and comments."""
    for name in names:
        for number, line in enumerate(files.get(name, b"").decode("utf-8", "surrogateescape").splitlines(), 1):
            words = list[str]()
            end = -1
            for match in WORDS.finditer(line):
                if match[4] is not None:
                    break
                text = next(re.sub(r"\\(.)", r"\1", part) for part in match.groups() if part is not None)
                if match.start() == end:
                    words[-1] += text  # "a"b is one word
                else:
                    words.append(text)
                end = match.end()
            if words:
                yield f"{name}:{number}", tuple(words)


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
