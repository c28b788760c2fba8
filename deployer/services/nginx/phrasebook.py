"""nginx. `nginx -t` and the reload both succeed for configurations that never become live (measured): the proof is
in the workers. A refused reload spawns none; an accepted one replaces all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.services.base import PROCESSES, Binary, Facts, Phrasebook, ServiceSettings, Start
from deployer.services.nginx.access_log import access_log

FACTS = Facts(
    check="`nginx -t` on the staged tree, bound over the live one in a private mount namespace where that is allowed",
    reload="SIGHUP; requests in flight are finished by the old workers",
    proof="all workers of the very same master were replaced; a refused reload replaces none; later: one of them still "
    "works, or nothing was touched on the disk since",
    cache_after_reload="kept; lost with another zone, key or, where no key is given, another name in proxy_pass",
    cache_after_restart="kept (on disk); a zone that moves begins empty",
    way_back="reload",
    traffic="access log with `$status $upstream_cache_status $request_time $upstream_response_time`",
    counters="requests only, from `stub_status` where the configuration has it",
    restarts="a cache zone whose directory or levels change",
    cannot="see the origin's part in requests that no access log records",
)


def given(settings: ServiceSettings) -> Mapping[str, str]:
    """Host variables: nginx_bin (default: nginx on PATH), nginx_status (the URL of stub_status)."""
    return {
        "NGINX": settings.var("nginx_bin", "nginx"),
        "STATUS": settings.var("nginx_status", f"http://127.0.0.1:{settings.var('http_port', '80')}/nginx_status"),
    }


NGINX = Phrasebook(
    name="nginx",
    title="nginx",
    facts=FACTS,
    files=(PROCESSES, "nginx/phrases.sh", "nginx/change.sh"),
    given=given,
    access_log=access_log,
    binaries=(Binary("nginx_bin", "nginx", "-v"),),
    start=Start("-c", "/etc/nginx/nginx.conf"),
    entry="nginx.conf",
    counters=frozenset(("n",)),
    keeps_cache=True,
    keeps_cache_on_restart=True,
)
