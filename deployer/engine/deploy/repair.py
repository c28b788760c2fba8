"""Bring hosts that missed a deploy to what the ledger says they should run: a rollback with the ledger's targets.

In the hosts' history it is what it restates (a push or a rollback): `deploy rollback` afterwards goes where it would
have gone had these hosts not missed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from deployer.engine.deploy.belongs import refuse_foreign
from deployer.engine.deploy.ending import outcome
from deployer.engine.deploy.late import write_missing
from deployer.engine.deploy.lock import free_lock
from deployer.engine.deploy.order import numbered
from deployer.engine.deploy.record import close, outcome_entry
from deployer.engine.deploy.request import Request
from deployer.engine.deploy.rollback import bystanders, settle
from deployer.engine.deploy.target import on_host
from deployer.engine.deploy.walk_back import Packages, walk_back
from deployer.engine.deploy.witness import believed, recorded
from deployer.engine.fanout import heed, successes
from deployer.engine.ports import Ledger, Ports
from deployer.engine.survey import survey
from deployer.model.desired import decided, desired
from deployer.model.errors import DeployError, HostError
from deployer.model.events import Planned
from deployer.model.ledger import Command, known_number
from deployer.model.outcome import HostOutcome, Outcome, advice
from deployer.model.plan import HostPlan, Plan
from deployer.model.release import one_name
from deployer.model.stand import disowned
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
    refuse_foreign(chain, states, ledger, request)
    if write_missing(request, chain, surveyed, ports, ledger):
        chain = ledger.read()
    goals = lagging(desired(chain, request.playbook.name), surveyed)
    refuse_disowned(goals, believed(states, recorded(chain)))
    plan = repair_plan(request, goals, states)
    ports.emit(Planned(plan))
    approved = not goals or approve(plan)
    heed(ports)
    if not approved:
        raise DeployError("not approved", hint="answer y, or pass --yes")
    sources = {word for name, (_, word) in decided(chain, request.playbook.name).items() if name in goals}
    command: Command = "push" if "push" in sources else "rollback"
    order = Order("", 0, command, plan.release, plan.lease, restart=True)
    order = numbered(order, known_number(chain), states, ports)
    ending = walk_back(ports, plan, order, states, packages)
    ending.hosts |= bystanders(plan, surveyed)
    for name in plan.unchanged:
        now = states[name].current
        ending.hosts[name] = HostOutcome("untouched", now, states[name].verified_on(now))
    settle(ending, plan)
    ending.seconds["total"] = ports.clock.monotonic() - began
    if goals:
        close(ledger, outcome_entry(request, plan, order.deploy, ending, ports.clock.now()), ports)
    end = outcome(plan, order.deploy if goals else "", ending)
    return replace(end, hint=advice(end.hosts, "run deploy status --repair again")) if end.error else end


def refuse_disowned(goals: Mapping[str, str], states: Mapping[str, HostState]) -> None:
    """A rollback that began and was never recorded is known to the hosts alone: what it called bad goes nowhere.
    states: as they are believed (engine/deploy/witness.py); one host alone stops no repair."""
    bad = disowned(line for state in states.values() for line in state.history)
    names = sorted(name for name, goal in goals.items() if one_name(goal) in bad)
    if names:
        raise DeployError(
            f"cannot repair {', '.join(names)}: a rollback away from {goals[names[0]]} is not finished",
            hint="deploy rollback finishes it",
        )


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
