"""Where Squid logs requests, from the files of a release: access_log, logformat, include."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping

from deployer.model.errors import InputError
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.includes import Includes

# squid.conf.documented, logformat: the formats that need no definition. `%6tr` is filled up with blanks on the left.
FORMATS = {
    "squid": "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt",
    "common": '%>a %[ui %[un [%tl] "%rm %ru HTTP/%rv" %>Hs %<st %Ss:%Sh',
    "combined": '%>a %[ui %[un [%tl] "%rm %ru HTTP/%rv" %>Hs %<st "%{Referer}>h" "%{User-Agent}>h" %Ss:%Sh',
}
CODE = re.compile(
    r"%(?:%|[\"'\[#/]?(?:(-)?0?\d*(?:\.\d+)?)(?:\{(?P<before>[^}]*)\})?"
    r"(?P<code>(?:ssl::|icap::|adapt::)?[<>]?[A-Za-z]+\d*[a-z_]*)(?:\{(?P<after>[^}]*)\})?)"
)
MEANS = {">Hs": "status", "Hs": "status", "Ss": "cache", "tr": "time", "<a": "upstream"}
KEPT = frozenset((*MEANS.values(), "agent"))
# Result codes of `%Ss` (src/LogTags.cc); each also with _ABORTED and _TIMEDOUT. A revalidation asked the origin.
HITS = ("TCP_HIT", "TCP_MEM_HIT", "TCP_IMS_HIT", "TCP_INM_HIT", "TCP_NEGATIVE_HIT", "TCP_OFFLINE_HIT")
MISSES: tuple[str, ...] = (
    "TCP_MISS",
    "TCP_SWAPFAIL_MISS",
    "TCP_CLIENT_REFRESH_MISS",
    "TCP_REFRESH",
    "TCP_REFRESH_MODIFIED",
)
MISSES += ("TCP_REFRESH_UNMODIFIED", "TCP_REFRESH_FAIL_OLD", "TCP_REFRESH_FAIL_ERR", "TCP_CF_MISS")
PASSES = ("TCP_TUNNEL",)
ENDS = ("", "_ABORTED", "_TIMEDOUT", "_ABORTED_TIMEDOUT")


def directives(
    files: Mapping[str, bytes], name: str, settings: ServiceSettings, includes: Includes
) -> Iterator[tuple[str, str, str]]:
    """(file:line, directive, the rest of its line), includes in their place; those of other files are left out. Raises
    InputError for a circle."""
    source = files.get(name, b"").decode("utf-8", "surrogateescape")
    held, begun = "", 0
    for number, line in enumerate(source.splitlines(), 1):
        begun = begun if held else number
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        words = held.strip().split(None, 1)
        held = ""
        if not words or words[0].startswith("#"):
            continue
        rest = words[1] if len(words) > 1 else ""
        if words[0] == "include":
            for pattern in rest.split():
                inside = posixpath.relpath(pattern, settings.dest) if pattern.startswith("/") else pattern
                for found in sorted(n for n in files if fnmatch.fnmatchcase(n, inside)):
                    with includes.reading(found, f"{name}:{begun}"):
                        yield from directives(files, found, settings, includes)
        else:
            yield f"{name}:{begun}", words[0], rest


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The first access_log that is a file; None where nothing is logged. Raises InputError, with file:line."""
    formats, logs = {name: ("squid.conf", text) for name, text in FORMATS.items()}, list[tuple[str, list[str]]]()
    for at, name, rest in directives(files, "squid.conf", settings, Includes()):
        if name == "logformat" and len(rest.split(None, 1)) == 2:
            word, form = rest.split(None, 1)
            formats[word] = (at, form.strip())
        elif name == "access_log" and rest:
            logs.append((at, rest.split()))
    elsewhere = ""
    for at, words in logs or [("squid.conf", ["daemon:/var/log/squid/access.log"])]:
        module, _, path = words[0].rpartition(":")
        if words[0] == "none":
            continue
        if module not in ("", "stdio", "daemon"):
            elsewhere = elsewhere or f"{at}: the access log {words[0]} is no file that can be followed"
            continue
        named = [w.removeprefix("logformat=") for w in words[1:] if w.startswith("logformat=")]
        format_name = (named or [w for w in words[1:2] if w in formats] or ["squid"])[0]
        if format_name not in formats:
            raise InputError(f"{at}: the logformat {format_name} is not defined")
        return described(path, *formats[format_name])
    if elsewhere:
        raise InputError(elsewhere, hint="log to one file as well")
    return None


def described(path: str, at: str, form: str) -> AccessLog:
    """One logformat as an AccessLog."""
    pieces = split(form)
    for need, code in (("status", "%>Hs"), ("cache", "%Ss"), ("time", "%tr")):
        if need not in pieces[1::2]:
            raise InputError(f"{at}: the log has no {need} of a request", hint=f"add {code} to the logformat")
    hits, misses, passes = (frozenset(word + end for word in kind for end in ENDS) for kind in (HITS, MISSES, PASSES))
    return AccessLog(path, pieces, 1.0, hits, misses, passes)


def split(form: str) -> tuple[str, ...]:
    """A logformat as AccessLog pieces; what follows the last field with a meaning is one field."""
    pieces, last = [""], 0
    for match in CODE.finditer(form):
        pieces[-1] += form[last : match.start()]
        last = match.end()
        if match["code"] is None:
            pieces[-1] += "%"
            continue
        code, header = match["code"], (match["before"] or match["after"] or "").lower()
        meaning = "agent" if code == ">h" and header == "user-agent" else MEANS.get(code, code)
        pieces += [meaning, ""]
    pieces[-1] += form[last:]
    end = max((n for n, name in enumerate(pieces) if n % 2 and name in KEPT), default=-1) + 2
    return (*pieces[:end], "rest", "") if end < len(pieces) else tuple(pieces)
