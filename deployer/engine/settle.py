"""`deploy abort` and `deploy confirm`: settle by hand what is pending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deployer.engine.closing import closings, command_of
from deployer.engine.fanout import each_at_once, successes
from deployer.engine.ports import TURN_BACK, Ports
from deployer.engine.request import Request
from deployer.engine.survey import read_back, survey
from deployer.engine.undo import GRACE, RETRY, describe, unverified
from deployer.engine.walkback import tell_bystanders
from deployer.model.errors import DeployError, HostError, Refused, Unreachable
from deployer.model.fleet import Host
from deployer.model.ledger import Entry
from deployer.model.outcome import HostEnd, HostOutcome, Outcome, Result, advice
from deployer.model.release import one_name
from deployer.model.state import HostState, Order

Verb = Callable[[Host, Order], HostState]


def abort(request: Request, ports: Ports) -> tuple[Outcome, tuple[Entry, ...]]:
    """Every pending host back to its good release. Returns the OUTCOME records that close the deploys."""
    return settle(request, ports, ports.hosts.revert, "reverted")


def confirm(request: Request, ports: Ports) -> tuple[Outcome, tuple[Entry, ...]]:
    """Every pending host keeps what it runs: a person takes the verdict upon themselves."""
    return settle(request, ports, ports.hosts.confirm, "confirmed")


def settle(request: Request, ports: Ports, verb: Verb, end: HostEnd) -> tuple[Outcome, tuple[Entry, ...]]:
    """Apply `verb` to every host with a deploy in flight and read all hosts back; a revert is asked for again until
    the host's own watchdog must have acted."""
    hosts = [host for host in request.hosts if host.name in request.limit]
    before = survey(ports, hosts)
    states = successes(before)
    pending = [host for host in hosts if host.name in states and states[host.name].in_flight]
    if not pending and len(states) == len(hosts):
        return Outcome("unchanged", environment=request.environment, playbook=request.playbook.name), ()
    deploys = {states[host.name].deploy for host in pending}
    if end == "confirmed" and len(deploys) > 1:
        raise DeployError(f"cannot confirm: different deploys are pending: {', '.join(sorted(deploys))}")

    def one(host: Host) -> HostState:
        state = states[host.name]
        return verb(host, Order(state.deploy, max(state.fence, 1), command_of(state), state.target))

    if end == "reverted":
        tell_bystanders(ports, [host for host in hosts if host not in pending], states)
    longest = max((states[host.name].left for host in pending), default=0)  # by what they say: never beyond a lease
    until = ports.clock.monotonic() + min(longest, request.playbook.confirm_timeout) + GRACE
    results: dict[str, HostState | HostError] = {}
    todo = pending
    while True:
        results |= each_at_once(ports, todo, one)
        after = read_back(ports, hosts)
        todo = [host for host in todo if end == "reverted" and unsettled(results[host.name], after[host.name])]
        if not todo or ports.clock.monotonic() > until or ports.stop.asked() >= TURN_BACK:
            break
        ports.clock.sleep(RETRY)
    ends = {name: host_end(after[name], states.get(name), results.get(name), end) for name in after}
    return closing(request, ports, ends, states, end)


def unsettled(result: HostState | HostError, after: HostState | HostError) -> bool:
    """Worth another question: silent, rebooting, or on its way back (its watchdog may have taken over); not one that is
    stuck."""
    if isinstance(result, Refused) and not result.passing:
        return False
    return isinstance(after, Unreachable) or (isinstance(after, HostState) and after.in_flight)


def host_end(
    after: HostState | HostError,
    before: HostState | None,
    result: HostState | HostError | None,
    end: HostEnd,
) -> HostOutcome:
    """How one host stands after the verb."""
    if isinstance(after, HostError):
        return HostOutcome("unreachable", error=str(after))
    goal = after.good if before is None or end == "reverted" else before.current
    if after.verified_on(goal):
        return HostOutcome(end if result is not None else "untouched", after.current, verified=True)
    why = str(result) if isinstance(result, HostError) else describe(after)
    return HostOutcome("pending" if after.in_flight else "failed", after.current, error=why)


def apart(ends: dict[str, HostOutcome]) -> str:
    """Every host with its release where they are not on one; "" else. What was adopted is each host's own."""
    releases = {one_name(e.release) for e in ends.values()}
    return "; ".join(f"{name}: runs {e.release}" for name, e in sorted(ends.items())) if len(releases) > 1 else ""


def closing(
    request: Request, ports: Ports, ends: dict[str, HostOutcome], states: dict[str, HostState], end: HostEnd
) -> tuple[Outcome, tuple[Entry, ...]]:
    """The outcome (of the newest deploy, where several were in flight), and the records that close them in the
    ledger."""
    done: Result = "reverted" if end == "reverted" else "deployed"
    doubtful = unverified(ends) or (apart(ends) if end == "confirmed" else "")
    result: Result = "stranded" if doubtful else done
    because = doubtful or f"{'aborted' if end == 'reverted' else 'confirmed'} by {request.who}"
    flying = {name: state for name, state in states.items() if state.in_flight}
    runs = {name: e.release for name, e in ends.items()}
    entries = closings(request, flying, because, ports, result, runs)
    deploy, release = (entries[-1].deploy, entries[-1].release) if entries else ("", "")
    outcome = Outcome(result, deploy, request.environment, request.playbook.name, release, hosts=ends, error=because)
    if doubtful:
        outcome = replace(outcome, hint=advice(ends, "run deploy status"))
    return outcome, entries
