"""Where nginx logs requests, from the files of a release: log_format, access_log, include.

A tokenizer of our own: the syntax is words, quotes, braces and semicolons, the files are bytes in memory and this floor
reads no disk (crossplane opens the files by itself).
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployer.model.errors import InputError
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.includes import Includes

TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<mark>[{};])"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<word>(?:\$\{|\\.|[^\s{};])+)""",
    re.DOTALL,
)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
UPSTREAM = (
    "upstream_response_time",
    "upstream_addr",
    "upstream_status",
    "upstream_header_time",
    "upstream_connect_time",
)
MEANS = {"status": "status", "upstream_cache_status": "cache", "request_time": "time", "http_user_agent": "agent"}
NEEDED = ("status", "upstream_cache_status", "request_time")
HITS = frozenset(("HIT", "STALE", "UPDATING"))
MISSES = frozenset(("MISS", "EXPIRED", "REVALIDATED", "SCARCE"))  # REVALIDATED asked the origin (RFC 9211, 2.1)
PASSES = frozenset(("BYPASS",))


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
    stack, words, line, begun = [top], list[str](), 1, 1
    for match in TOKEN.finditer(source):
        kind, sign = match.lastgroup, match[0]
        if kind in ("double", "single", "word"):
            begun = begun if words else line
            words.append(re.sub(r"\\(.)", r"\1", match[kind]) if kind != "word" else sign)
        elif sign in (";", "{") and words:
            found = Directive(tuple(words), f"{path}:{begun}")
            if found.name == "include" and sign == ";" and len(words) == 2:
                for name in included(files, words[1], settings):
                    with includes.reading(name, found.at):
                        stack[-1].extend(tree(files, name, settings, includes))
            stack[-1].append(found)
            if sign == "{":
                stack.append(found.inner)
            words = []
        elif sign == "}" and len(stack) > 1:
            stack.pop()
        line += sign.count("\n")
    return top


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


def own_logs(block: list[Directive]) -> list[Directive] | None:
    """The access_log lines of one block; None where it has none and takes those of the block around it."""
    found = [d for d in block if d.name == "access_log" and len(d.words) > 1]
    return found or None


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The log that most servers write to; None where nothing is logged. Raises InputError with file:line."""
    includes = Includes()
    with includes.reading("nginx.conf", "nginx.conf"):
        root = tree(files, "nginx.conf", settings, includes)
    http = [d for block in root if block.name == "http" for d in block.inner]
    formats = {d.words[1]: d for d in walk(root) if d.name == "log_format" and len(d.words) > 2}
    outer = own_logs(http) or []
    used = Counter[str]()
    lines: dict[str, Directive] = {}
    for server in [d for d in http if d.name == "server"]:
        for one in own_logs(server.inner) or outer:
            used[one.words[1]] += 1
            lines.setdefault(one.words[1], one)
    if not used and not any(d.name == "server" for d in http):
        lines = {one.words[1]: one for one in outer}
        used.update(list(lines))
    logged = [lines[path] for path, _ in used.most_common() if path != "off"]
    if not logged:
        return None
    error: InputError | None = None
    for one in logged:
        try:
            return described(one, formats, settings, note(one, used))
        except InputError as problem:
            error = error or problem
    raise error or AssertionError


def note(line: Directive, used: Counter[str]) -> str:
    """How many servers log elsewhere (or not at all)."""
    others = sum(used.values()) - used[line.words[1]]
    return f"{line.at}: {others} other server or access_log line(s) are not counted" if others else ""


def described(line: Directive, formats: Mapping[str, Directive], settings: ServiceSettings, said: str) -> AccessLog:
    """One access_log line as an AccessLog."""
    path, options = line.words[1], line.words[2:]
    name = options[0] if options and "=" not in options[0] else "combined"
    if path.startswith("syslog:") or "$" in path:
        raise InputError(
            f"{line.at}: the access log {path} is no file that can be followed", hint="log to one file as well"
        )
    if not path.startswith("/"):
        if not settings.prefix:
            raise InputError(f"{line.at}: the access log {path} is relative", hint="write its absolute path")
        path = f"{settings.prefix}/{path}"
    buffered = any(o.startswith(("buffer=", "gzip")) for o in options)
    if any(o.startswith("gzip") for o in options) or (buffered and "flush=1s" not in options):
        raise InputError(f"{line.at}: the access log is written late", hint="add flush=1s to its buffer, and no gzip")
    if name not in formats:
        known = "has no cache status" if name == "combined" else "is not defined"
        raise InputError(f"{line.at}: log_format {name} {known}", hint=f"define a log_format with {wanted(NEEDED)}")
    found = pieces(formats[name])
    if "agent" not in found:
        said = said or f"log_format {name} has no $http_user_agent: our own probes are counted as traffic"
    return AccessLog(path, found, 1000.0, HITS, MISSES, PASSES, said)


def wanted(names: tuple[str, ...]) -> str:
    """`$a, $b and $c`."""
    shown = [f"${name}" for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def pieces(form: Directive) -> tuple[str, ...]:
    """literal, field, ..., literal of a log_format. Raises InputError for one that says too little."""
    name = form.words[1]
    body = "".join(word for word in form.words[2:] if not word.startswith("escape="))
    found, at = [""], 0
    names: list[str] = []
    for match in VARIABLE.finditer(body):
        found[-1] += body[at : match.start()]
        variable = match[1] or match[2]
        if names and not found[-1]:
            raise InputError(
                f"{form.at}: log_format {name}: ${names[-1]} and ${variable} touch each other",
                hint="put a space between",
            )
        upstream = variable in UPSTREAM and not set(UPSTREAM) & set(names)
        meaning = MEANS.get(variable) if variable not in names else None
        found += ["upstream" if upstream else meaning or f"${variable}", ""]
        names.append(variable)
        at = match.end()
    found[-1] += body[at:]
    missing = tuple(n for n in NEEDED if n not in names)
    missing += () if set(UPSTREAM) & set(names) else UPSTREAM[:1]
    if missing:
        raise InputError(
            f"{form.at}: log_format {name} says too little to judge a release by",
            hint=f"add {wanted(missing)} to log_format {name}",
        )
    return tuple(found)
