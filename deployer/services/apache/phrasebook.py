"""Apache httpd 2.4. SIGUSR1 with a configuration that does not load ends the whole server (measured: a syntax error, a
log directory that is missing, a port that is taken, another MPM; the last two pass `apache2 -t`), so the way back
starts it again.

The proof are the processes that accept: a graceful restart makes every child close its listening sockets at once, and
only a parent that has read and accepted the files starts new children. So when the very same parent has accepting
children and none of them was there before the signal, it read the files after the signal. Measured for event, worker
and prefork, with a client that keeps an old child busy: that child lives on and accepts nothing. What was not chosen,
and why: `apache2 -k graceful` exits 0 whatever follows; ParentServerConfigGeneration needs a server-status that the
user may not have, and only counts; the line "resuming normal operations" can be in syslog, in a pipe or in another
file.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.services.apache.access_log import access_log
from deployer.services.base import PROCESSES, STAGED, Binary, Facts, Phrasebook, ServiceSettings, Start

FACTS = Facts(
    check="`apache2 -t` on the staged tree, bound over the live one in a private mount namespace where that is allowed",
    reload="SIGUSR1 (graceful); requests in flight are finished by the old children",
    proof="only children started after the signal accept connections, and the parent is the same",
    cache_after_reload="kept; lost with another CacheRoot, CacheDirLevels, CacheKeyBaseURL or another use of the query",
    cache_after_restart="kept (on disk)",
    way_back="reload, or start: a configuration that does not load ends the server",
    traffic='access log with `%>s "%{cache-status}e" %D %R`',
    counters="requests only, from `server-status?auto` where the configuration has it",
    restarts="ServerLimit, ThreadLimit, another MPM, envvars",
    cannot="tell a directory that the cache cannot write to before it is used; keep serving while a bad release goes "
    "back",
)


def given(settings: ServiceSettings) -> Mapping[str, str]:
    """mod_cache_disk. Host variables: apache_bin (apache2), apache_unit (of systemd: apache2), apache_status (the URL
    of server-status?auto)."""
    return {
        "APACHE": settings.var("apache_bin", "apache2"),
        "UNIT": settings.var("apache_unit", "apache2"),
        "STATUS": settings.var(
            "apache_status", f"http://127.0.0.1:{settings.var('http_port', '80')}/server-status?auto"
        ),
    }


APACHE = Phrasebook(
    name="apache",
    title="Apache httpd (mod_cache_disk)",
    facts=FACTS,
    files=(PROCESSES, STAGED, "apache/phrases.sh", "apache/change.sh", "apache/counters.sh"),
    given=given,
    access_log=access_log,
    binaries=(Binary("apache_bin", "apache2", "-v"),),
    start=Start("-f", "/etc/apache2/apache2.conf"),
    entry="",
    counters=frozenset(("n",)),
    keeps_cache=True,
    keeps_cache_on_restart=True,
)
