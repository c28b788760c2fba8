"""`service: custom`: the user's own commands, run by sh on the host with DEST, ROOT and PREFIX set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.model.schema.playbook import CustomCommands
from deployer.model.sh import Sh
from deployer.services.base import AccessLog, Binary, Facts, ServiceSettings, Start
from deployer.services.shell import script

FILES = ("custom/phrases.sh",)

START = Start("", "")

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
    title: str = "custom"
    binaries: tuple[Binary, ...] = ()
    start: Start = START
    keeps_cache: bool = False
    keeps_cache_on_restart: bool = False
    entry: str = ""
    facts: Facts = FACTS
    counters: frozenset[str] = frozenset()

    def script(self, settings: ServiceSettings) -> Sh:
        c = self.commands
        return script(
            settings, FILES, CHECK=c.check, ACTIVATE=c.activate, VERIFY=c.verify, STATUS=c.status, START=c.start
        )

    def access_log(self, files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
        """None: what the commands start may log anywhere."""
        return None
