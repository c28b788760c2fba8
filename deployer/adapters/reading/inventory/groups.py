"""What the files of an inventory say, collected before anything is merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.adapters.reading.inventory.ranges import hosts_of
from deployer.adapters.reading.inventory.variables import checked, said
from deployer.adapters.reading.yaml_source import Document, Path_
from deployer.model.errors import InputError

MAX_HOSTS = 20_000
NOT_IN_A_GROUP_NAME = frozenset("/\\:,&![]*?~'\"{}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    document: Document
    path: Path_

    def fail(self, message: str, hint: str = "") -> InputError:
        """An error there."""
        return self.document.fail(self.path, message, hint)

    @property
    def written(self) -> str:
        """How a number is written there; "" for what is none."""
        return self.document.written.get(self.path, "")


@dataclass
class Scope:
    """The variables of one group, host or file, and where each is written."""

    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def update(self, other: Scope) -> None:
        """Later ones win."""
        self.values.update(other.values)
        self.places.update(other.places)


def scope(document: Document, values: Mapping[str, object], path: Path_, in_file: bool = False) -> Scope:
    """Variables as they are written at `path`, checked. in_file: in group_vars or host_vars."""
    found = checked(document, values, path, in_file)
    return Scope(found, {key: Place(document, (*path, key)) for key in found})


@dataclass
class Groups:
    """members: group -> its own hosts; hosts, variables: what is written beside them; mentioned: groups that are named
    as somebody's children and not said anything of there; defined: all others."""

    hosts: dict[str, Scope] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, Scope] = field(default_factory=dict)
    priorities: dict[str, int] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    mentioned: dict[str, Place] = field(default_factory=dict)
    defined: set[str] = field(default_factory=lambda: {"all", "ungrouped"})

    def add_group(self, name: str, place: Place) -> None:
        """As Ansible: a group is there as soon as it is named."""
        if not name or NOT_IN_A_GROUP_NAME & set(name) or not name.isprintable() or " " in name or name[0] in ".@-":
            raise place.fail(f"{name!r:.80} is not a group's name", "letters, digits and _ are what patterns can name")
        self.places.setdefault(name, place)
        self.members.setdefault(name, [])
        self.children.setdefault(name, [])
        self.variables.setdefault(name, Scope())

    def add_child(self, group: str, child: str, place: Place) -> None:
        """One group below another."""
        if child == "all" or (child == "ungrouped" and group != "all") or group == "ungrouped":
            raise place.fail(f"{child} cannot be below {group}: Ansible fills `all` and `ungrouped` itself")
        if child not in self.children[group]:
            self.children[group].append(child)

    def add_variables(self, group: str, document: Document, values: Mapping[str, object], path: Path_) -> None:
        """The variables of a group. Later ones win."""
        found = scope(document, values, path)
        if "ansible_group_priority" in found.values:
            self.priorities[group] = priority(found)
        self.variables[group].update(found)

    def add_hosts(
        self, group: str, pattern: str, document: Document, values: Mapping[str, object], path: Path_
    ) -> None:
        """`web[01:03].example.com:2222` and its variables."""
        place = Place(document, path)
        own = scope(document, values, path)
        names, port = hosts_of(pattern, place.fail, MAX_HOSTS - len(self.hosts))
        for name in names:
            known = name in self.hosts
            before = self.hosts.setdefault(name, Scope())
            if port and not known:
                before.values["ansible_port"], before.places["ansible_port"] = port, place
            elif port and before.values.get("ansible_port") != port:  # Ansible takes the first mention's and is silent
                raise place.fail(f"host {name}: port {port} here and another one, or none, elsewhere")
            self._join(name, before, own, port)
            if name not in self.members[group]:
                self.members[group].append(name)

    def _join(self, name: str, before: Scope, own: Scope, port: int | None) -> None:
        """Ansible takes the last of several mentions in one file without a word; here they must agree."""
        for key, value in own.values.items():
            first, here = before.places.setdefault(key, own.places[key]), own.places[key]
            old = before.values.setdefault(key, value)
            same = type(old) is type(value) and repr(old) == repr(value)
            if same or first.document is not here.document or (key == "ansible_port" and first.path == here.path[:-1]):
                before.values[key], before.places[key] = value, here
                continue
            raise here.fail(
                f"host {name}: `{key}` is {said(key, value)} here and {said(key, old)} elsewhere "
                f"(line {first.document.place(first.path)[0]})",
                "write it once",
            )


def priority(found: Scope) -> int:
    """Ansible's `ansible_group_priority`, which is no variable of the hosts. Takes it out of `found`."""
    value, place = found.values.pop("ansible_group_priority"), found.places.pop("ansible_group_priority")
    if isinstance(value, bool) or not str(value).removeprefix("-").isdecimal():
        raise place.fail(f"`ansible_group_priority` is {value!r:.80}; a whole number is allowed")
    return int(str(value))
