"""Where Squid logs requests, from the files of a release: access_log, logformat, include."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.model.errors import InputError
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.includes import Includes
from deployer.services.logfield import BRACKETED, DATE, QUOTED, STATUS, TEXT, TIME, WORD, Form, refuse_unclear
from deployer.services.squid.syntax import directives

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
OPTIONS = ("logformat=", "buffer-size=", "on-error=", "rotate=")
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
PARTS = Form("[-A-Z_a-z0-9]*", r"[^-A-Z_a-z0-9]")
FORMS = {
    **dict.fromkeys(("Ss", "Sh"), PARTS),
    **dict.fromkeys((">Hs", "<Hs", "Hs", *["ts", "tu", "st", "<st", ">st", "sn", "dt", "<tt", "<pt"]), STATUS),
    **dict.fromkeys(("tl", "tg"), DATE),
    **dict.fromkeys((">h", "<h", "mt", "note", "err_detail", ">rs", "ul", "ui", "ue"), TEXT),
    "tr": TIME,
}
NOTHING = frozenset(("-", "", "NONE", "TCP_DENIED", "TCP_DENIED_REPLY", "TCP_REDIRECT", "TAG_NONE", "NONE_NONE"))
# acl types that are known before the answer is: what they leave out is no worse and no better than the rest.
ASKED = [
    "src",
    "myip",
    "dst",
    "myportname",
    "localip",
    "localport",
    "arp",
    "dstdomain",
    "srcdomain",
    "url_regex",
    "urlpath_regex",
    "urllogin",
    "port",
    "proto",
    "method",
    "browser",
    "referer_regex",
    "ident",
    "proxy_auth",
    "maxconn",
    "time",
    "req_header",
    "req_mime_type",
    "random",
]
BUILT_IN = {"all": "src", "localhost": "src", "manager": "url_regex", "CONNECT": "method", "to_localhost": "dst"}
ENDS = ("", "_ABORTED", "_TIMEDOUT", "_ABORTED_TIMEDOUT")


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The first access_log that is a file and has what is needed; None where nothing is logged. Raises InputError, with
    file:line, for the first one that has not."""
    formats, logs = {name: ("squid.conf", text) for name, text in FORMATS.items()}, list[tuple[str, list[str]]]()
    acls = dict(BUILT_IN)
    for at, name, rest in directives(files, "squid.conf", settings, Includes()):
        words = rest.split(None, 1)
        if name == "logformat" and len(words) == 2:
            formats[words[0]] = (at, words[1].strip())
        elif name == "access_log" and rest:
            logs.append((at, rest.split()))
        elif name == "acl" and len(words) == 2:
            acls[words[0]] = words[1]
        elif name == "buffered_logs" and rest.strip() == "on":
            raise InputError(f"{at}: the access log is written late", hint="write buffered_logs off")
    return chosen(logs or [("squid.conf", ["daemon:/var/log/squid/access.log"])], formats, acls)


def chosen(
    logs: list[tuple[str, list[str]]], formats: Mapping[str, tuple[str, str]], acls: Mapping[str, str]
) -> AccessLog | None:
    """The first of these that can be read; `none` ends them, or takes what it matches out of all below it."""
    error: InputError | None = None
    without: list[str] = []
    for at, words in logs:
        if words[0] == "none" and not words[1:]:
            break
        if words[0] == "none":
            without.append(conditioned(at, words[1:], acls))
            continue
        try:
            return one_log(at, words, formats, acls, without)
        except InputError as problem:
            error = error or problem
    if error:
        raise error
    return None


def one_log(
    at: str, words: list[str], formats: Mapping[str, tuple[str, str]], acls: Mapping[str, str], without: list[str]
) -> AccessLog:
    """One access_log line as an AccessLog."""
    module, _, path = words[0].rpartition(":")
    if module not in ("", "stdio", "daemon"):
        raise InputError(
            f"{at}: the access log {words[0]} is no file that can be followed", hint="log to one file as well"
        )
    rest = [w for w in words[1:] if not w.startswith(OPTIONS)]
    named = [w.removeprefix("logformat=") for w in words[1:] if w.startswith("logformat=")]
    if not named and rest and rest[0] not in acls and rest[0].lstrip("!") not in acls:
        named = [rest.pop(0)]
    name = (named or ["squid"])[0]
    if name not in formats:
        raise InputError(f"{at}: the logformat {name} is not defined", hint="define it with logformat")
    said = [*without, *([conditioned(at, rest, acls)] if rest else [])]
    return described(path, *formats[name], "; ".join(said))


def conditioned(at: str, names: list[str], acls: Mapping[str, str]) -> str:
    """What is not in a log with these acls. Raises InputError where that hangs on what came of a request."""
    for name in names:
        kind, _, rest = acls.get(name.lstrip("!"), "").partition(" ")
        if kind not in ASKED and (kind, rest.strip()) != ("has", "request"):
            why = f"acl {name.lstrip('!')} ({kind or 'not defined'}) may look at the answer"
            raise InputError(
                f"{at}: not every request is in the access log: {why}",
                hint="log all requests to another file first, without an acl",
            )
    return f"{at}: requests that {' '.join(names)} leaves out are not judged"


def described(path: str, at: str, form: str, said: str = "") -> AccessLog:
    """One logformat as an AccessLog."""
    pieces, forms = split(form)
    for need, code in (("status", "%>Hs"), ("cache", "%Ss"), ("time", "%tr")):
        if need not in pieces[1::2]:
            raise InputError(f"{at}: the log has no {need} of a request", hint=f"add {code} to the logformat")
    refuse_unclear(pieces, forms, at)
    hits, misses, passes = (frozenset(word + end for word in kind for end in ENDS) for kind in (HITS, MISSES, PASSES))
    nothing = frozenset(word + end for word in NOTHING for end in ENDS)
    return AccessLog(path, pieces, 1.0, hits, misses, passes, forms, nothing, note=said)


def split(form: str) -> tuple[tuple[str, ...], tuple[Form, ...]]:
    """A logformat as AccessLog pieces, and the form of each field; what follows the last field with a meaning is one
    field."""
    pieces, forms, last = [""], list[Form](), 0
    for match in CODE.finditer(form):
        pieces[-1] += form[last : match.start()]
        last = match.end()
        if match["code"] is None:
            pieces[-1] += "%"
            continue
        code, header = match["code"], (match["before"] or match["after"] or "").lower()
        meaning = "agent" if code == ">h" and header == "user-agent" else MEANS.get(code, code)
        kind = BRACKETED if code == ">h" and not header and match[0].startswith("%[") else FORMS.get(code, WORD)
        forms.append(QUOTED if kind is TEXT and "".join(pieces[::2]).count('"') % 2 else kind)
        pieces += [meaning, ""]
    pieces[-1] += form[last:]
    end = max((n for n, name in enumerate(pieces) if n % 2 and name in KEPT), default=-1) + 2
    if end < len(pieces):
        return (*pieces[:end], "rest", ""), (*forms[: end // 2], TEXT)
    return tuple(pieces), tuple(forms)
