"""`service: custom`: the user's own commands, run by sh on the host with DEST, ROOT and PREFIX set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.model.schema.playbook import CustomCommands
from deployer.services.base import AccessLog, Facts, ServiceSettings, assignments

SCRIPT = r"""
export DEST ROOT PREFIX
service_check() { [ "${WAY:-forward}" = back ] || sh -c "$CHECK" check "$1"; } # on the way back the proof alone counts
service_running() { sh -c "$STATUS" status; }
service_reload() { sh -c "$ACTIVATE" activate "$1"; }
service_start() { sh -c "${START:-$ACTIVATE}" start "$1"; }
service_loaded() { # asked of each release that could be: the one the user's own command proves
  for link in current good; do
    release=$(readlink "$ROOT/$link") && release=${release#releases/} || continue
    sh -c "$VERIFY" verify "$release" >/dev/null 2>&1 && { echo "$release"; return 0; }
  done
  return 1
}
service_change() { echo "cold: whether the cache outlives the commands is not known"; }
service_restart() { service_reload "$1"; }
service_counters() { return 1; }
"""


FACTS = Facts(
    check="`check:` of the playbook",
    reload="`activate:` of the playbook",
    proof="`verify:` of the playbook",
    cache_after_reload="taken as lost",
    cache_after_restart="taken as lost",
    way_back="`activate:` again",
    traffic="none: probes, Prometheus and `exec`",
    counters="none",
    restarts="never by itself",
    cannot="know more than the commands tell",
)


@dataclass(frozen=True)
class Custom:
    """Whether the cache survives is unknown, so it is taken as lost."""

    commands: CustomCommands
    name: str = "custom"
    keeps_cache: bool = False
    keeps_cache_on_restart: bool = False
    entry: str = ""
    facts: Facts = FACTS
    counters: frozenset[str] = frozenset()

    def script(self, settings: ServiceSettings) -> str:
        """See base.py."""
        c = self.commands
        head = assignments(DEST=settings.dest, ROOT=settings.root, PREFIX=settings.prefix)
        words = assignments(CHECK=c.check, ACTIVATE=c.activate, VERIFY=c.verify, STATUS=c.status, START=c.start)
        return head + words + SCRIPT

    def access_log(self, files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
        """Unknown."""
        return None
