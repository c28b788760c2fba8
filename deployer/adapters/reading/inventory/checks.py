"""What can only be seen with the checkout, the playbook and all its hosts in hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployer.adapters.reading.inventory.text import shown
from deployer.adapters.reading.yaml_source import did_you_mean
from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.schema.playbook import Playbook
from deployer.model.secret import learn
from deployer.remote.layout import layout_for


def check_hosts(hosts: Sequence[Host], playbook: Playbook) -> None:
    """Raises InputError. Learns the values that the playbook does not want to be said."""
    refuse_twins(hosts, playbook)
    names = {name for host in hosts for name in host.vars}
    for name in playbook.no_log:
        if name not in names:
            raise InputError(
                f"playbooks/{playbook.name}/playbook.yml: no_log names {name!r}, which no host has",
                hint=did_you_mean(name, names),
            )
        for host in hosts:
            learn(host.vars.get(name))


def refuse_twins(hosts: Sequence[Host], playbook: Playbook) -> None:
    """Two names of one machine would be canary and control at once, and be deployed to twice."""
    seen: dict[tuple[str, int, str], str] = {}
    for host in hosts:
        there = (host.address or host.name, host.port, layout_for(host, playbook.name, playbook.dest).root)
        if there in seen:
            port = f":{host.port}" if host.port else ""
            raise InputError(
                f"{seen[there]} and {host.name} are the same machine ({there[0]}{port})",
                hint="keep one of them, or leave the other out with --limit and hosts:",
            )
        seen[there] = host.name


def refuse_unread_vars(root: Path, playbook: str) -> None:
    """Ansible reads variables beside a playbook; a playbook here is a folder of its own, and variables lie beside the
    inventory or at the top of the checkout."""
    for folder in (root / "playbooks", root / "playbooks" / playbook):
        for kind in ("group_vars", "host_vars"):
            if (folder / kind).exists():
                raise InputError(
                    f"{shown(folder / kind)}: variables here are not read", hint="move it beside the inventory"
                )
