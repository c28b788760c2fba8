"""`deploy adopt`: what lies on the hosts today becomes the first release, hand edits included."""

from __future__ import annotations

from deployer.engine.deploy.belongs import refuse_foreign
from deployer.engine.deploy.endings import unverified
from deployer.engine.deploy.lock import free_lock
from deployer.engine.deploy.order import numbered
from deployer.engine.deploy.record import close, record_of
from deployer.engine.deploy.request import Request
from deployer.engine.fanout import each_decided, failures, successes
from deployer.engine.ports import Ledger, Ports
from deployer.engine.survey import read_back, survey
from deployer.model.desired import desired
from deployer.model.errors import DeployError, HostError
from deployer.model.events import HostChanged, Phase
from deployer.model.fleet import Host
from deployer.model.ledger import Ended, Entry, above_chain, known_number
from deployer.model.outcome import HostOutcome, Outcome
from deployer.model.quorum import needed
from deployer.model.state import HostState, Order


def adopt(request: Request, ports: Ports, ledger: Ledger) -> Outcome:
    """Take every host of the request that is not adopted yet, or was edited by hand since. Hosts may differ: each
    keeps a release of its own.

    result: unchanged when all were adopted and the ledger has it (who adopted them may have died before that), deployed
    when all are now, stranded when some are not. Raises DeployError when no host took it and all are as they were."""
    chain = free_lock(request, ports, ledger)
    hosts = [host for host in request.hosts if host.name in request.limit]
    before = survey(ports, hosts)
    states = successes(before)
    refuse_foreign(chain, states, ledger, request)
    todo = [host for host in hosts if host.name in states and wants_adoption(states[host.name])]
    order = numbered(Order("", 0, "adopt", ""), known_number(chain), states, ports)
    ports.emit(Phase("adopt", f"taking what {len(todo)} host(s) have as their first release"))
    results: dict[str, HostState | HostError] = {
        **before,
        **each_decided(ports, todo, lambda h: take(ports, h, order)),
    }
    if failures(results) and not behind(chain, states) and untouched(ports, todo, states, results):
        lines = "; ".join(f"{name}: {error}" for name, error in sorted(failures(results).items()))
        raise DeployError(f"cannot adopt: {lines}", hint="mend what the message names and run deploy adopt again")
    ends = {name: adopted_end(result) for name, result in results.items()}
    recorded = all(name in desired(chain, request.playbook.name) for name, end in ends.items() if end.verified)
    asked_in_vain = recorded and all(same(states[host.name], results[host.name]) for host in todo)
    if asked_in_vain and not failures(before) and not behind(chain, states):
        return Outcome("unchanged", "", request.environment, request.playbook.name, hosts=ends)
    bad = unverified(ends)
    outcome = Outcome(
        result="stranded" if bad else "deployed",
        deploy=order.deploy,
        environment=request.environment,
        playbook=request.playbook.name,
        release=common({end.release for end in ends.values() if end.verified}),
        hosts=ends,
        error=bad,
        hint=hint(results) if bad else "",
    )
    close(ledger, adoption(request, outcome, ports.clock.now()), ports)
    return outcome


def untouched(
    ports: Ports, todo: list[Host], before: dict[str, HostState], results: dict[str, HostState | HostError]
) -> bool:
    """No host took it, and each that was asked to is read back as it was."""
    if any(not isinstance(results[host.name], HostError) for host in todo):
        return False
    now = successes(read_back(ports, todo)) if todo else {}
    return all(host.name in now and facts(now[host.name]) == facts(before[host.name]) for host in todo)


def facts(state: HostState) -> tuple[object, ...]:
    """What an adoption changes."""
    return state.adopted, state.dest, state.current, state.good, state.history


def behind(chain: tuple[Entry, ...], states: dict[str, HostState]) -> bool:
    """Have enough hosts seen deploys that the chain cannot know? Then this adoption, numbered above them, is the new
    start."""
    fences, histories = ({name: getattr(s, what) for name, s in states.items()} for what in ("fence", "history"))
    return bool(states) and len(above_chain(chain, fences, histories)) >= needed(len(states))


def wants_adoption(state: HostState) -> bool:
    """Not adopted, or not to its end; or edited by hand since: the edit becomes a release of its own."""
    return not state.adopted or (not state.in_flight and (bool(state.drift) or unknown(state)))


def unknown(state: HostState) -> bool:
    """Nothing came after its adoption, and what its process has is not proven: asked again it is, where that was cut
    off."""
    return state.command == "adopt" and not state.loaded


def same(before: HostState, after: HostState | HostError) -> bool:
    """It was adopted already, and nothing came of asking again."""
    return isinstance(after, HostState) and (facts(before), before.loaded) == (facts(after), after.loaded)


def take(ports: Ports, host: Host, order: Order) -> HostState:
    """Adopt one host and say so."""
    state = ports.hosts.adopt(host, order)
    ports.emit(HostChanged(host.name, "confirmed", f"adopted as {state.good}"))
    return state


def adopted_end(result: HostState | HostError) -> HostOutcome:
    """A host counts as adopted when its links agree, and its process is not known to run something else; proof comes
    with its first activation."""
    if isinstance(result, HostError):
        return HostOutcome("failed", error=str(result))
    if not result.adopted or result.in_flight or result.alarm:
        return HostOutcome("failed", result.good, False, "not adopted")
    if result.loaded not in ("", result.good):
        return HostOutcome("confirmed", result.good, False, f"adopted, but the process still runs {result.loaded}")
    return HostOutcome("confirmed", result.good, True)


def common(releases: set[str]) -> str:
    """The one release they share, or ""."""
    return releases.pop() if len(releases) == 1 else ""


def hint(results: dict[str, HostState | HostError]) -> str:
    """What to do about hosts that are not verified."""
    if failures(results):
        return "mend what the message names and run deploy adopt again"
    return (
        "deploy rollback --to RELEASE makes the process take it; deploy status --repair brings back what was deployed"
    )


def adoption(request: Request, outcome: Outcome, now: float) -> Ended:
    """The record of an adoption: an OUTCOME without a verdict."""
    hosts = {name: end.release for name, end in outcome.hosts.items()}
    ended = {"result": outcome.result, "because": outcome.error, "hosts": hosts}
    return record_of(Ended, request, outcome.deploy, "adopt", outcome.release, now, **ended)
