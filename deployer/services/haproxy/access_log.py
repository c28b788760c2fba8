"""Where HAProxy logs requests. It writes no file by itself: a `log ring@NAME` is read over the stats socket, a second
at a time; a file that syslog writes is named by the host variable haproxy_access_log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.model.errors import InputError
from deployer.model.sh import sh
from deployer.services.base import AccessLog, Piped, ServiceSettings
from deployer.services.haproxy.log_format import CLFLOG, HTTPLOG, split
from deployer.services.haproxy.syntax import SECTIONS, Lines, sections, statements
from deployer.services.logfield import INSIDE, refuse_unclear

PATH, RING = re.compile(r"(?:/[A-Za-z0-9._@+-]+)+"), re.compile(r"[A-Za-z0-9._-]{1,64}")
FRAMED = frozenset(
    ("rfc3164", "rfc5424", "local", "iso", "timed", "short", "priority")
)  # ring: format; they lead the line
ANSWERED = re.compile(r"\b(?:status|res\.|resp\.|srv_|be_|fe_|nbsrv|txn\.|var\(|fc_err|bc_err)")
PERL = (
    "$s = IO::Socket::UNIX->new(Peer => $ARGV[1]) or exit 1;"
    ' print $s "$ARGV[0]\\n"; $s->flush; $| = 1; print while <$s>'
)


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """None where requests go to syslog and no file is named. Raises InputError for a format without what is needed."""
    names = tuple(settings.var("haproxy_files").split() or ["haproxy.cfg"])
    lines = list(statements(files, names))
    file = settings.var("haproxy_access_log")
    rings = [w[1].removeprefix("ring@") for _, w in lines if w[0] == "log" and len(w) > 1 and w[1].startswith("ring@")]
    if file:
        path, framed = file, True
    elif rings:
        path, framed = follow(lines, rings[0]), frame(lines, rings[0])
    else:
        return None
    at, form, others = format_of(lines)
    said = [*others, *left_out(lines, f"ring@{rings[0]}" if rings and not file else "")]
    pieces, forms = split(form)
    for need, code in (("status", "%ST"), ("cache", "%s"), ("time", "%Ta")):
        if need not in pieces[1::2]:
            raise InputError(f"{at}: the log has no {need} of a request", hint=f"add {code} to log-format")
    refuse_unclear(pieces, forms, at)
    if framed:  # <134>Nov 25 00:12:45 localhost haproxy[30735]: ...
        pieces, forms = ("", "frame", "]: " + pieces[0], *pieces[1:]), (INSIDE, *forms)
    return AccessLog(path, pieces, 1.0, frozenset(("<CACHE>",)), forms=forms, others="miss", note="; ".join(said))


def follow(lines: Lines, ring: str) -> Piped:
    """The command that prints what comes into the ring for a second. Raises InputError without a stats socket."""
    sockets = [(at, w[2].removeprefix("unix@")) for at, w in lines if w[:2] == ("stats", "socket") and len(w) > 2]
    at, socket = next(((at, path) for at, path in sockets if path.startswith("/")), ("", ""))
    for what, text, form in ((f"{at}: the stats socket", socket, PATH), ("the log ring", ring, RING)):
        if text and not form.fullmatch(text):  # socat reads `!!EXEC:` in a path, HAProxy `;` in the name of a ring
            raise InputError(f"{what} {text!r:.80} cannot be read: letters, digits and . _ @ + - are allowed")
    if not socket:
        raise InputError(
            f"the log ring {ring} cannot be read without a stats socket", hint="add `stats socket /run/haproxy.sock`"
        )
    return Piped(
        sh(
            "|if command -v socat >/dev/null 2>&1; then "
            "printf '%s\\n' {say} | timeout 1 socat -t 2 - UNIX-CONNECT:{where}; "
            "else exec timeout 1 perl -MIO::Socket::UNIX -e {perl} {say} {where}; fi",
            say=f"show events {ring} -nw",
            where=socket,
            perl=PERL,
        )
    )


def frame(lines: Lines, ring: str) -> bool:
    """Does the ring put a head before each line?"""
    inside = False
    for _, words in lines:
        if words[0] == "ring":
            inside = words[1:2] == (ring,)
        elif inside and words[0] == "format" and len(words) > 1:
            return words[1] in FRAMED
    return False  # a ring's default format is raw


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
