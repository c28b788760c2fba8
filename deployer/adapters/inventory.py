"""`inventory.yml` as Ansible reads it: groups, children, ranges, variables and their precedence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.adapters.yaml_source import Document, did_you_mean, read_yaml, without_extensions
from deployer.model.errors import InputError, UsageError
from deployer.model.fleet import Fleet, Host
from deployer.model.pattern import select

HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:]+")
SECRETS = ("ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass", "become_password")
PARTS = ("hosts", "children", "vars")
RANGE = re.compile(r"\[(?:(\d+):(\d+)|([a-z]):([a-z])|([A-Z]):([A-Z]))(?::(\d+))?\]")


@dataclass
class Groups:
    """What the file says, before variables are merged."""

    document: Document
    hosts: dict[str, dict[str, object]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, dict[str, object]] = field(default_factory=dict)


def load_inventory(path: Path) -> Fleet:
    """Read an inventory (YAML, or INI by its name or look). Raises InputError with file:line:column."""
    if not path.exists():
        raise InputError(f"cannot read the inventory {path}: no such file", hint="write one, or pass -i FILE")
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


def read_group(groups: Groups, name: str, body: object, path: tuple[str | int, ...]) -> None:
    """One group with its hosts, variables and children."""
    document = groups.document
    groups.members.setdefault(name, [])
    groups.children.setdefault(name, [])
    if not isinstance(body, dict | None):
        raise document.fail(path, f"group {name} must be a map of hosts, children and vars")
    for key, value in without_extensions(body or {}).items():
        here = (*path, key)
        if key not in ("hosts", "children", "vars"):
            raise document.fail(
                here, f"unknown key `{key}` in group {name}", did_you_mean(key, ("hosts", "children", "vars"))
            )
        if value is None:
            continue
        if not isinstance(value, dict):
            raise document.fail(here, f"`{key}` of group {name} must be a map")
        if key == "hosts":
            for pattern, names in value.items():
                add_hosts(groups, name, pattern, names, (*here, pattern))
        elif key == "vars":
            groups.variables.setdefault(name, {}).update(typed(document, value, here))
        else:
            for child, inner in value.items():
                groups.children[name].append(child)
                read_group(groups, child, inner, (*here, child))


def add_hosts(groups: Groups, group: str, pattern: str, names: object, path: tuple[str | int, ...]) -> None:
    """`web[01:03].example.com` and its variables."""
    document = groups.document
    if names is not None and not isinstance(names, dict):
        raise document.fail(path, f"the variables of host {pattern} must be a map")
    own = typed(document, names or {}, path)
    for name in expand(pattern):
        if not HOST_NAME.fullmatch(name):
            raise document.fail(path, f"{name!r} is not a host name or address")
        before = groups.hosts.setdefault(name, {})
        for key, value in own.items():
            if before.setdefault(key, value) != value:
                raise document.fail(
                    (*path, key), f"host {name}: `{key}` is {value!r} here and {before[key]!r} elsewhere"
                )
        if name not in groups.members[group]:
            groups.members[group].append(name)


def expand(pattern: str) -> Iterator[str]:
    """Ansible's ranges, leading zeros kept; a pattern without one is itself."""
    match = RANGE.search(pattern)
    if not match:
        yield pattern
        return
    step = int(match[7] or 1) or 1
    if match[1] is not None:
        width = len(match[1]) if match[1].startswith("0") else 0
        items = [str(n).zfill(width) for n in range(int(match[1]), min(int(match[2]), int(match[1]) + 10000) + 1, step)]
    else:
        first, last = (match[3], match[4]) if match[3] else (match[5], match[6])
        items = [chr(n) for n in range(ord(first), ord(last) + 1, step)]
    for item in items:
        yield from expand(pattern[: match.start()] + item + pattern[match.end() :])


def typed(document: Document, names: Mapping[str, object], path: tuple[str | int, ...]) -> dict[str, object]:
    """Variables are the user's data: whole numbers, decimals and true/false get their types, secrets are refused."""
    found: dict[str, object] = {}
    for key, value in names.items():
        if key in SECRETS:
            raise document.fail(
                (*path, key), f"`{key}`: secrets are not read from the inventory", "use ssh keys or an agent"
            )
        if isinstance(value, str) and "{{" in value and key.startswith("ansible_"):
            raise document.fail((*path, key), f"`{key}`: templates in connection variables are not supported")
        found[key] = scalar(value)
    return found


def scalar(value: object) -> object:
    """Text -> int, float, bool or text; inside lists and maps too."""
    if isinstance(value, list):
        return [scalar(item) for item in value]
    if isinstance(value, dict):
        return {key: scalar(item) for key, item in value.items()}
    if value in ("true", "false", "True", "False"):
        return str(value).lower() == "true"
    if isinstance(value, str) and re.fullmatch(r"0|-?[1-9]\d{0,17}", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d+\.\d+", value):
        return float(value)
    return value


def resolve(groups: Groups) -> Fleet:
    """Merge variables (all, then parent groups, then child groups, then the host) and work out who is in what."""
    if not groups.hosts:
        raise InputError(f"{groups.document.file}: no hosts are defined", hint="begin with all: {hosts: ...}")
    names = list(dict.fromkeys(["all", *groups.members]))
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
    for name in sorted(names, key=lambda n: (depth.get(n, 1), n)):
        for host in members[name]:
            merged[host].update(groups.variables.get(name, {}))
    hosts = {n: make_host(groups.document, n, {**merged[n], **own}) for n, own in groups.hosts.items()}
    top = tuple(child for child in groups.children.get("all", []) if members.get(child))
    return Fleet(hosts, members, top)


def _descend(groups: Groups, name: str, chain: tuple[str, ...]) -> set[str]:
    found = set(groups.members.get(name, []))
    for child in groups.children.get(name, []):
        if child in chain:
            raise InputError(f"{groups.document.file}: groups go in a circle: {' > '.join((*chain, child))}")
        found |= _descend(groups, child, (*chain, child))
    return found


def make_host(document: Document, name: str, names: dict[str, object]) -> Host:
    """Ansible's connection variables become fields; the port and the flags are checked."""
    port = names.get("ansible_port", 0)
    http = names.get("http_port", 80)
    for key, value in (("ansible_port", port), ("http_port", http)):
        if not isinstance(value, int) or isinstance(value, bool) or (key in names and not 1 <= value <= 65535):
            raise InputError(
                f"{document.file}: host {name}: `{key}` is {value!r}; a whole number 1 to 65535 is allowed"
            )
    become = names.get("ansible_become", False)
    if not isinstance(become, bool):
        raise InputError(f"{document.file}: host {name}: `ansible_become` is {become!r}; true or false is allowed")
    return Host(
        name,
        address=str(names.get("ansible_host", "")),
        port=int(str(port)),
        user=str(names.get("ansible_user", "")),
        key_file=str(names.get("ansible_ssh_private_key_file", "")),
        become=become,
        vars=names,
    )


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
