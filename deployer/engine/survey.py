"""Look at all hosts, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.engine.fanout import each
from deployer.engine.ports import Ports
from deployer.model.errors import HostError
from deployer.model.events import Phase
from deployer.model.fleet import Host
from deployer.model.state import HostState


def survey(ports: Ports, hosts: Iterable[Host], why: str = "survey") -> dict[str, HostState | HostError]:
    """Every host's state, or why it gave none."""
    hosts = tuple(hosts)
    ports.emit(Phase(why, f"asking {len(hosts)} host{'s' * (len(hosts) != 1)} for their state"))
    return each(ports, hosts, ports.hosts.survey)
