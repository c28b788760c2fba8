"""Where httpd logs requests, from the files of a release: LogFormat, CustomLog, Define, envvars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.model.errors import InputError
from deployer.services.base import AccessLog, ServiceSettings

FORMAT = re.compile(r"%[<>!,\d]*(?:\{([^}]*)\})?(\^t[io]|[A-Za-z]|%)")  # mod_log_config, section Custom Log Formats
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
EXPORT = re.compile(r"^\s*export\s+(\w+)=(.*)$", re.MULTILINE)
# What %{cache-status}e says in mod_cache 2.4. Every answer that is not a hit was looked up first; only "-" was not.
HITS = frozenset({"cache hit", "conditional cache hit: entity refresh failed"})
MISSES = frozenset(
    {
        "cache miss: attempting entity save",
        "cache miss: cache unwilling to store response",
        "cache miss: store_headers failed",
        "conditional cache hit: entity refreshed",
        "Cache-Control: no-store present",
        "Cache-Control: private present",
        "Expires header already expired; not cacheable",
        "s-maxage or max-age zero and no Last-Modified or Etag; not cacheable",
        "Query string present but no explicit expiration time",
        "No Last-Modified; Etag; Expires; Cache-Control:max-age or Cache-Control:s-maxage headers",
        "r->no_cache present",
    }
)
PASSES = frozenset({"-"})
UNITS = {"": 1000.0, "s": 1000.0, "ms": 1.0, "us": 0.001}  # milliseconds in one unit of %{UNIT}T
WANTED = '%>s "%{cache-status}e" %D %R "%{User-Agent}i"'
NEEDED = {"status": "%>s", "cache": '"%{cache-status}e"', "time": "%D", "upstream": "%R"}


@dataclass(frozen=True, slots=True)
class Line:
    """One directive. at: file:line."""

    at: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.words[0].lower()


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
                re.sub(r'\\(["\\])', r"\1", m[1]) if m[1] is not None else m[2] for m in WORD.finditer(held.strip())
            )
            held = ""
            if words and not words[0].startswith("#"):
                yield Line(f"{path}:{begun}", words)


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The first CustomLog whose format says enough; None where nothing is logged. Raises InputError for the first one
    that does not, with file:line and what to add."""
    lines = list(directives(files))
    formats = {line.words[2]: line for line in lines if line.name == "logformat" and len(line.words) > 2}
    logs = [line for line in lines if line.name == "customlog" and len(line.words) > 2]
    error: InputError | None = None
    for line in logs:
        try:
            return described(line, formats, definitions(files, lines), settings)
        except InputError as problem:
            error = error or problem
    if error:
        raise error
    return None


def definitions(files: Mapping[str, bytes], lines: list[Line]) -> dict[str, str]:
    """Variables of Define and of Debian's envvars, whose $SUFFIX is empty for the first instance."""
    found = {"SUFFIX": ""}
    envvars = files.get("envvars", b"").decode("utf-8", "surrogateescape")
    pairs = [(m[1], m[2].strip().strip("\"'")) for m in EXPORT.finditer(envvars)]
    pairs += [(line.words[1], line.words[2]) for line in lines if line.name == "define" and len(line.words) > 2]
    for name, value in pairs:
        found[name] = VARIABLE.sub(lambda m: found.get(m[1], m[0]), value)
    return found


def described(
    line: Line, formats: Mapping[str, Line], names: Mapping[str, str], settings: ServiceSettings
) -> AccessLog:
    """One CustomLog as an AccessLog."""
    path = VARIABLE.sub(lambda m: names.get(m[1], m[0]), line.words[1])
    if path.startswith("|") or "$" in path:
        raise InputError(f"{line.at}: the access log {path} is no file that can be followed", hint="log to a file, too")
    if not path.startswith("/"):
        path = f"{settings.dest}/{path}"
    named = formats.get(line.words[2])
    body, at = (named.words[1], named.at) if named else (line.words[2], line.at)
    if "%" not in body:
        raise InputError(f"{line.at}: LogFormat {body} is not defined", hint=f"add LogFormat for {body}: {WANTED}")
    pieces, ms = parsed(body, at)
    return AccessLog(path, pieces, ms, HITS, MISSES, PASSES)


def parsed(body: str, at: str) -> tuple[tuple[str, ...], float]:
    """literal, field, ..., literal, and milliseconds per unit of time."""
    found, end, ms = [""], 0, 1.0
    for match in FORMAT.finditer(body):
        found[-1] += body[end : match.start()]
        end = match.end()
        if match[2] == "%":
            found[-1] += "%"
            continue
        meaning, unit = means(match[1], match[2], match[0])
        if meaning in found[1::2]:
            meaning = match[0]
        elif meaning == "time":
            ms = unit
        found += [meaning, ""]
    found[-1] += body[end:]
    missing = [shown for meaning, shown in NEEDED.items() if meaning not in found[1::2]]
    if missing:
        raise InputError(
            f"{at}: the log format says too little to judge a release by", hint=f"add {' '.join(missing)} to it"
        )
    return tuple(found), ms


def means(argument: str | None, letter: str, whole: str) -> tuple[str, float]:
    """The field's meaning ("" never; its own text where it has none) and milliseconds in one unit."""
    if letter == "s" and argument is None:
        return "status", 1.0
    if letter == "e" and (argument or "").lower() == "cache-status":
        return "cache", 1.0
    if letter == "i" and (argument or "").lower() == "user-agent":
        return "agent", 1.0
    if letter == "R" and argument is None:
        return "upstream", 1.0
    if letter == "D" and argument is None:
        return "time", 0.001
    if letter == "T" and (argument or "") in UNITS:
        return "time", UNITS[argument or ""]
    return whole, 1.0
