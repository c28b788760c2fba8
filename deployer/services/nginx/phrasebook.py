"""nginx. `nginx -t` and the reload both succeed for configurations that never become live (measured): the proof is
in the workers. A refused reload spawns none; an accepted one replaces all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.model.sh import Sh
from deployer.services.base import AccessLog, Binary, Facts, ServiceSettings, Start
from deployer.services.nginx.access_log import access_log
from deployer.services.shell import PROCESSES, script

FILES = (PROCESSES, "nginx/phrases.sh", "nginx/change.sh")

BINARIES = (Binary("nginx_bin", "nginx", "-v"),)
START = Start("-c", "/etc/nginx/nginx.conf")

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


@dataclass(frozen=True)
class Nginx:
    """Host variables: nginx_bin (default: nginx on PATH), nginx_status (the URL of stub_status)."""

    name: str = "nginx"
    title: str = "nginx"
    binaries: tuple[Binary, ...] = BINARIES
    start: Start = START
    keeps_cache: bool = True
    keeps_cache_on_restart: bool = True
    entry: str = "nginx.conf"
    facts: Facts = FACTS
    counters: frozenset[str] = frozenset(("n",))

    def script(self, settings: ServiceSettings) -> Sh:
        return script(
            settings,
            FILES,
            NGINX=settings.var("nginx_bin", "nginx"),
            STATUS=settings.var("nginx_status", f"http://127.0.0.1:{settings.var('http_port', '80')}/nginx_status"),
        )

    def access_log(self, files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
        """The log of the http block, or the one that most servers write to."""
        return access_log(files, settings)
