"""Look at all hosts, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.engine.fanout import each, each_at_once
from deployer.engine.ports import Ports
from deployer.model.errors import HostError, Unreachable
from deployer.model.events import Phase
from deployer.model.fleet import Host
from deployer.model.state import HostState


def survey(ports: Ports, hosts: Iterable[Host], why: str = "survey") -> dict[str, HostState | HostError]:
    """Every host's state, or why it gave none. Raises Interrupted."""
    hosts = tuple(hosts)
    say(ports, why, len(hosts))
    return each(ports, hosts, ports.hosts.survey)


def say(ports: Ports, why: str, count: int) -> None:
    """What is being done, and to how many."""
    ports.emit(Phase(why, f"asking {count} host{'s' * (count != 1)} for their state"))


def read_back(ports: Ports, hosts: Iterable[Host], tries: int = 3) -> dict[str, HostState | HostError]:
    """The final state, asked for and never assumed: silence is asked again."""
    results: dict[str, HostState | HostError] = {}
    todo = list(hosts)
    for attempt in range(tries):
        if attempt:
            ports.clock.sleep(1.0)
        say(ports, "read back", len(todo))
        results |= each_at_once(ports, todo, ports.hosts.survey)
        todo = [host for host in todo if isinstance(results[host.name], Unreachable)]
        if not todo:
            break
    return results
