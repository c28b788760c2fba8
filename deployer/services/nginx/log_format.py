"""A log_format of nginx as the pieces of an AccessLog, and what each of its variables may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.model.errors import InputError
from deployer.services.logfield import (
    ADDRESSES,
    CLEAN,
    DATE,
    NUMBER,
    NUMBERS,
    QUOTED,
    STATUS,
    TEXT,
    TIME,
    WORD,
    Form,
    refuse_unclear,
)
from deployer.services.nginx.syntax import Directive

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
NUMERIC = "msec body_bytes_sent bytes_sent request_length connection connection_requests pid remote_port server_port"
WORDS = (
    "upstream_cache_status remote_addr realip_remote_addr binary_remote_addr time_iso8601 scheme server_addr host "
    "server_name server_protocol hostname pipe gzip_ratio request_id ssl_protocol ssl_cipher ssl_session_reused "
    "request_method"
)
FORMS: Mapping[str, Form] = {
    **dict.fromkeys(NUMERIC.split(), NUMBER),
    **dict.fromkeys(WORDS.split(), WORD),
    **dict.fromkeys(("upstream_bytes_received", "upstream_bytes_sent", "upstream_response_length"), NUMBERS),
    **dict.fromkeys(UPSTREAM, NUMBERS),
    "upstream_addr": ADDRESSES,
    "status": STATUS,
    "request_time": TIME,
    "time_local": DATE,
}
ESCAPED = {"default": CLEAN, "json": QUOTED, "none": TEXT}


def wanted(names: tuple[str, ...]) -> str:
    """Variables as a hint names them: `$a, $b and $c`."""
    shown = [f"${name}" for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def parsed(form: Directive) -> tuple[tuple[str, ...], tuple[Form, ...]]:
    """literal, field, ..., literal of a log_format, and the form of each field. Raises InputError for one that says too
    little, or that cannot be read back."""
    name = form.words[1]
    escape = next((w.removeprefix("escape=") for w in form.words[2:3] if w.startswith("escape=")), "default")
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
    forms = tuple(FORMS.get(variable, ESCAPED.get(escape, TEXT)) for variable in names)
    refuse_unclear(found, forms, f"{form.at}: log_format {name}")
    return tuple(found), forms
