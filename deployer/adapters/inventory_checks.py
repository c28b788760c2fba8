"""What can only be seen with the playbook and all its hosts in hand."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.adapters.yaml_source import did_you_mean
from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.playbook import Playbook
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
