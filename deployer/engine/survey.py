"""Look at all hosts, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.engine.fanout import each
from deployer.engine.ports import Ports
from deployer.model.errors import HostError, Unreachable
from deployer.model.events import Phase
from deployer.model.fleet import Host
from deployer.model.state import HostState


def survey(ports: Ports, hosts: Iterable[Host], why: str = "survey") -> dict[str, HostState | HostError]:
    """Every host's state, or why it gave none."""
    hosts = tuple(hosts)
    ports.emit(Phase(why, f"asking {len(hosts)} host{'s' * (len(hosts) != 1)} for their state"))
    return each(ports, hosts, ports.hosts.survey)


def read_back(ports: Ports, hosts: Iterable[Host], tries: int = 3) -> dict[str, HostState | HostError]:
    """The final state, asked for and never assumed: silence is asked again, a Ctrl-C once overlooked."""
    results: dict[str, HostState | HostError] = {}
    todo = list(hosts)
    for attempt in range(tries):
        try:
            if attempt:
                ports.clock.sleep(1.0)
            results |= survey(ports, todo, "read back")
        except KeyboardInterrupt:
            results |= {h.name: Unreachable("not read back: interrupted") for h in todo if h.name not in results}
        todo = [host for host in todo if isinstance(results[host.name], Unreachable)]
        if not todo:
            break
    return results
