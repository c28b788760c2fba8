"""Where httpd logs requests, from the files of a release: LogFormat, CustomLog, Define, envvars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deployer.model.errors import InputError
from deployer.services.apache.syntax import Line, directives
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.logfield import BRACKETED, NUMBER, QUOTED, STATUS, TIME, WORD, Form, refuse_unclear

FORMAT = re.compile(r"%[<>!,\d]*(?:\{([^}]*)\})?(\^t[io]|[A-Za-z]|%)")  # mod_log_config, section Custom Log Formats
ESCAPE = re.compile(r"\\([\\rnt])")  # in a format; any other backslash stays
MEANT = {"r": "\r", "n": "\n", "t": "\t"}
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
# What a condition may look at that is known before the answer is; what it leaves out is no worse than the rest.
ASKED = re.compile(r"%\{(?:REQUEST_(?!STATUS)\w+|HTTP_\w+|REMOTE_\w+|QUERY_STRING|SERVER_\w+|HTTPS|THE_REQUEST)\}")
LOGS = ("customlog", "globallog")
SETTERS = ("setenvif", "setenvifnocase", "browsermatch", "browsermatchnocase")
UNITS = {"": 1000.0, "s": 1000.0, "ms": 1.0, "us": 0.001}  # milliseconds in one unit of %{UNIT}T
WANTED = '%>s "%{cache-status}e" %D %R "%{User-Agent}i"'
NEEDED = {"status": "%>s", "cache": '"%{cache-status}e"', "time": "%D", "upstream": "%R"}


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The first CustomLog whose format says enough and that has all requests of its server; None where nothing is
    logged. Raises InputError for the first one that does not, with file:line and what to add."""
    lines = list(directives(files))
    formats = {line.words[2]: line for line in lines if line.name == "logformat" and len(line.words) > 2}
    places = [(host, line) for host, line in placed(lines) if line.name in LOGS and len(line.words) > 2]
    error: InputError | None = None
    for _, line in sorted(places, key=lambda place: bool(place[1].condition)):
        try:
            said = [*left_out(line, lines), *elsewhere(line, places, lines)]
            return described(line, formats, definitions(files, lines), settings, "; ".join(said))
        except InputError as problem:
            error = error or problem
    if error:
        raise error
    return None


def placed(lines: list[Line]) -> Iterator[tuple[str, Line]]:
    """(file:line of the virtual host around it, "" for none; the line)."""
    host = ""
    for line in lines:
        if line.name in ("<virtualhost", "</virtualhost>"):
            host = line.at if line.name == "<virtualhost" else ""
        yield host, line


def elsewhere(line: Line, places: list[tuple[str, Line]], lines: list[Line]) -> Iterator[str]:
    """Virtual hosts whose requests are not in this log. A GlobalLog has all of them."""
    if line.name == "globallog":
        return
    hosts = {host for host, _ in placed(lines) if host} or {""}
    here = {host for host, one in places if one.words[1] == line.words[1]}
    own = {host for host, one in places if one.name == "customlog"}
    apart = sorted(host for host in hosts if host not in here and (host in own or "" not in here))
    if apart:
        yield f"{line.at}: {len(apart)} virtual host(s) log elsewhere and are not judged (the first: {apart[0]})"


def left_out(line: Line, lines: list[Line]) -> Iterator[str]:
    """What a condition leaves out. Raises InputError where it may look at what came of a request, and for a buffer."""
    if late := next(
        (one.at for one in lines if one.name == "bufferedlogs" and one.words[1:2] in (("On",), ("on",))), ""
    ):
        raise InputError(f"{late}: the access log is written late", hint="write BufferedLogs Off")
    if not line.condition:
        return
    kind, _, text = " ".join(line.words[3:]).partition("=")
    if kind.lower() == "expr":
        rest = ASKED.sub("", text)
        fair = "%{" not in rest and "(" not in rest
    else:
        name = text.lstrip("!")
        sets = [one for one in lines if any(re.match(rf"!?{re.escape(name)}(=|$)", word) for word in one.words[2:])]
        fair = bool(sets) and all(one.name in (*SETTERS, "customlog", "globallog") for one in sets)
        fair = fair and any(one.name in SETTERS for one in sets)
    if not fair:
        raise InputError(
            f"{line.at}: not every request is in the access log: {line.condition} may look at the answer",
            hint="log all requests to another file as well, without a condition",
        )
    yield f"{line.at}: requests that {line.condition} leaves out are not judged"


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
    line: Line, formats: Mapping[str, Line], names: Mapping[str, str], settings: ServiceSettings, said: str
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
    pieces, forms, ms = parsed(body, at)
    return AccessLog(path, pieces, ms, HITS, MISSES, PASSES, forms, note=said)


def parsed(body: str, at: str) -> tuple[tuple[str, ...], tuple[Form, ...], float]:
    """literal, field, ..., literal, the form of each field, and milliseconds per unit of time."""
    found, forms, end, ms = [""], list[Form](), 0, 1.0
    for match in FORMAT.finditer(body):
        found[-1] += literal(body[end : match.start()])
        end = match.end()
        if match[2] == "%":
            found[-1] += "%"
            continue
        meaning, unit = means(match[1], match[2], match[0])
        if re.match(r"%[<>]*[!\d]", match[0]):  # written for some statuses only
            meaning = match[0]
        if meaning in found[1::2]:
            meaning = match[0]
        elif meaning == "time":
            ms = unit
        found += [meaning, ""]
        forms.append(form_of(match[1], match[2], meaning))
    found[-1] += literal(body[end:])
    missing = [shown for meaning, shown in NEEDED.items() if meaning not in found[1::2]]
    if missing:
        raise InputError(
            f"{at}: the log format says too little to judge a release by", hint=f"add {' '.join(missing)} to it"
        )
    refuse_unclear(found, forms, at)
    return tuple(found), tuple(forms), ms


def literal(text: str) -> str:
    """What stands between two fields, as mod_log_config writes it."""
    return ESCAPE.sub(lambda found: MEANT.get(found[1], found[1]), text)


def form_of(argument: str | None, letter: str, meaning: str) -> Form:
    """What a field may hold. What comes from a request has its quotes escaped."""
    if meaning in ("status", "time"):
        return STATUS if meaning == "status" else TIME
    if letter == "t" and argument is None:
        return BRACKETED
    if letter in "BDOISkpP":
        return NUMBER
    return QUOTED if argument is not None or letter in "UqruflC" else WORD


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
