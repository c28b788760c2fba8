"""The records that close what was in flight on hosts: one OUTCOME for each deploy, with its own hosts."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.engine.ports import Ports
from deployer.engine.request import Request
from deployer.model.ledger import Command, Entry
from deployer.model.outcome import Result
from deployer.model.state import HostState, number_of


def closings(
    request: Request,
    flying: Mapping[str, HostState],
    because: str,
    ports: Ports,
    result: Result = "reverted",
    ends: Mapping[str, str] | None = None,
) -> tuple[Entry, ...]:
    """One OUTCOME for each deploy of `flying` (hosts as they were found, in flight), oldest first. Without it the
    INTENT of a dead deployer would stay the lock. ends: host -> the release it runs now (default: what was good)."""
    entries = []
    deploys = sorted({state.deploy for state in flying.values() if state.deploy}, key=number_of)
    for deploy in deploys:
        hosts = {name: state for name, state in flying.items() if state.deploy == deploy}
        first = next(iter(hosts.values()))
        before = {state.good for state in hosts.values()}
        now = {name: state.good for name, state in hosts.items()} if ends is None else ends
        if len(deploys) > 1:  # each deploy its own hosts
            now = {name: release for name, release in now.items() if name in hosts}
        entries.append(
            Entry(
                record="OUTCOME",
                deploy=deploy,
                environment=request.environment,
                playbook=request.playbook.name,
                command=command_of(first),
                release=first.target,
                previous=before.pop() if len(before) == 1 else "",
                who=request.who,
                at=ports.clock.now(),
                result=result,
                because=because,
                hosts=dict(now),
            )
        )
    return tuple(entries)


def command_of(state: HostState) -> Command:
    """Of the deploy in flight; a host whose record was torn does not know."""
    return "rollback" if state.command == "rollback" else "push"
