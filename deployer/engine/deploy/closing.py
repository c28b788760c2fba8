"""The records that close what was in flight on hosts: one OUTCOME for each deploy, with its own hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from deployer.engine.deploy.record import record_of
from deployer.engine.deploy.witness import Witness
from deployer.model.events import Notice
from deployer.model.ledger import Command, Ended
from deployer.model.outcome import Result
from deployer.model.quorum import shared
from deployer.model.state import HostState, number_of


def closings(
    witness: Witness,
    flying: Mapping[str, HostState],
    because: str,
    result: Result = "reverted",
    ends: Mapping[str, str] | None = None,
) -> tuple[Ended, ...]:
    """One OUTCOME for each deploy of `flying` (hosts as found, in flight), oldest first. Without it the INTENT
    of a dead deployer would stay the lock until it is found dead. What a host alone says, or the ledger contradicts,
    closes nothing. ends: host -> the release it runs now (default: what was good)."""
    request, ports = witness.request, witness.ports
    entries = []
    deploys = sorted({state.deploy for state in flying.values() if state.deploy}, key=number_of)
    for deploy in deploys:
        hosts = {name: state for name, state in flying.items() if state.deploy == deploy}
        if not witness.open(deploy):
            text = f"{', '.join(hosts)}: deploy {deploy} is in flight there only by its own word: not recorded"
            ports.emit(Notice("warning", text))
            continue
        now = {name: state.good for name, state in hosts.items()} if ends is None else ends
        if len(deploys) > 1:  # each deploy its own hosts
            now = {name: release for name, release in now.items() if name in hosts}
        intent = witness.intent(deploy)
        entries.append(
            record_of(
                Ended,
                request,
                deploy,
                intent.command if intent else command_of(hosts),
                intent.release if intent else target_of(hosts),
                ports.clock.now(),
                previous=shared(state.good for state in hosts.values()),
                result=result,
                because=because,
                hosts=dict(now),
            )
        )
    return tuple(entries)


def target_of(hosts: Mapping[str, HostState]) -> str:
    """Of one deploy in flight, as most of its hosts say."""
    return max(sorted(state.target for state in hosts.values()), key=[s.target for s in hosts.values()].count)


def command_of(hosts: Mapping[str, HostState]) -> Command:
    """The same; a host whose record was torn does not know."""
    counted = Counter(state.command == "rollback" for state in hosts.values())
    return "rollback" if counted[True] > counted[False] else "push"
