"""Ansible's INI inventories: [group], [group:children], [group:vars], `host key=value`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from deployer.adapters.inventory import Groups, add_hosts, add_variables
from deployer.adapters.reading import read_input
from deployer.adapters.yaml_source import Document

HEADER = re.compile(r"\[([^\]:]+)(?::(children|vars))?\]")


def read_ini(path: Path) -> Groups:
    """Raises InputError with file:line."""
    text = read_input(path)
    groups = Groups(Document(str(path), text))
    group, kind = "ungrouped", ""
    groups.members["ungrouped"], groups.children["all"] = [], []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split(" #")[0].strip()
        if not line or line[0] in "#;":
            continue
        groups.document.marks[(number,)] = (number, 1)
        if header := HEADER.fullmatch(line):
            group, kind = header[1], header[2] or ""
            groups.members.setdefault(group, [])
            if group not in groups.children["all"] and group != "all":
                groups.children["all"].append(group)
            continue
        _line(groups, group, kind, line, number)
    nested = {child for name, below in groups.children.items() if name != "all" for child in below}
    groups.children["all"] = [g for g in groups.children["all"] if g not in nested]
    return groups


def _line(groups: Groups, group: str, kind: str, line: str, number: int) -> None:
    document = groups.document
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise document.fail_at(number, 1, f"cannot read this line: {error}") from None
    if kind == "children":
        groups.children.setdefault(group, []).append(words[0])
        groups.mentioned.setdefault(words[0], (number,))
        return
    pairs = words if kind == "vars" else words[1:]
    if kind == "vars" and "=" in line:
        key, _, value = line.partition("=")
        pairs = [f"{key.strip()}={value.strip()}"]
    bad = [pair for pair in pairs if "=" not in pair]
    if bad:
        raise document.fail_at(number, 1, f"{bad[0]!r} is not key=value")
    names = dict(pair.split("=", 1) for pair in pairs)
    if kind == "vars":
        add_variables(groups, group, names, (number,))
    else:
        add_hosts(groups, group, words[0], names, (number,))
