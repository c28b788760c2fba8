"""What a push would be judged by is asked for before it begins: what is missing is known now, not after a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployer.engine.fanout import heed
from deployer.engine.ports import TURN_BACK, Ports
from deployer.model.errors import DeployError
from deployer.model.events import Phase
from deployer.model.fleet import Host
from deployer.model.missing import Missing
from deployer.model.plan import Plan

Asking = Callable[[Sequence[Host]], Missing]


def nothing(hosts: Sequence[Host]) -> Missing:
    """All is there."""
    return Missing()


def refuse_missing(plan: Plan, ports: Ports, missing: Asking) -> tuple[str, ...]:
    """What the hosts of `plan` lack without being stopped by it. Raises DeployError that names at once whatever else
    would keep their watch from a verdict; Interrupted."""
    hosts = [p.host for p in plan.hosts.values()]
    ports.emit(Phase("evidence", f"asking {len(hosts)} host{'s' * (len(hosts) != 1)} for what a push is judged by"))
    asked = ports.executor.submit(missing, hosts)
    ports.stop.wait((asked,), TURN_BACK)
    heed(ports)
    found = asked.result()
    if found.refused:
        raise DeployError(
            f"cannot push {plan.release}, nothing could be proven of it: {'; '.join(found.refused)}",
            hint="mend what is named; deploy check asks for all of it again",
        )
    return found.warned
