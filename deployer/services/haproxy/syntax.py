"""The lines of haproxy.cfg, and which requests its `log` lines write down in which format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deployer.model.errors import InputError
from deployer.services.haproxy.log_format import CLFLOG, HTTPLOG

WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|((?:\\.|[^\s"\'#])+)|(#.*)')
ANSWERED = re.compile(r"\b(?:status|res\.|resp\.|srv_|be_|fe_|nbsrv|txn\.|var\(|fc_err|bc_err)")
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


def format_in(inner: Lines) -> tuple[str, str]:
    """(file:line, log-format) that a frontend with these lines writes; the last one said counts."""
    found = ("", "")
    for at, words in inner:
        if words[0] == "log-format" and len(words) > 1:
            found = at, words[1]
        elif words[:2] in (("option", "httplog"), ("option", "httpslog")):
            found = at, CLFLOG if words[2:3] == ("clf",) else HTTPLOG
        elif words[:2] == ("option", "tcplog") or words[:3] == ("no", "option", "httplog"):
            found = at, ""
    return found


def format_of(lines: Lines) -> tuple[str, str, list[str]]:
    """(file:line, log-format, what to say of frontends that write another one): of most frontends. Raises InputError
    where none logs requests."""
    fronts = [(at, format_in(inner)) for kind, at, inner in sections(lines) if kind in ("frontend", "listen")]
    if not fronts:  # they are in another file, or still to come
        every = [pair for pair in lines if pair[1][0] not in SECTIONS]
        fronts = [("", format_in(every))]
    forms = [form for _, (_, form) in fronts if form]
    if not forms:
        at = next((at for at, _ in fronts if at), "haproxy.cfg")
        raise InputError(f"{at}: nothing says how requests are logged", hint="add option httplog, or a log-format")
    most = max(forms, key=forms.count)
    others = [
        f"{at}: this frontend logs in another format, and is not judged" for at, (_, f) in fronts if f != most and at
    ]
    return next(at for _, (at, form) in fronts if form == most), most, others


def left_out(lines: Lines, target: str) -> list[str]:
    """What is not in the log. target: of the `log` lines that are read; "" any. Raises InputError where it hangs on
    what came of a request."""
    said = []
    for at, words in lines:
        rule = " ".join(words)
        if words[:2] == ("option", "dontlog-normal"):
            raise biased(at, "option dontlog-normal leaves out what went well")
        if words[0] in ("http-request", "http-response", "http-after-response") and "set-log-level silent" in rule:
            _, _, condition = rule.partition("silent")
            if words[0] != "http-request" or ANSWERED.search(condition) or not condition.strip():
                raise biased(at, f"{words[0]} set-log-level silent{condition}")
            said.append(f"{at}: requests that `silent{condition}` leaves out are not judged")
        if words[0] == "log" and (not target or words[1:2] == (target,)):
            level = words[levels(words) :]
            if level and level[0] not in ("info", "debug"):
                raise biased(at, f"requests are logged at level info, and only {level[0]} and above is written")
            if "sample" in words[:-1]:
                said.append(f"{at}: only a sample of the requests ({words[words.index('sample') + 1]}) is logged")
    return said


def levels(words: tuple[str, ...]) -> int:
    """Where in a `log` line the levels begin: log ADDRESS [len N] [format F] [sample S] FACILITY [LEVEL]."""
    number = 2
    while words[number : number + 1] and words[number] in ("len", "format", "sample", "profile"):
        number += 2
    return number + 1


def biased(at: str, why: str) -> InputError:
    """Not every request is in the log, and which is no accident."""
    return InputError(
        f"{at}: not every request is in the access log: {why}", hint="log all requests, to another target as well"
    )
