"""`deploy abort` and `deploy confirm`: settle by hand what is pending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deployer.engine.deploy.closing import closings, command_of, target_of
from deployer.engine.deploy.endings import GRACE, RETRY, describe, unverified
from deployer.engine.deploy.request import Request
from deployer.engine.deploy.walk_back import tell_bystanders
from deployer.engine.deploy.witness import Recall, Witness, unreadable
from deployer.engine.fanout import each_at_once, successes
from deployer.engine.ports import TURN_BACK, Ports
from deployer.engine.survey import read_back, survey
from deployer.model.errors import DeployError, HostError, Refused, Unreachable
from deployer.model.fleet import Host
from deployer.model.ledger import Ended
from deployer.model.outcome import HostEnd, HostOutcome, Outcome, Result, advice
from deployer.model.release import one_name
from deployer.model.state import HostState, Order, number_of

Verb = Callable[[Host, Order], HostState]


def abort(request: Request, ports: Ports, recall: Recall = unreadable) -> tuple[Outcome, tuple[Ended, ...]]:
    """Every pending host back to its good release. Returns the OUTCOME records that close the deploys. recall: reads
    the ledger."""
    return settle(request, ports, ports.hosts.revert, "reverted", recall)


def confirm(request: Request, ports: Ports, recall: Recall = unreadable) -> tuple[Outcome, tuple[Ended, ...]]:
    """Every pending host keeps what it runs: a person takes the verdict upon themselves."""
    return settle(request, ports, ports.hosts.confirm, "confirmed", recall)


def settle(
    request: Request, ports: Ports, verb: Verb, end: HostEnd, recall: Recall
) -> tuple[Outcome, tuple[Ended, ...]]:
    """Apply `verb` to every host with a deploy in flight and read all hosts back; a revert is asked for again until
    the host's own watchdog must have acted."""
    hosts = [host for host in request.hosts if host.name in request.limit]
    before = survey(ports, hosts)
    states = successes(before)
    witness = Witness(request, ports, states, recall)
    pending = [host for host in hosts if host.name in states and states[host.name].in_flight]
    if not pending and len(states) == len(hosts):
        return Outcome("unchanged", environment=request.environment, playbook=request.playbook.name), ()
    if end == "confirmed":
        pending = of_one_deploy(pending, witness)

    def one(host: Host) -> HostState:
        state = states[host.name]
        return verb(host, Order(state.deploy, max(state.fence, 1), command_of({host.name: state}), state.target))

    if end == "reverted":
        tell_bystanders(witness, [host for host in hosts if host not in pending])
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
    flying = {host.name: states[host.name] for host in pending}
    return closing(witness, ends, flying, end)


def of_one_deploy(pending: list[Host], witness: Witness) -> list[Host]:
    """Those that may be confirmed together. Of several deploys, what one host alone says is left alone: it is named by
    how it ends. Raises DeployError where several are in flight by more than that."""
    states = witness.states
    deploys = {states[host.name].deploy for host in pending}
    if len(deploys) < 2:
        return pending
    real = [deploy for deploy in deploys if witness.open(deploy)]
    if len(real) != 1:
        raise DeployError(f"cannot confirm: different deploys are pending: {', '.join(sorted(real or deploys))}")
    return [host for host in pending if states[host.name].deploy == real[0]]


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
    witness: Witness, ends: dict[str, HostOutcome], flying: dict[str, HostState], end: HostEnd
) -> tuple[Outcome, tuple[Ended, ...]]:
    """The outcome (of the newest deploy, where several were in flight: flying), and the records that close them in the
    ledger."""
    request = witness.request
    done: Result = "reverted" if end == "reverted" else "deployed"
    doubtful = unverified(ends) or (apart(ends) if end == "confirmed" else "")
    result: Result = "stranded" if doubtful else done
    because = doubtful or f"{'aborted' if end == 'reverted' else 'confirmed'} by {request.who}"
    runs = {name: e.release for name, e in ends.items()}
    entries = closings(witness, flying, because, result, runs)
    deploy = max((state.deploy for state in flying.values()), key=number_of, default="")
    deploy = entries[-1].deploy if entries else deploy
    about = {name: state for name, state in flying.items() if state.deploy == deploy}
    release = entries[-1].release if entries else target_of(about) if about else ""
    outcome = Outcome(result, deploy, request.environment, request.playbook.name, release, hosts=ends, error=because)
    if doubtful:
        outcome = replace(outcome, hint=advice(ends, "run deploy status"))
    return outcome, entries
