"""`inventory.yml` as Ansible reads it: groups, children, ranges, variables and their precedence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deployer.adapters.inventory_values import MAX_NAME, is_host_name, make_host, said, typed
from deployer.adapters.yaml_source import Document, Path_, did_you_mean, read_yaml, without_extensions
from deployer.model.errors import InputError, UsageError
from deployer.model.fleet import Fleet
from deployer.model.pattern import select

PARTS = ("hosts", "children", "vars")
RANGE = re.compile(r"\[(?:([0-9]{1,9}):([0-9]{1,9})|([a-z]):([a-z])|([A-Z]):([A-Z]))(?::([0-9]{1,9}))?\]")
MAX_HOSTS = 20_000


@dataclass
class Groups:
    """What the file says, before variables are merged. places: (group or host, its name, variable) -> where it is
    written; mentioned: groups that are named as children and say nothing themselves."""

    document: Document
    hosts: dict[str, dict[str, object]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, dict[str, object]] = field(default_factory=dict)
    places: dict[tuple[str, str, str], Path_] = field(default_factory=dict)
    mentioned: dict[str, Path_] = field(default_factory=dict)


def load_inventory(path: Path) -> Fleet:
    """Read an inventory (YAML, or INI by its name or look). Raises InputError with file:line:column."""
    if not path.exists():
        raise InputError(f"cannot read the inventory {path}: no such file", hint="write one, or pass -i FILE")
    refuse_script(path)
    if path.suffix in (".ini", ".cfg") or path.name == "hosts":
        from deployer.adapters.inventory_ini import read_ini

        groups = read_ini(path)
    else:
        groups = Groups(read_yaml(path, _shown(path)))
        top = groups.document.value
        if not isinstance(top, dict) or not top:
            raise InputError(f"{_shown(path)}: no hosts are defined", hint="begin with all: {hosts: ...}")
        for name, body in without_extensions(top).items():
            read_group(groups, name, body, (name,))
    return resolve(groups)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def refuse_script(path: Path) -> None:
    """Ansible would run it and read what it prints."""
    if path.is_dir():
        raise InputError(f"{_shown(path)} is a folder; one inventory file is read", hint="pass -i FILE")
    with suppress(OSError), path.open("rb") as file:  # whoever reads it says why that cannot be
        if file.read(2) == b"#!":
            raise InputError(
                f"{_shown(path)}:1:1: dynamic inventory scripts are not run",
                hint="write its result to a file: ansible-inventory --list --yaml",
            )


def read_group(groups: Groups, name: str, body: object, path: Path_) -> None:
    """One group with its hosts, variables and children."""
    document = groups.document
    if not body:
        groups.mentioned.setdefault(name, path)
    groups.members.setdefault(name, [])
    groups.children.setdefault(name, [])
    if not isinstance(body, dict | None):
        raise document.fail(path, f"group {name} must be a map of hosts, children and vars")
    for key, value in without_extensions(body or {}).items():
        here = (*path, key)
        if key not in PARTS:
            raise document.fail(here, f"unknown key `{key}` in group {name}", did_you_mean(key, PARTS))
        if value is None:
            continue
        if not isinstance(value, dict):
            raise document.fail(here, f"`{key}` of group {name} must be a map")
        read_part(groups, name, key, value, here)


def read_part(groups: Groups, name: str, key: str, value: Mapping[str, object], here: Path_) -> None:
    """`hosts`, `vars` or `children` of one group."""
    if key == "hosts":
        for pattern, names in value.items():
            add_hosts(groups, name, pattern, names, (*here, pattern))
    elif key == "vars":
        add_variables(groups, name, value, here)
    else:
        for child, inner in value.items():
            groups.children[name].append(child)
            read_group(groups, child, inner, (*here, child))


def add_variables(groups: Groups, group: str, values: Mapping[str, object], path: Path_) -> None:
    """The variables of one group."""
    found = typed(groups.document, values, path)
    groups.variables.setdefault(group, {}).update(found)
    groups.places |= {("group", group, key): (*path, key) for key in found}


def add_hosts(groups: Groups, group: str, pattern: str, names: object, path: Path_) -> None:
    """`web[01:03].example.com` and its variables."""
    document = groups.document
    if names is not None and not isinstance(names, dict):
        raise document.fail(path, f"the variables of host {pattern} must be a map")
    own = typed(document, names or {}, path)
    how_many = 1 if len(pattern) <= 2 * MAX_NAME else 0
    for match in RANGE.finditer(pattern):
        how_many *= len(numbers(match))
    if not how_many or set("[]") & set(RANGE.sub("", pattern)):
        raise document.fail(path, f"{pattern!r:.80} is not a host name: a range goes up, as in web[01:20]")
    if how_many + len(groups.hosts) > MAX_HOSTS:
        raise document.fail(path, f"more than {MAX_HOSTS} hosts", "look at the ranges")
    for name in expand(pattern):
        if not is_host_name(name):
            raise document.fail(
                path, f"{name!r:.80} is not a host name or address", "letters, digits and . _ - are allowed"
            )
        before = groups.hosts.setdefault(name, {})
        for key, value in own.items():
            first = groups.places.setdefault(("host", name, key), (*path, key))
            if before.setdefault(key, value) != value:
                line = document.place(first)[0]
                raise document.fail(
                    (*path, key),
                    f"host {name}: `{key}` is {said(key, value)} here and {said(key, before[key])} elsewhere "
                    f"(line {line})",
                )
        if name not in groups.members[group]:
            groups.members[group].append(name)


def numbers(match: re.Match[str]) -> range:
    """What a range stands for: numbers, or the codes of letters."""
    first, last = (match[n] or match[n + 2] or match[n + 4] for n in (1, 2))
    step = int(match[7] or 1) or 1
    return range(int(first), int(last) + 1, step) if match[1] else range(ord(first), ord(last) + 1, step)


def expand(pattern: str) -> Iterator[str]:
    """Ansible's ranges, leading zeros kept; a pattern without one is itself."""
    match = RANGE.search(pattern)
    if not match:
        yield pattern
        return
    width = len(match[1]) if (match[1] or "").startswith("0") else 0
    for number in numbers(match):
        item = str(number).zfill(width) if match[1] else chr(number)
        yield from expand(pattern[: match.start()] + item + pattern[match.end() :])


