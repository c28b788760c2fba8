"""`deploy unadopt`: the hosts are nobody's again. What they serve stays, as a directory in the place of the link."""

from __future__ import annotations

from dataclasses import replace

from deployer.engine.deploy.adopt import adoption, common, untouched
from deployer.engine.deploy.belongs import refuse_foreign
from deployer.engine.deploy.endings import unverified
from deployer.engine.deploy.lock import free_lock
from deployer.engine.deploy.order import numbered
from deployer.engine.deploy.record import close
from deployer.engine.deploy.request import Request
from deployer.engine.fanout import each, failures, successes
from deployer.engine.ports import Ledger, Ports
from deployer.engine.survey import read_back, survey
from deployer.model.desired import desired
from deployer.model.errors import DeployError, HostError
from deployer.model.events import HostChanged, Phase
from deployer.model.fleet import Host
from deployer.model.ledger import Ended, known_number
from deployer.model.outcome import HostOutcome, Outcome, Result
from deployer.model.state import HostState, Order

AGAIN = "mend what the message names and run deploy unadopt again: it finishes what was begun"


def unadopt(request: Request, ports: Ports, ledger: Ledger) -> Outcome:
    """Give back every host of the request, and finish where that was cut off.

    result: unadopted, unchanged where nothing was adopted, stranded when some hosts could not be given back. Raises
    DeployError while a host is silent, edited or has something in flight, and when no host changed: nothing is touched.
    """
    chain = free_lock(request, ports, ledger)
    hosts = [host for host in request.hosts if host.name in request.limit]
    before = survey(ports, hosts)
    refuse_unready(before)
    states = successes(before)
    refuse_foreign(chain, states, ledger, request)
    order = numbered(Order("", 0, "adopt", ""), known_number(chain), states, ports)
    ports.emit(Phase("unadopt", f"giving back what {len(hosts)} host(s) have"))
    results = each(ports, hosts, lambda h: give_back(ports, h, order))
    if failures(results) and untouched(ports, hosts, states, results):
        lines = "; ".join(f"{name}: {error}" for name, error in sorted(failures(results).items()))
        raise DeployError(f"cannot unadopt: {lines}", hint=AGAIN)
    after = read_back(ports, hosts)
    known = desired(chain, request.playbook.name)
    ends = {name: end_of(states[name], after[name], results[name], known.get(name, "")) for name in after}
    ours = {name: end.release for name, end in ends.items() if end.state == "unadopted"}
    bad, name = unverified(ends), request.playbook.name
    if not ours and not bad:
        return Outcome("unchanged", environment=request.environment, playbook=name, hosts=ends)
    release = common(set(ours.values()))
    result: Result = "stranded" if bad else "unadopted"
    hint = AGAIN if bad else ""
    outcome = Outcome(result, order.deploy, request.environment, name, release, hosts=ends, error=bad, hint=hint)
    close(ledger, record(request, outcome, ours, ports.clock.now()), ports)
    return outcome


def refuse_unready(surveyed: dict[str, HostState | HostError]) -> None:
    """Raise one DeployError that names every host that is silent, in flight or edited."""
    reasons = {name: why for name, result in surveyed.items() if (why := unready(result))}
    if reasons:
        lines = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        hint = "run deploy abort for what is in flight, deploy adopt for an edit; --limit leaves hosts out"
        raise DeployError(f"cannot unadopt {', '.join(reasons)}: {lines}", hint=hint)


def unready(state: HostState | HostError) -> str:
    """Why this host cannot be given back; "" when it can. Of one that was never adopted there is nothing to ask."""
    if isinstance(state, HostError):
        return f"no state: {state}"
    if state.adopted and state.in_flight:
        return f"deploy {state.deploy or '?'} is {state.phase} there ({state.left} s left)"
    if state.adopted and state.drift:
        return f"differs from its release: {', '.join(state.drift[:5])}"
    return ""


def give_back(ports: Ports, host: Host, order: Order) -> HostState:
    """One host, and say so."""
    state = ports.hosts.unadopt(host, order)
    ports.emit(HostChanged(host.name, "unadopted", "a plain directory again"))
    return state


def end_of(before: HostState, after: HostState | HostError, result: HostState | HostError, known: str) -> HostOutcome:
    """How one host stands: nothing of ours is left, or why not. known: what the ledger says it runs, "" for nothing;
    whoever gave it back may have died before that was written."""
    if isinstance(after, HostError):
        return HostOutcome("unreachable", error=str(after))
    if after.adopted or after.current:
        return HostOutcome(
            "failed", after.current, error=str(result) if isinstance(result, HostError) else "still ours"
        )
    had = before.current or known
    return HostOutcome("unadopted" if before.adopted or had else "untouched", had, verified=True)


def record(request: Request, outcome: Outcome, ours: dict[str, str], now: float) -> Ended:
    """The OUTCOME about the hosts that were given back, with what each had (model/ledger.py says why it is `adopt`)."""
    return replace(adoption(request, outcome, now), result="unadopted", hosts=ours)
