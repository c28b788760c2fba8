"""Who is in which group, and which of several values a host has: Ansible's order, from the weakest to the strongest.

The group all, other groups (by depth, ansible_group_priority, name), group_vars/all, group_vars/GROUP in the same
order, what stands beside the host, host_vars/HOST. Variable files beside the inventory come before those beside a
playbook. (ansible-core 2.19, VariableManager.get_vars; tests/ansible compares.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from deployer.adapters.reading.inventory.connection import make_host
from deployer.adapters.reading.inventory.groups import Groups, Scope
from deployer.adapters.reading.inventory.vars_files import VarsFolder
from deployer.adapters.reading.yaml_source import did_you_mean
from deployer.model.errors import InputError
from deployer.model.fleet import Fleet

Members = dict[str, tuple[str, ...]]


def resolve(groups: Groups, folders: Sequence[VarsFolder], beside: Sequence[VarsFolder]) -> Fleet:
    """Everything that was read as a Fleet."""
    refuse_confusions(groups)
    settle_ungrouped(groups)
    order = sorted_down(groups)
    nested = {child for name, below in groups.children.items() if name != "all" for child in below}
    top = [name for name in groups.members if name not in nested and name not in ("all", "ungrouped")]
    groups.children["all"] = ["ungrouped", *dict.fromkeys([*groups.children["all"], *top])]
    members = {name: tuple(walk(groups, name)) for name in ["all", *groups.members]}
    merged = Merge(groups, order, folders, beside)
    everybody = dict(members)  # as Ansible's `groups`, an empty `ungrouped` too
    hosts = {name: replace(make_host(name, merged.of_host(name)), groups=everybody) for name in members["all"]}
    if not members["ungrouped"]:
        del members["ungrouped"]
    return Fleet(hosts, members, tuple(name for name in top if members[name]))


def refuse_confusions(groups: Groups) -> None:
    """A child that nobody says anything of is a typo; a name for a host and a group is none for either."""
    for name, place in groups.mentioned.items():
        if name not in groups.defined:
            hint = did_you_mean(name, [n for n in groups.members if n in groups.defined and n != "ungrouped"])
            raise place.fail(
                f"group {name} is mentioned here and has no hosts", f"{hint} (an empty group: {{hosts: {{}}}})"
            )
    for name in groups.members:
        if name in groups.hosts:
            raise groups.places[name].fail(f"{name} is a group here and a host, too", "rename one of them")


def settle_ungrouped(groups: Groups) -> None:
    """`ungrouped` has the hosts that are in no other group, wherever they are written."""
    for name in ("all", "ungrouped"):
        groups.members.setdefault(name, [])
        groups.children.setdefault(name, [])
        groups.variables.setdefault(name, Scope())
    grouped = {h for name, hosts in groups.members.items() if name not in ("all", "ungrouped") for h in hosts}
    loose = dict.fromkeys([*groups.members["ungrouped"], *groups.hosts])
    groups.members["ungrouped"] = [host for host in loose if host not in grouped]
    groups.children["all"] = [name for name in groups.children["all"] if name != "ungrouped"]


def sorted_down(groups: Groups) -> list[str]:
    """The groups, parents first. Raises InputError for a circle."""
    parents: dict[str, list[str]] = {name: [] for name in groups.members}
    for name, below in groups.children.items():
        for child in below:
            parents[child].append(name)
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        ring = list(error.args[1][:-1])
        first = min(range(len(ring)), key=lambda at: list(groups.members).index(ring[at]))
        ring = [*ring[first:], *ring[:first], ring[first]]
        found: InputError = groups.places[ring[-2]].fail(f"groups go in a circle: {' > '.join(ring)}")
        raise found from None


def walk(groups: Groups, name: str) -> Iterable[str]:
    """The hosts of a group in Ansible's order: its own, its children's, theirs."""
    found: dict[str, None] = {}
    seen, level = {name}, [name]
    while level:
        for group in level:
            found.update(dict.fromkeys(groups.members[group]))
        level = [c for c in dict.fromkeys(c for g in level for c in groups.children[g]) if c not in seen]
        seen.update(level)
    return found


class Merge:
    """Hosts of the same groups share what their groups say."""

    def __init__(
        self, groups: Groups, order: Sequence[str], folders: Sequence[VarsFolder], beside: Sequence[VarsFolder]
    ) -> None:
        self.groups, self.folders, self.beside = groups, folders, beside
        depth: dict[str, int] = {"all": 0}
        self.above: dict[str, frozenset[str]] = {name: frozenset([name]) for name in order}
        for name in order:
            depth.setdefault(name, 1)
            for child in groups.children[name]:
                if name != "all":
                    depth[child] = max(depth.get(child, 1), depth[name] + 1)
                    self.above[child] |= self.above[name]
        self.rank = {name: (depth[name], groups.priorities.get(name, 1), name) for name in order}
        self.groups_of: dict[str, set[str]] = {host: set() for host in groups.hosts}
        for name, hosts in groups.members.items():
            for host in hosts:
                self.groups_of[host].add(name)
        self._shared: dict[frozenset[str], Scope] = {}

    def of_host(self, host: str) -> Scope:
        """All variables of a host."""
        found = Scope()
        found.update(self._of_groups(frozenset(self.groups_of[host])))
        found.update(self.groups.hosts[host])
        for folder in (*self.folders, *self.beside):
            found.update(folder.of_host(host))
        return found

    def _of_groups(self, own: frozenset[str]) -> Scope:
        if own not in self._shared:
            names = {name for group in own for name in self.above[group]} - {"all"}
            ordered = sorted(names, key=self.rank.__getitem__)
            found = Scope()
            for name in ("all", *ordered):
                found.update(self.groups.variables[name])
            for folder in (*self.folders, *self.beside):
                found.update(folder.of_group("all"))
            for folder in (*self.folders, *self.beside):
                for name in ordered:
                    found.update(folder.of_group(name))
            self._shared[own] = found
        return self._shared[own]
