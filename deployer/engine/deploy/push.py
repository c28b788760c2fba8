"""`deploy push`, straight down: lock, survey, plan, stage and check, waves, decision, confirm, outcome."""

from __future__ import annotations

from collections.abc import Callable

from deployer.engine.deploy.belongs import refuse_foreign
from deployer.engine.deploy.ending import Ending, outcome
from deployer.engine.deploy.hold import Hold
from deployer.engine.deploy.judge import make_judge
from deployer.engine.deploy.late import write_missing
from deployer.engine.deploy.lock import free_lock
from deployer.engine.deploy.missing import refuse_missing
from deployer.engine.deploy.order import make_order
from deployer.engine.deploy.plan import colds, costs, push_plan, refuse_restarts
from deployer.engine.deploy.record import append, close, decision, intent, outcome_entry
from deployer.engine.deploy.refusals import missed, refuse_behind, refuse_other_plan, refuse_quarantined
from deployer.engine.deploy.request import Policy, Request
from deployer.engine.deploy.rollout import rollout, stage_and_check
from deployer.engine.fanout import each, failures, heed, successes
from deployer.engine.ports import Ledger, Ports
from deployer.engine.survey import survey
from deployer.model.errors import DeployError, Interrupted, LedgerMoved, LedgerUnavailable
from deployer.model.events import Notice, Numbered, Planned
from deployer.model.outcome import Outcome
from deployer.model.plan import Plan
from deployer.model.release import Release
from deployer.model.state import Order


class NothingToDo(Exception):
    """The fleet has the release already."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.release)
        self.plan = plan


def push(request: Request, release: Release, ports: Ports, ledger: Ledger, policy: Policy) -> Outcome:
    """Bring `release` to the hosts of `request`. Raises DeployError (LockedError, ...) when refused before any
    host was changed; otherwise the Outcome says how it ended and is recorded."""
    with ledger.heartbeat() as alive:
        return walk(request, release, ports, ledger, policy, alive)


def walk(
    request: Request, release: Release, ports: Ports, ledger: Ledger, policy: Policy, alive: Callable[[], str]
) -> Outcome:
    """The whole of it, while this machine shows that it lives."""
    began = ports.clock.monotonic()
    try:
        plan, order = prepare(request, release, ports, ledger, policy, alive)
    except NothingToDo as done:
        return outcome(done.plan, "", Ending("unchanged"))

    def commit() -> None:
        append(ledger, decision(request, plan, order.deploy, "commit", ports.clock.now()), ports)

    hold = Hold(commit, ledger, order.deploy)
    seconds: dict[str, float] = {}
    try:
        before = ports.clock.monotonic()
        heed(ports)
        plan = stage_and_check(plan, ports, lambda host: release.packages[host.name])
        refuse_restarts(plan, order.restart)
        for text in costs(plan):
            ports.emit(Notice("warning", text))
        for text in colds(plan):
            ports.emit(Notice("info", text))
        seconds["stage"] = ports.clock.monotonic() - before
        spare = [host for host in request.hosts if host.name in plan.control]
        judge = make_judge(plan, ports, policy, spare, hold.noticed)
        hold.require()
    except DeployError as error:
        ending = refused(request, plan, order, ports, ledger, error)
        if isinstance(error, Interrupted):
            return outcome(plan, order.deploy, ending)
        raise
    ending = rollout(plan, order, ports, judge, hold)
    if ending.result == "deployed":
        prune(request, plan, ports)
    ending.seconds = {"total": ports.clock.monotonic() - began, **seconds, **ending.seconds}
    close(ledger, outcome_entry(request, plan, order.deploy, ending, ports.clock.now()), ports)
    return outcome(plan, order.deploy, ending)


def prepare(
    request: Request, release: Release, ports: Ports, ledger: Ledger, policy: Policy, alive: Callable[[], str]
) -> tuple[Plan, Order]:
    """Plan and take the lock. The chain is read before the hosts are asked and the INTENT is appended by
    compare-and-swap on that very chain, so no other deploy can have run in between. Raises NothingToDo."""
    for _ in range(3):
        chain = free_lock(request, ports, ledger)
        refuse_quarantined(chain, request, release.id)
        surveyed = survey(ports, request.hosts)
        refuse_foreign(chain, successes(surveyed), ledger, request)
        if write_missing(request, chain, surveyed, ports, ledger):
            continue
        refuse_behind(chain, surveyed, ports)
        plan = push_plan(request, release, surveyed)
        ports.emit(Planned(plan))
        refuse_other_plan(plan, policy.expected)
        if not plan.hosts:
            raise NothingToDo(plan)
        for text in refuse_missing(plan, ports, policy.missing):
            ports.emit(Notice("warning", text))
        approved = policy.approve(plan)
        heed(ports)
        if not approved:
            raise DeployError("not approved", hint="answer y, or pass --yes")
        order = make_order(plan, chain, successes(surveyed), request.playbook.restart == "allow", ports)
        hosts = {name: p.target for name, p in plan.hosts.items()} | missed(request, release.id, surveyed)
        try:
            ledger.append(intent(request, plan, order.deploy, ports, hosts, alive()), len(chain))
        except LedgerMoved:
            continue
        except LedgerUnavailable as error:  # it may be written, and would be a lock of nobody
            refused(request, plan, order, ports, ledger, error)
            raise
        ports.emit(Numbered(order.deploy))
        return plan, order
    raise LedgerMoved("cannot take the lock: the ledger keeps moving", hint="try again in a moment")


def prune(request: Request, plan: Plan, ports: Ports) -> None:
    """Old releases go, best effort: the deploy is done either way, and being asked to stop only ends the tidying."""
    hosts = [p.host for p in plan.hosts.values()]
    try:
        results = each(ports, hosts, lambda host: ports.hosts.prune(host, request.playbook.keep_releases))
    except Interrupted:
        return
    for name, error in failures(results).items():
        ports.emit(Notice("warning", f"{name}: old releases were not pruned: {error}"))


def refused(request: Request, plan: Plan, order: Order, ports: Ports, ledger: Ledger, error: DeployError) -> Ending:
    """Nothing was activated: give the lock back and write down why."""
    ending = Ending("interrupted" if isinstance(error, Interrupted) else "refused", because=error.message)
    close(ledger, outcome_entry(request, plan, order.deploy, ending, ports.clock.now()), ports)
    return ending
