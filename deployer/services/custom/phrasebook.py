"""`service: custom`: the user's own commands, run by sh on the host with DEST, ROOT and PREFIX set."""

from __future__ import annotations

from deployer.model.schema.playbook import CustomCommands
from deployer.services.base import Facts, Phrasebook

FILES = ("custom/phrases.sh",)
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


def custom(commands: CustomCommands) -> Phrasebook:
    """Whether the cache survives is unknown, so it is taken as lost; what the commands start may log anywhere."""
    names = {
        "CHECK": commands.check,
        "ACTIVATE": commands.activate,
        "VERIFY": commands.verify,
        "STATUS": commands.status,
        "START": commands.start,
    }
    return Phrasebook(
        name="custom",
        title="custom",
        facts=FACTS,
        files=FILES,
        given=lambda settings: names,
        access_log=lambda files, settings: None,
    )
