"""How an error looks: what, where, so what, now what."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

from deployer.console.say import clean, one_line
from deployer.model.errors import DeployError


def width(stream: TextIO) -> int:
    """Columns of the terminal that `stream` is; 0 for anything else, whose lines are nobody's to break."""
    return shutil.get_terminal_size().columns if stream.isatty() else 0


def fitted(text: str, columns: int) -> str:
    """Broken between words, where a terminal would break within them. columns: 0 leaves it as it is."""
    if not columns:
        return text
    lines = (textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) for line in text.split("\n"))
    return "\n".join("\n".join(line) for line in lines)


def error_lines(error: DeployError, colour: bool = False, columns: int = 0) -> list[str]:
    """`error: ...`, the excerpt with its caret, the consequence, what was noted on the way, one hint."""
    red, dim, end = ("\033[31m", "\033[2m", "\033[0m") if colour else ("", "", "")
    lines = [fitted(f"error: {one_line(error.message)}", columns).replace("error:", f"{red}error:{end}", 1)]
    if error.excerpt:
        lines += clean(error.excerpt).split("\n")
    if error.consequence:
        lines.append(f"{dim}{one_line(error.consequence)}{end}")
    lines += [one_line(note) for note in getattr(error, "__notes__", ())]
    if error.hint:
        lines.append(fitted(f"hint: {one_line(error.hint)}", columns))
    return lines