def resolve(groups: Groups) -> Fleet:
    """Merge variables (all, then parent groups, then child groups, then the host) and work out who is in what."""
    if not groups.hosts:
        raise InputError(f"{groups.document.file}: no hosts are defined", hint="begin with all: {hosts: ...}")
    names = list(dict.fromkeys(["all", *groups.members]))
    refuse_unknown_groups(groups)
    order = {name: number for number, name in enumerate(groups.hosts)}
    members: dict[str, tuple[str, ...]] = {"all": tuple(groups.hosts)}
    depth: dict[str, int] = {"all": 0}
    for name in names:
        if name != "all":
            found = _descend(groups, name, (name,))
            members[name] = tuple(sorted(found, key=order.__getitem__))
    for name in names:
        for child in groups.children.get(name, []):
            depth[child] = max(depth.get(child, 1), depth.get(name, 1) + 1)
    merged: dict[str, dict[str, object]] = {host: {} for host in groups.hosts}
    places: dict[str, dict[str, Path_]] = {host: {} for host in groups.hosts}
    for name in sorted(names, key=lambda n: (depth.get(n, 1), n)):
        given = groups.variables.get(name, {})
        for host in members[name]:
            merged[host].update(given)
            places[host].update({key: groups.places["group", name, key] for key in given})
    for host, own in groups.hosts.items():
        merged[host].update(own)
        places[host].update({key: groups.places["host", host, key] for key in own})
    hosts = {name: make_host(groups.document, name, values, places[name]) for name, values in merged.items()}
    top = tuple(child for child in groups.children.get("all", []) if members.get(child))
    return Fleet(hosts, members, top)


def refuse_unknown_groups(groups: Groups) -> None:
    """A child that is nowhere given a host, a variable or a child of its own is a typo, not a group."""
    known = [n for n in groups.members if groups.members[n] or groups.children.get(n) or n not in groups.mentioned]
    for name, path in groups.mentioned.items():
        said_elsewhere = groups.members.get(name) or groups.children.get(name) or groups.variables.get(name)
        if not said_elsewhere and name not in ("all", "ungrouped"):
            hint = did_you_mean(name, known)
            raise groups.document.fail(path, f"group {name} is mentioned here and has no hosts", hint)


def _descend(groups: Groups, name: str, chain: tuple[str, ...]) -> set[str]:
    found = set(groups.members.get(name, []))
    for child in groups.children.get(name, []):
        if child in chain:
            ring = " > ".join((*chain[chain.index(child) :], child))
            raise groups.document.fail(groups.document.find(child), f"groups go in a circle: {ring}")
        found |= _descend(groups, child, (*chain, child))
    return found


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
