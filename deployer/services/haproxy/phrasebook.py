"""HAProxy 2.6, in master-worker mode. SIGUSR2 succeeds for configurations that never serve (measured): the proof is in
the master's own environment, where it writes its generations down at every exec, and in the one child that listens.

Measured on 2.6.12: a reload is two execs of the master: one that loads, one that waits (HAPROXY_MWORKER_WAIT_ONLY=1).
HAPROXY_PROCESSES counts the reloads of the master and names the workers; no other process can write it, and it is read
without a client. A second SIGUSR2 while the master loads is lost, and one between its exec and its handlers ends it
with all workers, so none is sent before the master waits and catches it. A taken
port: 2.0 s of refused connections (it retries for a second while the old worker is paused), then the old worker
serves on, with its cache. A chroot directory that is missing, which `-c` does not look for: the master dies with all
its workers.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.services.base import PROCESSES, STAGED, Binary, Facts, Phrasebook, ServiceSettings, Start
from deployer.services.haproxy.access_log import access_log

ENTRY = "haproxy.cfg"

FACTS = Facts(
    check="`haproxy -c` on the staged tree in the place of the live one; chroot directories; a master process is "
    "needed",
    reload="SIGUSR2 to the master, once it has finished loading; requests in flight are finished by the old worker",
    proof="the master counted one more reload, and the only child that listens is a new one",
    cache_after_reload="lost (each worker has its own); kept when the reload is refused, for the old worker serves on",
    cache_after_restart="lost",
    way_back="nothing when the old worker serves on, else reload; start when it died; restart when it hears no signal",
    traffic="a `log ring@NAME` read over the stats socket, or the file that syslog writes (haproxy_access_log)",
    counters="`show stat` on the stats socket, by socat, perl or curl",
    restarts="never: what the master alone reads is on its command line",
    cannot="foresee a port that another process holds: 2 s of refused connections until the old worker is back; tell "
    "what "
    "its visitors ask for (warm it from a file)",
)


def given(settings: ServiceSettings) -> Mapping[str, str]:
    """Host variables: haproxy_bin (default: haproxy on PATH), haproxy_files (its -f, relative to DEST, separated by
    spaces; default haproxy.cfg), haproxy_unit (default haproxy), haproxy_access_log (the file in which syslog puts its
    lines)."""
    files = settings.var("haproxy_files").split() or [ENTRY]
    return {
        "HAPROXY": settings.var("haproxy_bin", "haproxy"),
        "FILES": " ".join(files),
        "MAIN": files[0],
        "UNIT": settings.var("haproxy_unit", "haproxy"),
    }


HAPROXY = Phrasebook(
    name="haproxy",
    title="HAProxy",
    facts=FACTS,
    files=(PROCESSES, STAGED, "haproxy/phrases.sh", "haproxy/counters.sh"),
    given=given,
    access_log=access_log,
    binaries=(Binary("haproxy_bin", "haproxy", "-v"),),
    start=Start("-f", "/etc/haproxy/haproxy.cfg"),
    entry=ENTRY,
    counters=frozenset(("n", "err", "look", "miss", "orig")),
    keeps_cache=False,
    keeps_cache_on_restart=False,
)
