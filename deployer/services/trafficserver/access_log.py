"""Where Traffic Server logs requests, from the files of a release: logging.yaml and two records.

A folder that is not absolute in them is the host's own: `traffic_layout` names it. With a runroot that one is used
whatever the record says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.model.errors import InputError
from deployer.model.sh import EMPTY, Sh, sh
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.logfield import NAME, NUMBER, STATUS, TEXT, TIME, WORD, Form, refuse_unclear
from deployer.services.trafficserver.syntax import FILE, RECORD, Entry, read

FIELD = re.compile(r"%<(?:\{([^}]*)\})?(\w+)>")  # logging.yaml: %<field>, %<{header}container>
MEANS = {"pssc": "status", "crc": "cache", "ttms": "time", "shn": "upstream"}
NEEDED = {"status": "%<pssc>", "cache": "%<crc>", "time": "%<ttms>", "upstream": "%<shn>"}
# Words of %<crc>, from the server itself. A request that was not looked up is a TCP_MISS, too.
HITS = frozenset({"TCP_HIT", "TCP_MEM_HIT", "TCP_DISK_HIT", "TCP_IMS_HIT", "TCP_CF_HIT", "TCP_REFRESH_FAIL_HIT"})
MISSES = frozenset(
    {
        *("TCP_MISS", "TCP_EXPIRED_MISS", "TCP_REFRESH_HIT", "TCP_REFRESH_MISS", "TCP_CLIENT_REFRESH_MISS"),
        *("TCP_IMS_MISS", "TCP_SWAPFAIL_MISS"),
    }
)
NOTHING = frozenset(
    ("-", "", "ERR_UNKNOWN", "NONE", "TCP_DENIED", "TCP_MEM_DENIED", "ERR_CLIENT_ABORT", "ERR_INVALID_REQ")
)
# What a filter may look at that is known before the answer is.
ASKED = ("chi", "chp", "cqhm", "cqu", "cquc", "cqup", "cqus", "cquuc", "cqh", "cqtx", "caun", "pqu", "cqhv", "cqpv")
FORMS = {
    **dict.fromkeys(("pssc", "sssc", "cfsc"), STATUS),
    **dict.fromkeys(("ttms", "ttmsf", "stms", "cqtq", "psql", "pscl", "cqbl", "pqbl", "sstc"), NUMBER),
    **dict.fromkeys(("crc", "phr", "pqsn", "chi", "cqhm", "shn", "pfsc"), NAME),
    **dict.fromkeys(("psct", "cqtn", "cqtd", "cqtt", "cqtx", "cqup"), TEXT),
}


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The first log whose format says enough; None where nothing is logged. Raises InputError, with file:line, for the
    first one that does not."""
    records = dict(RECORD.findall(files.get("records.config", b"").decode("utf-8", "replace")))
    if records.get("proxy.config.log.logging_enabled", "3") not in ("2", "3") or FILE not in files:
        return None
    formats, logs, filters = read(files[FILE])
    sampled = records.get("proxy.config.log.sampling_frequency", "1")
    said = "" if sampled in ("", "0", "1") else f"records.config: only one of {sampled} requests is logged"
    folder = log_folder(records.get("proxy.config.log.logfile_dir", ""), settings)
    error: InputError | None = None
    for log in logs:
        try:
            return described(log, formats, filters, folder, said)
        except InputError as problem:
            error = error or problem
    if error:
        raise error
    return None


def log_folder(record: str, settings: ServiceSettings) -> Sh:
    """A command of POSIX sh that prints it."""
    runroot, layout = settings.var("ts_runroot"), settings.var("traffic_layout_bin", "traffic_layout")
    if record.startswith("/") and not runroot:
        return sh("printf %s {}", record)
    asked = sh("TS_RUNROOT={} ", runroot) if runroot else EMPTY
    name, below = ("PREFIX", sh("; printf %s {}", f"/{record}")) if record and not runroot else ("LOGDIR", EMPTY)
    told = sh("timeout 5 {} info 2>/dev/null | sed -n {} | tr -d '\\n'", layout, f"s/^{name}: //p")
    return sh("{}{}{}", asked, told, below)


def described(
    log: Entry, formats: Mapping[str, tuple[str, int]], filters: Mapping[str, str], folder: Sh, said: str
) -> AccessLog:
    """One entry of `logs` as an AccessLog."""
    line = min((line for _, line in log.values()), default=1)
    if "filename" not in log or log.get("mode", ("binary", 0))[0] != "ascii":
        raise InputError(f"{FILE}:{line}: this log is not written as text", hint="add mode: ascii to it")
    for name in log.get("filters", ("", 0))[0].split():
        field = (filters.get(name, "").split() or [""])[0]
        if field not in ASKED and not field.endswith("}cqh"):
            raise InputError(
                f"{FILE}:{line}: not every request is in the access log: "
                f"filter {name} looks at {field or 'what is unknown'}",
                hint="log all requests to another file as well, without filters",
            )
        said = f"{said}; " * bool(said) + f"{FILE}:{line}: requests that filter {name} leaves out are not judged"
    name = log.get("format", ("", 0))[0]
    if name not in formats:
        raise InputError(f"{FILE}:{line}: the format {name or '(none)'} is not defined in formats")
    path = log["filename"][0]
    path = path if path.endswith(".log") else f"{path}.log"
    pieces, forms = parsed(*formats[name])
    folder = EMPTY if path.startswith("/") else folder
    return AccessLog(path, pieces, 1.0, HITS, MISSES, forms=forms, nothing=NOTHING, note=said, folder=folder)


def parsed(body: str, line: int) -> tuple[tuple[str, ...], tuple[Form, ...]]:
    """literal, field, ..., literal, and the form of each field. Raises InputError for a format that says too little."""
    found, forms, end = [""], list[Form](), 0
    for match in FIELD.finditer(body):
        found[-1] += body[end : match.start()]
        end = match.end()
        agent = (match[1] or "").lower() == "user-agent" and match[2] == "cqh"
        meaning = "agent" if agent else MEANS.get(match[2], match[0]) if match[1] is None else match[0]
        found += [match[0] if meaning in found[1::2] else meaning, ""]
        forms.append(TIME if found[-2] == "time" else TEXT if match[1] is not None else FORMS.get(match[2], WORD))
    found[-1] += body[end:]
    missing = [shown for meaning, shown in NEEDED.items() if meaning not in found[1::2]]
    if missing:
        raise InputError(
            f"{FILE}:{line}: the format says too little to judge a release by", hint=f"add {' '.join(missing)} to it"
        )
    refuse_unclear(found, forms, f"{FILE}:{line}")
    return tuple(found), tuple(forms)
