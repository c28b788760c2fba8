"""The syntax of nginx: directives and blocks, includes in their place.

A tokenizer of our own: the syntax is words, quotes, braces and semicolons, the files are bytes in memory and this floor
reads no disk (crossplane opens the files by itself).
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployer.services.base import ServiceSettings
from deployer.services.includes import Includes

TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<mark>[{};])"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<word>(?:\$\{|\\.|[^\s{;])+)""",
    re.DOTALL,
)
# Braces of Lua, and what hides them: a comment, a long string (to its end, or that of the file), a string of one line.
LUA = re.compile(
    r"""(?:--)?\[(?P<long>=*)\[.*?(?:\](?P=long)\]|\Z)|--[^\n]*"""
    r"""|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|(?P<mark>[{}])""",
    re.DOTALL,
)
ESCAPE = re.compile(r"\\([\"'\\trn])")  # ngx_conf_read_token; any other backslash stays
MEANT = {"t": "\t", "r": "\r", "n": "\n"}


@dataclass
class Directive:
    """words: its name and arguments, unquoted. at: file:line."""

    words: tuple[str, ...]
    at: str
    inner: list[Directive] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0] if self.words else ""


def tree(files: Mapping[str, bytes], path: str, settings: ServiceSettings, includes: Includes) -> list[Directive]:
    """The directives of one file, includes in their place; what is no nginx syntax ends the reading quietly (the
    host's own check names it). Includes of files outside the release are left out. Raises InputError for a circle."""
    source = files.get(path, b"").decode("utf-8", "surrogateescape")
    top: list[Directive] = []
    stack, words, line, begun, at = [top], list[str](), 1, 1, 0
    while match := TOKEN.search(source, at):
        kind, sign, at = match.lastgroup, match[0], match.end()
        if kind in ("double", "single", "word"):
            begun = begun if words else line
            words.append(ESCAPE.sub(lambda m: MEANT.get(m[1], m[1]), match[kind]))
        elif sign in (";", "{") and words:
            found = Directive(tuple(words), f"{path}:{begun}")
            if found.name == "include" and sign == ";" and len(words) == 2:
                for name in included(files, words[1], settings):
                    with includes.reading(name, found.at):
                        stack[-1].extend(tree(files, name, settings, includes))
            stack[-1].append(found)
            if sign == "{" and found.name.endswith("_by_lua_block"):
                at = after_lua(source, at)
                line += source.count("\n", match.end(), at)
            elif sign == "{":
                stack.append(found.inner)
            words = []
        elif sign == "}" and len(stack) > 1:
            stack.pop()
        line += sign.count("\n")
    return top


def after_lua(source: str, at: int) -> int:
    """Where the block of Lua ends whose first brace ends at `at`: behind the brace that closes it."""
    depth = 1
    for match in LUA.finditer(source, at):
        depth += {"{": 1, "}": -1}.get(match["mark"] or "", 0)
        if not depth:
            return match.end()
    return len(source)


def included(files: Mapping[str, bytes], pattern: str, settings: ServiceSettings) -> list[str]:
    """Files of the release that an include names: relative to DEST, or absolute below it."""
    relative = posixpath.relpath(pattern, settings.dest) if pattern.startswith("/") else posixpath.normpath(pattern)
    parts = relative.split("/")
    return sorted(
        name
        for name in files
        if len(name.split("/")) == len(parts)
        and all(fnmatch.fnmatchcase(a, b) for a, b in zip(name.split("/"), parts, strict=True))
    )


def walk(directives: list[Directive]) -> Iterator[Directive]:
    """All of them, outer before inner."""
    for one in directives:
        yield one
        yield from walk(one.inner)
