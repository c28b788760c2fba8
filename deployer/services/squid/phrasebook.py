"""Squid 5.7. A reload with a bad configuration kills it, and `squid -k parse` exits 0 for some of those (a helper
program that is missing: a FATAL line, exit code 0, and death at SIGHUP; `cache denny x` is left out of the running
rules; measured): what it prints counts, and the way back can start a dead one.

The proof are the listening sockets. A reload closes them, reads the files, and opens new ones (14 to 21 ms of refused
connections, measured); a socket's inode number is the kernel's and is never given twice. So sockets that were all
replaced since they were looked at after the switch belong to a process that read the files after the switch. What was
not chosen, and why: `squid -k reconfigure` exits 0 whatever follows; cache.log can be elsewhere, rotated or silenced
by debug_options; mgr:info tells when the process started, not when it reloaded; mgr:config needs a password;
visible_hostname is the user's. A port that is taken is left out by Squid without failing, so every port of the release
must be among those sockets, too.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.services.base import PROCESSES, STAGED, Binary, Facts, Phrasebook, ServiceSettings, Start
from deployer.services.squid.access_log import access_log

FACTS = Facts(
    check="`squid -k parse` on the staged tree in the place of the live one; FATAL lines count, for its exit code can "
    "be 0",
    reload="SIGHUP to the master; ports are closed for 14 to 21 ms, requests in flight go on",
    proof="every listening socket was replaced by a new one, and every port of the release is among them",
    cache_after_reload="kept (memory and disk); lost with another store_id, url_rewrite or accelerated site",
    cache_after_restart="memory lost, disk kept",
    way_back="reload; start when it died of the reload",
    traffic="access.log (squid, combined or a logformat): the result code before `/`",
    counters="mgr:counters over its own port, by curl or wget, where localhost is allowed `manager`",
    restarts="workers, max_filedescriptors, pid_filename, and a cache_dir that comes, goes or changes its kind",
    cannot="reload without refusing connections for a moment; count 5xx (mgr:counters does not tell them apart)",
)


def given(settings: ServiceSettings) -> Mapping[str, str]:
    """Host variables: squid_bin (default: squid on PATH), squid_unit (default squid)."""
    return {
        "SQUID": settings.var("squid_bin", "squid"),
        "UNIT": settings.var("squid_unit", "squid"),
    }


SQUID = Phrasebook(
    name="squid",
    title="Squid",
    facts=FACTS,
    files=(PROCESSES, STAGED, "squid/phrases.sh", "squid/change.sh", "squid/counters.sh"),
    given=given,
    access_log=access_log,
    binaries=(Binary("squid_bin", "squid", "-v"),),
    start=Start("-f", "/etc/squid/squid.conf"),
    entry="squid.conf",
    counters=frozenset(("n", "look", "miss", "orig")),
    keeps_cache=True,
    keeps_cache_on_restart=False,
)
