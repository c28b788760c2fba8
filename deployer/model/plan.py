"""Plan: who gets which release in which waves. A value; printing it is the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from deployer.model.change import RELOAD, Change
from deployer.model.fleet import Host

FileChange = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """changes: path -> what happens to it on this host. cost: of taking it, as the host itself weighed it."""

    host: Host
    current: str
    target: str
    changes: Mapping[str, FileChange]
    cost: Change = RELOAD


@dataclass(frozen=True, slots=True)
class Plan:
    """waves: names, in order; the first is the canary. hosts: only those that change, by name. control: hosts
    of the playbook that keep another release for good (outside --limit).
    bake, lease: seconds. previous: the release most hosts have now ("" when they differ)."""

    command: Literal["push", "rollback"]
    environment: str
    playbook: str
    release: str
    previous: str
    revision: str
    hosts: Mapping[str, HostPlan]
    waves: tuple[tuple[str, ...], ...]
    control: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    bake: float = 0.0
    lease: int = 60
    warnings: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """A host that fails undoes all of it. On the way back it is named, and the others go on."""
        return self.command == "push"


def weighed(plan: Plan, changes: Mapping[str, Change]) -> Plan:
    """The plan with what each host said taking the release costs (`HostState.change`)."""
    return replace(plan, hosts={n: replace(p, cost=changes.get(n, p.cost)) for n, p in plan.hosts.items()})


def split_waves(names: tuple[str, ...], serial: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Ansible's `serial`: each item is a count or a percentage of all hosts; the last repeats until all are
    placed; a percentage never rounds down to nobody."""
    waves: list[tuple[str, ...]] = []
    rest, step = list(names), 0
    while rest:
        item = serial[min(step, len(serial) - 1)]
        share = len(names) * float(item[:-1]) / 100 if item.endswith("%") else float(item)
        size = max(1, int(share))
        waves.append(tuple(rest[:size]))
        rest, step = rest[size:], step + 1
    return tuple(waves)
