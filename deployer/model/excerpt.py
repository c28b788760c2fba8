"""A line of a file that is shown in an error, before that file is understood: without what looks like a
secret's value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from deployer.model.secret import MASK, SECRETS, WORDS

KEY = re.compile(r"""([\w.-]+)["']?\s*[:=]\s*""")  # of a pair, as YAML and INI write it
VALUE = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|[^,}]*""")
BEGUN = re.compile(r"""([\w.-]+)["']?\s*[:=]\s*[|>]?[-+0-9]*\s*$""")  # its value is in the next lines


def hide_line(lines: Sequence[str], at: int) -> str:
    """One line among others. All of it is hidden where it belongs to a secret that began above it, such as a block of
    text or a list."""
    indent, nearest = indentation(lines[at]), True
    for line in reversed(lines[:at]):
        if not line.strip():
            continue
        begun = BEGUN.search(line) if nearest else None
        outer = KEY.match(line.lstrip(" -")) if indentation(line) < indent else None
        if any(found and looks_secret(found[1]) for found in (begun, outer)):
            return " " * indentation(lines[at]) + MASK
        indent, nearest = min(indent, indentation(line)), False
    return hide_pairs(lines[at])


def hide_pairs(line: str) -> str:
    """What follows `password:` and its like: in braces a quoted text or all up to the next comma, elsewhere the rest of
    the line."""
    shown, end = "", 0
    for pair in KEY.finditer(line):
        if pair.start() < end or not looks_secret(pair[1]):
            continue
        value = VALUE.match(line, pair.end()) if "{" in line[: pair.start()] else None
        shown += line[end : pair.end()] + (MASK if line[pair.end() :].strip() else "")
        end = value.end() if value else len(line)
    return shown + line[end:]


def looks_secret(name: str) -> bool:
    """A name that was declared, or that holds such a word, whatever it ends in."""
    return name in SECRETS.declared or re.search(WORDS, name, re.IGNORECASE) is not None


def indentation(line: str) -> int:
    """Blanks at its beginning."""
    return len(line) - len(line.lstrip())
