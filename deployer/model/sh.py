"""Text of POSIX sh as a type, and the one place where quotes are put. Pure.

A value gets into a line only through a hole: `sh("tail -c {} {}", most, path)` quotes both. What is Sh already stands
as it is. Cutting Sh or adding to it gives a plain str, which the next hole quotes: what was forgotten stays harmless.
"""

from __future__ import annotations

import functools
import shlex


class Sh(str):
    """Text that sh reads as it stands. Made here, from a literal or a file of ours; never from a value."""

    __slots__ = ()


EMPTY = Sh()


def sh(text: str, *holes: object, **named: object) -> Sh:
    """`text`, a literal, with its `{}` and `{name}` filled; a list is its words. The shell's own braces are doubled."""
    return Sh(text.format(*map(_quoted, holes), **{name: _quoted(value) for name, value in named.items()}))


def pipe(*commands: Sh) -> Sh:
    """Each reads what the one before it prints."""
    return Sh(" | ".join(commands))


def block(*commands: Sh) -> Sh:
    """One line after the other."""
    return Sh("\n".join(command.removesuffix("\n") for command in commands))


def within(script: str, *arguments: object) -> Sh:
    """A sh of its own that runs `script`, in which the arguments are "$1", "$2" and so on."""
    more = sh(" sh {}", arguments) if arguments else ""
    return Sh(f"sh -c {shlex.quote(script)}{more}")


@functools.cache
def shipped(package: str, *files: str) -> Sh:
    """Files of a package of ours, by their path below it, joined."""
    from importlib import resources  # 5 ms that `rollback --help` does without

    folder = resources.files(package)
    return Sh("".join(folder.joinpath(*file.split("/")).read_text("utf-8") for file in files))


def assignments(**values: str) -> Sh:
    """Lines of `NAME='value'`, for a script that comes after them."""
    return Sh("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))


def _quoted(value: object) -> str:
    if isinstance(value, Sh):
        return value
    if isinstance(value, list | tuple):
        return " ".join(map(_quoted, value))
    return shlex.quote(str(value))
