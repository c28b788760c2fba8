"""Plan: who gets which release in which waves. A value; printing it is the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from deployer.model.fleet import Host

FileChange = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """changes: path -> what happens to it on this host. action: what the service must do to take it, as the host
    itself weighed it; why: the reason where that is more than a reload. lasting: going back does not undo all of it.
    cold: why its cache starts empty; "" where taking it keeps the cache, or where only the server knows of restarts."""

    host: Host
    current: str
    target: str
    changes: Mapping[str, FileChange]
    action: Literal["reload", "restart"] = "reload"
    why: str = ""
    lasting: bool = False
    cold: str = ""


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
    inconclusive: Literal["rollback", "pause", "continue"] = "rollback"


def weighed(plan: Plan, changes: Mapping[str, str]) -> Plan:
    """The plan with what each host said taking the release costs (`HostState.change`)."""
    hosts = dict(plan.hosts)
    for name, change in changes.items():
        hosts[name] = weigh(hosts[name], change)
    return replace(plan, hosts=hosts)


def weigh(host: HostPlan, change: str) -> HostPlan:
    """change: `reload`, `restart: WHY`, `lasting: WHY` (a restart that nothing undoes), each with `; cold: WHY` behind
    it where the cache starts empty, or `cold: WHY` alone. A word that is not known is not taken for a reload."""
    what, _, cold = ("; " + change).partition("; cold: ")
    word, _, why = what.removeprefix("; ").partition(": ")
    if word in ("", "reload"):
        return replace(host, action="reload", why="", lasting=False, cold=cold)
    lasting = word == "lasting"
    return replace(host, action="restart", why=why, lasting=lasting, cold=cold or (why if lasting else ""))


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
