"""Every host to its target, over SSH alone: what `deploy rollback` and `deploy status --repair` share.

One wave; a host that fails is reported and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from deployer.engine.deploy.ending import Ending
from deployer.engine.deploy.endings import GRACE, RETRY
from deployer.engine.deploy.hold import Hold
from deployer.engine.deploy.rollout import rollout
from deployer.engine.deploy.witness import Witness
from deployer.engine.fanout import each_at_once, each_decided, failures, successes
from deployer.engine.ports import TURN_BACK, Ports
from deployer.engine.survey import read_back
from deployer.model.errors import DeployError, HostError, LockedError, Refused, Unreachable
from deployer.model.events import Notice
from deployer.model.fleet import Host
from deployer.model.outcome import HostOutcome
from deployer.model.plan import Plan
from deployer.model.release import Package
from deployer.model.state import HostState, Order, number_of
from deployer.model.verdict import Verdict

Packages = Callable[[Mapping[str, str]], Mapping[str, Package]]  # host -> release it lacks; gives what can be had


@dataclass(frozen=True)
class Way:
    """states: the hosts as they were found."""

    ports: Ports
    order: Order
    states: Mapping[str, HostState]
    packages: Packages


def walk_back(ports: Ports, plan: Plan, order: Order, states: dict[str, HostState], packages: Packages) -> Ending:
    """What is pending on its target is kept, what else is pending goes back first, what is missing is staged, and every
    host that can be walked is."""
    ready = join(ports, plan, states)
    aborted = abort_pending(ports, without(plan, ready), states, order)
    ready |= {n: state for n, state in successes(aborted).items() if state.verified_on(plan.hosts[n].target)}
    way = Way(ports, order, states, packages)
    ending = walk(way, plan, ready, failures(aborted))
    if ending.result in ("deployed", "unchanged", "stranded"):
        walk_late(way, plan, failures(aborted), ending)
        look_again(ports, plan, order, states, ending)
    return ending


def walk(way: Way, plan: Plan, ready: Mapping[str, HostState], failed: Mapping[str, HostError]) -> Ending:
    """Every host but those that are there (ready) and those that could not be freed of what is in flight (failed)."""
    ports, states = way.ports, way.states
    rest = without(plan, ready)
    missing = stage_missing(ports, rest, states, way.packages)
    refuse_nowhere(plan, states, missing)
    walkable = without(rest, {**failed, **missing})
    ending = Ending("deployed" if ready else "unchanged")
    if walkable.hosts:
        ending = rollout(walkable, way.order, ports, alive, Hold(lambda: None))
    ending.hosts |= {name: HostOutcome("confirmed", state.current, verified=True) for name, state in ready.items()}
    ending.hosts |= {
        n: HostOutcome("failed", states[n].current, error=str(e)) for n, e in {**missing, **failed}.items()
    }
    return ending


def walk_late(way: Way, plan: Plan, failed: Mapping[str, HostError], ending: Ending) -> None:
    """What is in flight on hosts that were silent, busy or going down is taken back as soon as they answer, at the
    latest when their own watchdogs must have acted; then they are walked like the others, which are back by now."""
    waiting = {n for n, e in failed.items() if isinstance(e, Unreachable) or (isinstance(e, Refused) and e.passing)}
    ports, order = way.ports, way.order
    until = ports.clock.monotonic() + order.lease + GRACE
    if names := ", ".join(sorted(waiting)):
        ports.emit(Notice("warning", f"{names}: what is in flight there is not taken back yet; still asking"))
    free: dict[str, HostState] = {}
    while waiting and ports.clock.monotonic() < until and not ports.stop.asked():
        ports.clock.sleep(RETRY)
        part = without(plan, set(plan.hosts) - waiting)
        aborted = abort_pending(ports, part, way.states, order)
        free |= successes(aborted) | meet(ports, part, [n for n, e in failures(aborted).items() if is_elsewhere(e)])
        waiting -= set(free)
    if not free or ports.stop.asked():
        return
    part = without(plan, set(plan.hosts) - set(free))
    ready = {n: state for n, state in free.items() if state.verified_on(plan.hosts[n].target)}
    late = walk(way, part, ready, {})
    ending.hosts |= late.hosts
    ending.result = late.result if ending.result == "unchanged" else ending.result


def is_elsewhere(error: HostError) -> bool:
    """It answers, and what was in flight there no longer is."""
    return isinstance(error, Refused) and not error.passing


def meet(ports: Ports, plan: Plan, names: Collection[str]) -> dict[str, HostState]:
    """Those of names that another rollback has taken there meanwhile. What it left pending is kept now: at the end of
    the wait its deployer may be dead, and its lease over."""
    states = successes(each_at_once(ports, [plan.hosts[name].host for name in names], ports.hosts.survey))
    there = {name: state for name, state in states.items() if state.verified_on(plan.hosts[name].target)}
    return there | join(ports, plan, states)


def join(ports: Ports, plan: Plan, states: Mapping[str, HostState]) -> dict[str, HostState]:
    """Hosts that are pending with a rollback to the very release that `plan` has for them (another person's, a dead
    deployer's) keep it: proof over SSH is all that a rollback asks for. Gives those that are verified there now."""
    ready = [
        plan.hosts[name].host
        for name, state in states.items()
        if name in plan.hosts and (state.phase, state.command) == ("pending", "rollback")
        if state.target == plan.hosts[name].target
    ]

    def one(host: Host) -> HostState:
        state = states[host.name]
        return ports.hosts.confirm(host, Order(state.deploy, max(state.fence, 1), "rollback", state.target))

    kept = successes(each_at_once(ports, ready, one))
    return {name: state for name, state in kept.items() if state.verified_on(plan.hosts[name].target)}


def abort_pending(
    ports: Ports, plan: Plan, states: Mapping[str, HostState], order: Order
) -> dict[str, HostState | HostError]:
    """Hosts with a deploy in flight first go back to what they had confirmed: two deploys never leave two pending
    changes on a host."""
    pending = [plan.hosts[name].host for name, state in states.items() if state.in_flight and name in plan.hosts]

    def one(host: Host) -> HostState:
        state = states[host.name]
        stuck = Order(state.deploy, max(state.fence, 1), "rollback", state.target, order.lease)
        return ports.hosts.revert(host, stuck)

    return each_at_once(ports, pending, one)


def tell_bystanders(witness: Witness, hosts: Collection[Host]) -> None:
    """Hosts that the newest push in flight never touched hear that it goes back, before it does. Were the touched ones
    alone to know it, and to be gone, a rollback would take the others a release further. Best effort; a push that one
    host invents is told to nobody."""
    states, ports = witness.states, witness.ports
    idle = [host for host in hosts if host.name in states and not states[host.name].in_flight]
    flying = [state for state in states.values() if state.in_flight and state.deploy and state.command != "rollback"]
    real = [state for state in flying if idle and witness.open(state.deploy)]
    if real:
        last = max(real, key=lambda state: number_of(state.deploy))
        order = Order(last.deploy, number_of(last.deploy), "push", last.target)
        each_at_once(ports, idle, lambda host: ports.hosts.revert(host, order))


def stage_missing(
    ports: Ports, plan: Plan, states: Mapping[str, HostState], packages: Packages
) -> dict[str, HostError]:
    """A host that lacks the release gets it pushed. What is the fleet's is done once, here: a worker touches nothing
    but its own host."""
    lacking = [p.host for n, p in plan.hosts.items() if p.target not in states[n].releases]
    found = packages({host.name: plan.hosts[host.name].target for host in lacking}) if lacking else {}

    def one(host: Host) -> HostState:
        if host.name not in found:
            raise HostError("does not have it, and it cannot be read from git now")
        return ports.hosts.stage(host, found[host.name])

    return failures(each_decided(ports, lacking, one))


def refuse_nowhere(plan: Plan, states: Mapping[str, HostState], missing: dict[str, HostError]) -> None:
    """Raises DeployError where no host can take the release (a slip of the pen, say) and none was in flight: all of
    them are what they were."""
    if len(missing) == len(states) and not any(state.in_flight for state in states.values()):
        lines = "; ".join(f"{name}: {error}" for name, error in missing.items())
        raise DeployError(f"cannot roll back to {plan.release}: {lines}", hint="deploy history lists the releases")


def without(plan: Plan, out: Collection[str]) -> Plan:
    """The plan less some hosts."""
    hosts = {name: p for name, p in plan.hosts.items() if name not in out}
    return replace(plan, hosts=hosts, waves=(tuple(hosts),) if hosts else ())


def alive(touched: tuple[str, ...], lost: Callable[[], str]) -> Verdict:
    """No gate: each host has proven over SSH that its running process has the release."""
    return Verdict("healthy", "proven over SSH on every host that answered")


def look_again(ports: Ports, plan: Plan, order: Order, before: Mapping[str, HostState], ending: Ending) -> None:
    """A host that refused us may have been taken there by another rollback: it counts for what it runs. Waits for those
    on their way there. Raises LockedError where another deploy was faster on every host and goes elsewhere."""
    todo = [n for n in plan.hosts if ending.hosts[n].state in ("pending", "failed") and not ending.hosts[n].verified]
    until = ports.clock.monotonic() + order.lease + GRACE
    states: dict[str, HostState] = {}
    while todo:
        states |= successes(read_back(ports, [plan.hosts[name].host for name in todo], tries=1))
        states |= join(ports, plan, {name: states[name] for name in todo if name in states})
        for name in todo:
            goal = plan.hosts[name].target
            if name in states and states[name].verified_on(goal):
                ending.hosts[name] = HostOutcome("confirmed", goal, verified=True)
        todo = [n for n in todo if n in states and on_its_way(states[n], plan.hosts[n].target)]
        if not todo or ports.clock.monotonic() > until or ports.stop.asked() >= TURN_BACK:
            break
        ports.clock.sleep(RETRY)
    theirs = {
        n: s.deploy for n, s in states.items() if s.in_flight and s.deploy not in (order.deploy, before[n].deploy)
    }
    refuse_overtaken(plan, ending, theirs)


def on_its_way(state: HostState, goal: str) -> bool:
    """In flight to it, or back to it."""
    return state.in_flight and goal in (state.target, state.good)


def refuse_overtaken(plan: Plan, ending: Ending, theirs: Mapping[str, str]) -> None:
    """Raises LockedError where every host refused us for a deploy that began meanwhile (theirs: host -> deploy)."""
    if theirs and set(theirs) == set(plan.hosts) and not any(ending.hosts[n].verified for n in plan.hosts):
        raise LockedError(
            f"cannot roll back: deploy {', '.join(sorted(set(theirs.values())))} is changing {', '.join(theirs)} now",
            hint="run deploy rollback again: it takes back what is in flight",
        )
