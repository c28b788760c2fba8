"""`deploy rollback`: the same rollout with another planner. SSH only: no git, no gate, no HTTP.

Where it goes is worked out in target.py. The command probes and records afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deployer.engine.deploy.closing import closings
from deployer.engine.deploy.ending import Ending, outcome
from deployer.engine.deploy.endings import unverified
from deployer.engine.deploy.order import numbered
from deployer.engine.deploy.record import outcome_entry
from deployer.engine.deploy.request import Request
from deployer.engine.deploy.target import Aim, further, on_host
from deployer.engine.deploy.walk_back import Packages, tell_bystanders, walk_back
from deployer.engine.deploy.witness import Recall, Witness, unreadable
from deployer.engine.fanout import failures, heed, successes
from deployer.engine.ports import Ports
from deployer.engine.survey import survey
from deployer.model.errors import DeployError, HostError
from deployer.model.events import Planned
from deployer.model.ledger import Ended
from deployer.model.outcome import HostOutcome, Outcome
from deployer.model.plan import HostPlan, Plan
from deployer.model.release import ADOPTED, ReleaseId, shown
from deployer.model.state import HostState, Order


@dataclass(frozen=True)
class Consent:
    """What a person answers. approve: may this plan start? one_further: the hosts are all where the last rollback or
    automatic revert left them; shall they go one step further, where there is one (`Aim.further`)? Only a person can
    say so. It is told the hosts that are not known to be there, too."""

    approve: Callable[[Plan], bool]
    one_further: Callable[[Aim, Sequence[str]], bool] = lambda aim, apart: False


def rollback(
    request: Request,
    ports: Ports,
    target: str | None,
    consent: Consent,
    packages: Packages,
    recall: Recall = unreadable,
) -> tuple[Outcome, tuple[Ended, ...]]:
    """Bring every host to `target` (None: where target.py says). Returns the outcome and the OUTCOME records to be
    written, the rollback's own last. `packages` is called once, where hosts lack the release; `recall` (reads the
    ledger) where one host alone would change where all go, and for what was in flight. Raises DeployError if nothing is
    done, LockedError if another deploy was faster on every host."""
    began = ports.clock.monotonic()
    hosts = [host for host in request.hosts if host.name in request.limit]
    surveyed = survey(ports, hosts)
    states = adopted(surveyed)
    witness = Witness(request, ports, successes(surveyed), recall)
    aim = witness.aim(target)
    there = {name for name, state in states.items() if state.verified_on(on_host(state, aim.release))}
    apart = [host.name for host in hosts if host.name not in there]
    if aim.kind == "stay" and consent.one_further(aim, apart) and aim.further:
        aim = further(aim)
    plan = rollback_plan(request, aim, states)
    ports.emit(Planned(plan))
    approved = not plan.hosts or consent.approve(plan)
    heed(ports)
    if not approved:
        raise DeployError("not approved", hint="answer y, or pass --yes")
    order = Order("", 0, "rollback", plan.release, plan.lease, leaves=plan.previous)
    order = numbered(order, 0, states, ports)
    deploy = order.deploy
    tell_bystanders(witness, [host for host in request.hosts if host.name in plan.unchanged])
    ending = walk_back(ports, plan, order, states, packages)
    ending.hosts |= bystanders(plan, surveyed)
    settle(ending, plan)
    ending.seconds["total"] = ports.clock.monotonic() - began
    if ending.result == "unchanged":
        hint = f"deploy rollback --to {aim.further} goes one further" if ReleaseId(aim.further).whole else ""
        return replace(outcome(plan, "", ending), hint=hint), ()
    taken = [n for n in plan.hosts if states[n].in_flight and ending.hosts[n].verified]
    taken = [name for name in taken if ending.hosts[name].release != states[name].target]
    ended = closings(witness, {name: states[name] for name in taken}, f"taken back by rollback {deploy}")
    return outcome(plan, deploy, ending), (*ended, outcome_entry(request, plan, deploy, ending, ports.clock.now()))


def adopted(surveyed: dict[str, HostState | HostError]) -> dict[str, HostState]:
    """The hosts that can take part. Raises DeployError when there is none."""
    states = {name: state for name, state in successes(surveyed).items() if state.adopted}
    if states:
        return states
    lines = "; ".join(f"{n}: {e}" for n, e in failures(surveyed).items())
    if not lines:
        raise DeployError("cannot roll back: no host is adopted", hint="deploy adopt takes what is there as a release")
    raise DeployError(f"cannot roll back: {lines}", hint="check ssh to these hosts, then run it again")


def rollback_plan(request: Request, aim: Aim, states: dict[str, HostState]) -> Plan:
    """One wave of every host that is not verified on its target. previous: what is called bad by it."""
    by_name = {host.name: host for host in request.hosts}
    goals = {name: on_host(state, aim.release) for name, state in states.items()}
    hosts = {
        name: HostPlan(by_name[name], state.current, goals[name], {})
        for name, state in states.items()
        if not state.verified_on(goals[name])
    }
    return Plan(
        command="rollback",
        environment=request.environment,
        playbook=request.playbook.name,
        release=goals[min(goals)] if len(set(goals.values())) == 1 else ADOPTED,
        previous=aim.leaves if hosts and ReleaseId(aim.leaves).whole else "",
        revision="",
        hosts=hosts,
        waves=(tuple(hosts),) if hosts else (),
        unchanged=tuple(name for name in states if name not in hosts),
        lease=int(request.playbook.confirm_timeout),
    )


def bystanders(plan: Plan, surveyed: dict[str, HostState | HostError]) -> dict[str, HostOutcome]:
    """Hosts that were already there, and hosts that could not be asked."""
    ends = {}
    for name, result in surveyed.items():
        if isinstance(result, HostError):
            ends[name] = HostOutcome("unreachable", error=str(result))
        elif not result.adopted:
            ends[name] = HostOutcome("failed", error="not adopted")
        elif name in plan.unchanged:
            ends[name] = HostOutcome("confirmed", result.current, verified=True)
    return ends


def settle(ending: Ending, plan: Plan) -> None:
    """deployed only if every host of the fleet is verified; else a human is needed, and the hosts are named."""
    doubtful = unverified(ending.hosts)
    if ending.result in ("deployed", "unchanged", "stranded") and doubtful:
        ending.result = "stranded"
        ending.because = f"not every host is verified on {shown(plan.release)}: {doubtful}"
    elif ending.result == "stranded":
        ending.result, ending.because = "deployed", ""
