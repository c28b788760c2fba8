"""Secrets in configuration files, found by name and by what a line looks like. Pure.

A file that is a secret is left out. A secret inside a line becomes a variable, and the file a template that renders to
the very same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployer.model.secret import ORDINARY, WORDS

KEYS = (".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx")
NAMES = re.compile(r"(?:.*[._-])?(?:htpasswd|htdigest|passwd|passwords?|shadow|secrets?|credentials|env|id_[a-z0-9]+)")
HASHED = re.compile(rb"[\w.@-]+:(?:\$(?:apr1|2[aby]|5|6|y)\$|\{SHA\})\S+")
SOME = "{0,100}"
VALUE = r"([^\s\"';{}]+)"
LINES = (  # the value is the only group; what comes before it is bounded: a line of megabytes would take days
    re.compile(rf"^\s*user\s+\S+\s+(?:insecure-)?password\s+{VALUE}"),  # HAProxy's userlist
    re.compile(rf"\bstats\s+auth\s+[^:\s]{{1,100}}:{VALUE}"),
    re.compile(rf"\blogin=[^:\s]{{1,100}}:{VALUE}"),  # Squid's cache_peer
    re.compile(rf"^\s*cachemgr_passwd\s+{VALUE}"),
    re.compile(r"(?i)authorization[\s=!~\"']+(?:basic|bearer)\s+([A-Za-z0-9+/=._~-]+)"),
    re.compile(r"://[^/\s:@\"']+:([^@/\s\"']+)@"),
    re.compile(
        rf"(?i)^\s*(?:set\s+|setenv\s+|define\s+|export\s+)?[$\w.-]{SOME}(?:{WORDS})\w{SOME}[\"']?[\s:=]+[\"']?{VALUE}"
    ),
    re.compile(
        r"(?i)(?:set[-_]header|[a-z]{1,30}_param|header\s+set|setenv)\s+"
        rf"[\w-]{SOME}(?:{WORDS})[\w-]{SOME}\s+[\"']?{VALUE}"
    ),
    re.compile(rf"(?i)\b[\w.-]{SOME}(?:{WORDS})s?[\"']?\s*[=:!~]+\s*[\"']{VALUE}[\"']"),
)
NO_VALUE = re.compile(
    r"(?!\$\d[a-z]?\$)[$/%@{(~^<>\[].*|on|off|any|all|disable|no|yes|\d{1,3}[smhd]?|exec:.*|builtin|str", re.IGNORECASE
)  # a variable, a path or a switch; `$5$...` is a password after all
NAMED_ONLY = re.compile(r"(?i)(?:_|-|\.)(?:file|path|dir|name|url|user|ttl|timeout|length|enabled|type)\b")
MARKS = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True, slots=True)
class Hidden:
    """One secret in a line. name: of the variable that takes its place."""

    line: int
    name: str
    value: str


def secret_file(path: str, content: bytes) -> str:
    """Why a whole file is a secret; "" if it is none."""
    base = path.rsplit("/", 1)[-1].lower()
    if b"PRIVATE KEY-----" in content:
        return "it holds a private key"
    if base.endswith(KEYS):
        return "its name says that it is a private key"
    if NAMES.fullmatch(base):
        return "its name says that it is a secret"
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith(b"#")]
    return "it holds passwords" if lines and all(HASHED.match(line) for line in lines) else ""


def spans(text: str) -> Iterator[tuple[int, int, int]]:
    """(line, begin, end) of every secret in a text, in order."""
    at = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        taken = 0
        if not line.lstrip().startswith(("#", "//", ";")):
            found = sorted({m.span(1) for rule in LINES for m in rule.finditer(line) if real(m)})
            for begin, end in found:
                if begin >= taken:
                    yield number, at + begin, at + end
                    taken = end
        at += len(line)


def real(match: re.Match[str]) -> bool:
    """No variable, path or switch, and not the name of a file that holds it."""
    value = match[1]
    if len(value) < 3 or value.lower() in ORDINARY or NO_VALUE.fullmatch(value):
        return False
    return not NAMED_ONLY.search(match[0][: match.start(1) - match.start()])


def as_template(content: bytes, first: int, prefix: str) -> tuple[bytes, tuple[Hidden, ...]]:
    """A file with secrets in its lines as a template; the same content and nothing where it has none. Variables are
    called `PREFIX_secret_N`, counted from `first`. Raises ValueError where that cannot be told as a template."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        if any(spans(text)):
            raise ValueError("it holds a secret and is not UTF-8") from None
        return content, ()
    pieces, hidden, at = list[str](), list[Hidden](), 0
    names: dict[str, str] = {}
    for line, begin, end in spans(text):
        value = text[begin:end]
        name = names.setdefault(value, f"{prefix}_secret_{first + len(names)}")
        hidden.append(Hidden(line, name, value))
        pieces += [plain(text[at:begin]), f"{{{{ {name} }}}}"]
        at = end
    if not hidden:
        return content, ()
    if "\r" in text:
        raise ValueError("it holds a secret, and its lines end as on Windows")
    return "".join([*pieces, plain(text[at:])]).encode(), tuple(hidden)


def plain(text: str) -> str:
    """Text that a template gives back as it is."""
    if not MARKS.search(text) and not text.endswith("{"):
        return text
    if "endraw" in text:
        raise ValueError("it holds a secret and signs of a template")
    return f"{{% raw %}}{text}{{% endraw %}}"
