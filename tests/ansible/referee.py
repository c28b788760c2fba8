"""The child process that asks ansible-core: one JSON line in, one out. Run by the project's own Python.

In: {sources: [path], beside: path, patterns: [text]}. Out: {hosts: {name: {variable: typed}}, groups: {name: [host]},
patterns: [[host] or null]}, or {error: text} where Ansible could not read one of the sources.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from typing import Any


def typed(value: Any) -> Any:
    """A value with its type, as JSON."""
    if isinstance(value, dict):
        return ["dict", {str(key): typed(item) for key, item in value.items()}]
    if isinstance(value, list | tuple):
        return ["list", [typed(item) for item in value]]
    if value is None or isinstance(value, bool):
        return [str(value), ""]
    for kind in (int, float, str):
        if isinstance(value, kind):
            return [kind.__name__, repr(kind(value))]
    if isinstance(value, datetime.datetime):
        return ["datetime", value.isoformat()]
    if isinstance(value, datetime.date):
        return ["date", value.isoformat()]
    return [type(value).__name__, ""]


def main() -> None:
    """Until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from ansible import constants
    from ansible.plugins.loader import init_plugin_loader
    from ansible.utils.display import Display

    constants.INVENTORY_ANY_UNPARSED_IS_FAILED = True
    init_plugin_loader()
    for name in ("warning", "deprecated", "error_as_warning", "error", "display"):
        setattr(Display, name, lambda self, *args, **words: None)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            said: dict[str, Any] = read(question)
        except Exception as error:  # whatever Ansible says no with
            said = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


def read(question: dict[str, Any]) -> dict[str, Any]:
    """What `ansible-inventory --list` prints, with types and orders."""
    from ansible.constants import INTERNAL_STATIC_VARS
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.vars import host_group_vars
    from ansible.vars.manager import VariableManager

    for cache in (host_group_vars.CANONICAL_PATHS, host_group_vars.FOUND, host_group_vars.NAK):
        cache.clear()
    loader = DataLoader()
    loader.set_basedir(question["beside"])
    manager = InventoryManager(loader=loader, sources=question["sources"])
    variables = VariableManager(loader=loader, inventory=manager)
    hosts = {}
    for name, host in manager.hosts.items():
        found = variables.get_vars(host=host, include_hostvars=False, stage="all")
        hosts[name] = {key: typed(value) for key, value in found.items() if key not in INTERNAL_STATIC_VARS}
    return {
        "hosts": hosts,
        "groups": {name: [host.name for host in group.get_hosts()] for name, group in manager.groups.items()},
        "depth": {name: 1 + any(c.child_groups for c in g.child_groups) for name, g in manager.groups.items()},
        "patterns": [select(manager, pattern) for pattern in question["patterns"]],
    }


def select(manager: Any, pattern: str) -> list[str] | None:
    """The hosts of a pattern; None where Ansible refuses it."""
    from ansible.errors import AnsibleError

    try:
        return [host.name for host in manager.get_hosts(pattern)]
    except AnsibleError:
        return None


if __name__ == "__main__":
    main()
