"""`deploy rollback`: the same rollout with another planner. SSH only: no git, no gate, no HTTP.

One wave; a host that fails is reported and the others go on. The command probes and records afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from deployer.engine.fanout import each, each_at_once, failures, successes
from deployer.engine.order import numbered
from deployer.engine.ports import Ports
from deployer.engine.push import outcome
from deployer.engine.record import outcome_entry
from deployer.engine.request import Request
from deployer.engine.rollout import Ending, rollout
from deployer.engine.survey import survey
from deployer.engine.target import last_good, on_host
from deployer.engine.undo import unverified
from deployer.model.errors import DeployError, HostError
from deployer.model.events import Planned
from deployer.model.fleet import Host
from deployer.model.ledger import Entry
from deployer.model.outcome import HostOutcome, Outcome
from deployer.model.plan import HostPlan, Plan
from deployer.model.quorum import credible
from deployer.model.release import Package
from deployer.model.state import HostState, Order
from deployer.model.verdict import Verdict

Packages = Callable[[Mapping[str, str]], Mapping[str, Package]]  # host -> release it lacks; gives what can be had


def rollback(
    request: Request,
    ports: Ports,
    target: str | None,
    approve: Callable[[Plan], bool],
    packages: Packages,
) -> tuple[Outcome, Entry]:
    """Bring every host to `target` (None: the last good release). Returns the outcome and the OUTCOME record to be
    written. `packages` is called once, where hosts lack the release. Raises DeployError if nothing is done."""
    began = ports.clock.monotonic()
    hosts = [host for host in request.hosts if host.name in request.limit]
    surveyed = survey(ports, hosts)
    states = adopted(surveyed)
    release = target or last_good(credible(states).values())
    plan = rollback_plan(request, release, states)
    ports.emit(Planned(plan))
    if plan.hosts and not approve(plan):
        raise DeployError("not approved", hint="answer y, or pass --yes")
    order = numbered(Order("", 0, "rollback", release, plan.lease), 0, states, ports)
    ending = walk_back(ports, plan, order, states, packages)
    ending.hosts |= bystanders(plan, surveyed)
    settle(ending, plan)
    ending.seconds["total"] = ports.clock.monotonic() - began
    entry = outcome_entry(request, plan, order.deploy, ending, ports.clock.now())
    return outcome(plan, order.deploy, ending), entry


def walk_back(ports: Ports, plan: Plan, order: Order, states: dict[str, HostState], packages: Packages) -> Ending:
    """What is pending goes back first, what is missing is staged, and every host that can be walked is."""
    aborted = abort_pending(ports, plan, states, order)
    missing = stage_missing(ports, plan, states, packages)
    refuse_nowhere(plan, states, missing)
    walkable = without(plan, {**aborted, **missing})
    ending = rollout(walkable, order, ports, alive, lambda: None) if walkable.hosts else Ending("unchanged")
    ending.hosts |= {
        n: HostOutcome("failed", states[n].current, error=str(e)) for n, e in {**missing, **aborted}.items()
    }
    return ending


def refuse_nowhere(plan: Plan, states: dict[str, HostState], missing: dict[str, HostError]) -> None:
    """Raises DeployError where no host can take the release (a slip of the pen, say) and none was in flight: all of
    them are what they were."""
    if len(missing) == len(states) and not any(state.in_flight for state in states.values()):
        lines = "; ".join(f"{name}: {error}" for name, error in missing.items())
        raise DeployError(f"cannot roll back to {plan.release}: {lines}", hint="deploy history lists the releases")


def adopted(surveyed: dict[str, HostState | HostError]) -> dict[str, HostState]:
    """The hosts that can take part. Raises DeployError when there is none."""
    states = {name: state for name, state in successes(surveyed).items() if state.adopted}
    if states:
        return states
    lines = "; ".join(f"{n}: {e}" for n, e in failures(surveyed).items()) or "no host is adopted"
    raise DeployError(f"cannot roll back: {lines}", hint="check ssh to these hosts, then run it again")


def rollback_plan(request: Request, release: str, states: dict[str, HostState]) -> Plan:
    """One wave of every host that is not verified on its target."""
    by_name = {host.name: host for host in request.hosts}
    goals = {name: on_host(state, release) for name, state in states.items()}
    hosts = {
        name: HostPlan(by_name[name], state.current, goals[name], {})
        for name, state in states.items()
        if not state.verified_on(goals[name])
    }
    before = {state.current for name, state in states.items() if name in hosts}
    return Plan(
        command="rollback",
        environment=request.environment,
        playbook=request.playbook.name,
        release=release if release in goals.values() else next(iter(goals.values())),
        previous=before.pop() if len(before) == 1 else "",
        revision="",
        hosts=hosts,
        waves=(tuple(hosts),) if hosts else (),
        unchanged=tuple(name for name in states if name not in hosts),
        lease=int(request.playbook.confirm_timeout),
    )


def abort_pending(ports: Ports, plan: Plan, states: dict[str, HostState], order: Order) -> dict[str, HostError]:
    """Hosts with a deploy in flight first go back to what they had confirmed: two deploys never leave two pending
    changes on a host."""
    pending = [plan.hosts[name].host for name, state in states.items() if state.in_flight and name in plan.hosts]

    def one(host: Host) -> HostState:
        state = states[host.name]
        stuck = Order(state.deploy, max(state.fence, 1), "rollback", state.target, order.lease)
        return ports.hosts.revert(host, stuck)

    return failures(each_at_once(ports, pending, one))


def stage_missing(ports: Ports, plan: Plan, states: dict[str, HostState], packages: Packages) -> dict[str, HostError]:
    """A host that lacks the release gets it pushed. What is the fleet's is done once, here: a worker touches nothing
    but its own host."""
    lacking = [p.host for n, p in plan.hosts.items() if p.target not in states[n].releases]
    found = packages({host.name: plan.hosts[host.name].target for host in lacking}) if lacking else {}

    def one(host: Host) -> HostState:
        if host.name not in found:
            raise HostError("does not have it, and it cannot be read from git now")
        return ports.hosts.stage(host, found[host.name])

    return failures(each(ports, lacking, one))


def without(plan: Plan, out: dict[str, HostError]) -> Plan:
    """The plan less the hosts that cannot be walked."""
    hosts = {name: p for name, p in plan.hosts.items() if name not in out}
    return replace(plan, hosts=hosts, waves=(tuple(hosts),) if hosts else ())


def alive(touched: tuple[str, ...], lost: Callable[[], str]) -> Verdict:
    """No gate: each host has proven over SSH that its running process has the release."""
    return Verdict("healthy", "proven over SSH on every host that answered")


def bystanders(plan: Plan, surveyed: dict[str, HostState | HostError]) -> dict[str, HostOutcome]:
    """Hosts that were already there, and hosts that could not be asked."""
    ends = {name: HostOutcome("confirmed", plan.release, verified=True) for name in plan.unchanged}
    for name, result in surveyed.items():
        if isinstance(result, HostError):
            ends[name] = HostOutcome("unreachable", error=str(result))
        elif not result.adopted:
            ends[name] = HostOutcome("failed", error="not adopted")
    return ends


def settle(ending: Ending, plan: Plan) -> None:
    """deployed only if every host of the fleet is verified; else a human is needed, and the hosts are named."""
    doubtful = unverified(ending.hosts)
    if ending.result in ("deployed", "unchanged", "stranded") and doubtful:
        ending.result = "stranded"
        ending.because = f"not every host is verified on {plan.release}: {doubtful}"
