"""Bring hosts that missed a deploy to what the ledger says they should run: a rollback with the ledger's targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployer.engine.belongs import refuse_foreign
from deployer.engine.fanout import successes
from deployer.engine.lock import free_lock
from deployer.engine.order import numbered
from deployer.engine.ports import Ledger, Ports
from deployer.engine.push import outcome
from deployer.engine.record import close, outcome_entry
from deployer.engine.request import Request
from deployer.engine.rollback import Packages, bystanders, settle, walk_back
from deployer.engine.survey import survey
from deployer.engine.target import on_host
from deployer.model.desired import desired
from deployer.model.errors import DeployError, HostError
from deployer.model.events import Planned
from deployer.model.ledger import known_number
from deployer.model.outcome import HostOutcome, Outcome
from deployer.model.plan import HostPlan, Plan
from deployer.model.state import HostState, Order


def lagging(wanted: Mapping[str, str], surveyed: Mapping[str, HostState | HostError]) -> dict[str, str]:
    """Host -> the release it should run and is not verified on. Hosts that gave no state, are not adopted or were never
    part of a deploy are not in it."""
    goals = {
        name: on_host(state, wanted[name])
        for name, state in successes(dict(surveyed)).items()
        if state.adopted and wanted.get(name)
    }
    states = successes(dict(surveyed))
    return {name: goal for name, goal in goals.items() if not states[name].verified_on(goal)}


def repair(
    request: Request, ports: Ports, ledger: Ledger, approve: Callable[[Plan], bool], packages: Packages
) -> Outcome:
    """Walk every lagging host to its release; hosts that fail are named and the others go on. Raises DeployError when
    the ledger cannot be read, another deploy holds the lock, or nobody approves."""
    began = ports.clock.monotonic()
    chain = free_lock(request, ports, ledger)
    surveyed = survey(ports, [host for host in request.hosts if host.name in request.limit])
    states = {name: state for name, state in successes(surveyed).items() if state.adopted}
    refuse_foreign(chain, states, ledger, request.environment)
    goals = lagging(desired(chain, request.playbook.name), surveyed)
    plan = repair_plan(request, goals, states)
    ports.emit(Planned(plan))
    if goals and not approve(plan):
        raise DeployError("not approved", hint="answer y, or pass --yes")
    order = numbered(Order("", 0, "rollback", plan.release, plan.lease), known_number(chain), states, ports)
    ending = walk_back(ports, plan, order, states, packages)
    ending.hosts |= bystanders(plan, surveyed)
    for name in plan.unchanged:
        now = states[name].current
        ending.hosts[name] = HostOutcome("untouched", now, states[name].verified_on(now))
    settle(ending, plan)
    ending.seconds["total"] = ports.clock.monotonic() - began
    if goals:
        close(ledger, outcome_entry(request, plan, order.deploy, ending, ports.clock.now()), ports)
    return outcome(plan, order.deploy if goals else "", ending)


def repair_plan(request: Request, goals: Mapping[str, str], states: Mapping[str, HostState]) -> Plan:
    """One wave. previous stays empty: nothing is quarantined by it. release: the one of all, "" where they differ."""
    by_name = {host.name: host for host in request.hosts}
    releases = set(goals.values()) or {state.current for state in states.values()}
    return Plan(
        command="rollback",
        environment=request.environment,
        playbook=request.playbook.name,
        release=releases.pop() if len(releases) == 1 else "",
        previous="",
        revision="",
        hosts={name: HostPlan(by_name[name], states[name].current, goal, {}) for name, goal in goals.items()},
        waves=(tuple(goals),) if goals else (),
        unchanged=tuple(name for name in states if name not in goals),
        lease=int(request.playbook.confirm_timeout),
    )
