"""YAML and JSON inventories: groups of hosts, children and vars, at the top level or below `all`."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.adapters.reading.inventory.groups import Groups, Place
from deployer.adapters.reading.yaml_source import Document, Path_, did_you_mean, without_extensions
from deployer.model.errors import InputError

PARTS = ("hosts", "children", "vars")


def read_groups(groups: Groups, document: Document) -> None:
    """Every group of a file. Raises InputError with file:line:column."""
    top = document.value
    if top is None or top == {}:
        raise InputError(f"{document.file}: no hosts are defined", hint="begin with all: {hosts: ...}")
    if not isinstance(top, dict):
        raise document.fail((), "no hosts are defined: groups are expected here", "begin with all: {hosts: ...}")
    if isinstance(top.get("plugin"), str):
        raise document.fail(
            ("plugin",),
            f"inventory plugins are not run ({top['plugin']!r:.80})",
            "write its result to a file: ansible-inventory --list --yaml",
        )
    for name, body in top.items():
        read_group(groups, document, name, body, (name,))
        groups.defined.add(name)


def read_group(groups: Groups, document: Document, name: str, body: object, path: Path_) -> None:
    """One group with its hosts, variables and children."""
    place = Place(document, path)
    groups.add_group(name, place)
    if not isinstance(body, dict | None):
        raise place.fail(f"group {name} must be a map of hosts, children and vars")
    if body:
        groups.defined.add(name)
    else:
        groups.mentioned.setdefault(name, place)
    for key, given in without_extensions(body or {}).items():
        here = (*path, key)
        if key not in PARTS:
            raise document.fail(here, f"unknown key `{key}` in group {name}", did_you_mean(key, PARTS))
        value = {given: None} if isinstance(given, str) else given  # `hosts: web1`
        if value is not None and not isinstance(value, dict):
            raise document.fail(here, f"`{key}` of group {name} must be a map")
        read_part(groups, document, name, key, value or {}, here)


def read_part(
    groups: Groups, document: Document, name: str, key: str, value: Mapping[str, object], here: Path_
) -> None:
    """`hosts`, `vars` or `children` of one group."""
    if key == "vars":
        groups.add_variables(name, document, value, here)
    for item, inner in value.items() if key != "vars" else ():
        path = (*here, item)
        if key == "children":
            read_group(groups, document, item, inner, path)
            groups.add_child(name, item, Place(document, path))
            if name == "all":
                groups.defined.add(item)
        elif inner is not None and not isinstance(inner, dict):
            raise document.fail(path, f"the variables of host {item} must be a map")
        else:
            groups.add_hosts(name, item, document, inner or {}, path)
