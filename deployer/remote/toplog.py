"""The most requested paths of a host's access log, counted on the host: no log line leaves it.

A request line is found by its method (`GET /path`, `GET http://host/path`) in every format of the six servers that we
know, so that a log may say too little to judge a release by and still name what visitors want.
"""

from __future__ import annotations

import re

from deployer.model.errors import HostError, InputError
from deployer.model.sh import pipe, sh
from deployer.remote.verbs import Command
from deployer.services.base import AccessLog
from deployer.services.logline import AGENT

CAP = 64 * 1024 * 1024  # bytes of the log and of the one before it, the newest
DEADLINE = 30.0  # seconds
LONGEST = 2000  # bytes of a path

COUNT = r"""
index($0, agent) { next }
match($0, /(^|[ "])GET [^ "]+/) {
  url = substr($0, RSTART, RLENGTH); sub(/^[ "]?GET /, "", url); sub(/^[a-z]+:\/\/[^\/]*/, "", url)
  if (url ~ /^\/([!-.0-~][!-~]*)?$/ && length(url) <= longest) seen[url]++ # `//name` would be another host's
}
END { for (url in seen) print seen[url], url }
"""


def top_urls(log: AccessLog, count: int) -> Command:
    """Print `requests path`, the most requested first. Raises InputError for a log that is no file and no list."""
    if log.path.startswith("|") and not log.top:
        raise InputError(
            "this server's requests are in no log that could be read for their paths",
            hint="write warm: {urls: FILE} instead of access_log",
        )
    source = log.top or sh('p={}; for one in "$p.1" "$p"; do tail -c {} "$one" 2>/dev/null; done', log.place, CAP)
    counted = sh("awk -v agent={} -v longest={} {}", AGENT, LONGEST, COUNT)
    top = pipe(sh("{{ {}; }}", source), counted, sh("sort -k1,1rn -k2"), sh("head -n {}", count))
    return Command(sh("LC_ALL=C; export LC_ALL; {}", top), deadline=DEADLINE, most=(count + 32) * (LONGEST + 24))


def parse_top(stdout: bytes, log: AccessLog) -> tuple[str, ...]:
    """Paths, the most requested first. Raises HostError when there is none."""
    found = []
    for line in stdout.decode("ascii", "replace").splitlines():
        number, _, path = line.partition(" ")
        if number.isdigit() and path.isprintable() and len(path) <= LONGEST and re.match("/(?!/)", path):
            found.append(path)
    if not found:
        what = "the log" if log.path.startswith("|") else log.path
        raise HostError(f"cannot tell what visitors ask for: {what} names no GET request, or cannot be read")
    return tuple(found)
