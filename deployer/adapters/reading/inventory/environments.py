"""Which environment a command means: a group of the inventory."""

from __future__ import annotations

import re

from deployer.adapters.reading.yaml_source import did_you_mean
from deployer.model.errors import UsageError
from deployer.model.fleet import Fleet
from deployer.model.pattern import select


def environment_hosts(fleet: Fleet, pattern: str, environment: str | None) -> tuple[str, tuple[str, ...]]:
    """The environment's name and the hosts of `pattern` in it. Without a name: the only top-level group that the
    pattern does not name, or `all` when there is none; UsageError when there are several."""
    wanted = set(select(fleet, pattern))
    words = set(re.split(r"[:,&!\s]+", pattern))
    if environment is None:
        candidates = [g for g in fleet.environments if g not in words and wanted & set(fleet.groups[g])]
        if len(candidates) > 1:
            raise UsageError("which environment?", hint=f"pass -e with one of: {', '.join(candidates)}")
        environment = candidates[0] if candidates else "all"
    elif environment not in fleet.groups:
        raise UsageError(f"no group is called {environment!r}", hint=did_you_mean(environment, fleet.groups))
    hosts = tuple(name for name in fleet.groups[environment] if name in wanted)
    if not hosts:
        raise UsageError(f"no host of {pattern!r} is in {environment}", hint="look at hosts: in the playbook")
    return environment, hosts
