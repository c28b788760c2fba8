"""`deploy push`, straight down: lock, survey, plan, stage and check, waves, decision, confirm, outcome."""

from __future__ import annotations

from collections.abc import Callable

from deployer.engine.deploy.belongs import refuse_foreign
from deployer.engine.deploy.hold import Hold
from deployer.engine.deploy.judge import make_judge
from deployer.engine.deploy.lock import free_lock
from deployer.engine.deploy.missing import refuse_missing
from deployer.engine.deploy.order import numbered
from deployer.engine.deploy.plan import colds, costs, push_plan, refuse_restarts
from deployer.engine.deploy.record import append, close, decision, intent, longest_deploy, outcome_entry
from deployer.engine.deploy.request import Policy, Request
from deployer.engine.deploy.rollout import Ending, rollout, stage_and_check
from deployer.engine.fanout import each, failures, heed, successes
from deployer.engine.ports import Ledger, Ports
from deployer.engine.survey import survey
from deployer.model.errors import DeployError, HostError, Interrupted, LedgerMoved, LedgerUnavailable
from deployer.model.events import Notice, Numbered, Planned
from deployer.model.ledger import Entry, above_chain, forgotten, known_number, quarantined, unrecorded
from deployer.model.outcome import Outcome, advice
from deployer.model.plan import Plan
from deployer.model.quorum import needed, of_the_fleet
from deployer.model.release import Release
from deployer.model.state import HostState, Order


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
    prepared = prepare(request, release, ports, ledger, policy, alive)
    if isinstance(prepared, Outcome):
        return prepared
    plan, order = prepared

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
        return refused(request, plan, order, ports, ledger, error)
    ending = rollout(plan, order, ports, judge, hold)
    if ending.result == "deployed":
        prune(request, plan, ports)
    ending.seconds = {"total": ports.clock.monotonic() - began, **seconds, **ending.seconds}
    close(ledger, outcome_entry(request, plan, order.deploy, ending, ports.clock.now()), ports)
    return outcome(plan, order.deploy, ending)


def prepare(
    request: Request, release: Release, ports: Ports, ledger: Ledger, policy: Policy, alive: Callable[[], str]
) -> tuple[Plan, Order] | Outcome:
    """Plan and take the lock. The chain is read before the hosts are asked and the INTENT is appended by
    compare-and-swap on that very chain, so no other deploy can have run in between."""
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
            return outcome(plan, "", Ending("unchanged"))
        for text in refuse_missing(plan, ports, policy.missing):
            ports.emit(Notice("warning", text))
        approved = policy.approve(plan)
        heed(ports)
        if not approved:
            raise DeployError("not approved", hint="answer y, or pass --yes")
        order = make_order(plan, chain, surveyed, request.playbook.restart == "allow", ports)
        hosts = {name: p.target for name, p in plan.hosts.items()} | missed(request, release.id, surveyed)
        try:
            ledger.append(intent(request, plan, order.deploy, ports, hosts, alive()), len(chain))
        except LedgerMoved:
            continue
        except LedgerUnavailable as error:  # it may be written, and would be a lock of nobody
            return refused(request, plan, order, ports, ledger, error)
        ports.emit(Numbered(order.deploy))
        return plan, order
    raise LedgerMoved("cannot take the lock: the ledger keeps moving", hint="try again in a moment")


def missed(request: Request, release: str, surveyed: dict[str, HostState | HostError]) -> dict[str, str]:
    """Hosts that gave no state and were left out for it, while all others have a part: they get `release` when they
    are back (`deploy status --repair`). A push to some of those that answer says nothing about the rest."""
    silent = {name for name, state in surveyed.items() if isinstance(state, HostError)}
    whole = request.limit | silent >= {host.name for host in request.hosts}
    return dict.fromkeys(sorted(silent - request.limit), release) if whole else {}


def refuse_behind(chain: tuple[Entry, ...], surveyed: dict[str, HostState | HostError], ports: Ports) -> None:
    """The hosts' fences are a second record of what happened: a ledger behind them was shortened or replaced. One host
    of several that says so alone is named, and stops nobody."""
    states = successes(surveyed)
    histories = {name: state.history for name, state in states.items()}
    ahead = above_chain(chain, {name: state.fence for name, state in states.items()}, histories)
    names = ", ".join(f"{name} has seen deploy {fence}" for name, fence in ahead.items())
    text = f"the ledger is behind its hosts: {names}, and it has {len(chain)} record(s)"
    if ahead and len(ahead) >= needed(len(states)):
        raise DeployError(
            f"{text}: it was shortened or replaced",
            hint="find out who did it; deploy adopt takes what the hosts have as the truth from now on",
        )
    if ahead:
        ports.emit(Notice("warning", f"{text}; no other host knows of it: look at this host, and at the ledger"))


def write_missing(
    request: Request,
    chain: tuple[Entry, ...],
    surveyed: dict[str, HostState | HostError],
    ports: Ports,
    ledger: Ledger,
) -> bool:
    """Record what only the hosts remember; True when something was written (it may quarantine the release)."""
    histories = {name: state.history for name, state in successes(surveyed).items()}
    alone: dict[str, list[int]] = {}
    late = unrecorded(chain, request.environment, request.playbook.name, histories, ports.clock.now())
    recorded = {int(entry.deploy.split("-")[0]) for entry in late}
    compared = {name: of_the_fleet(lines) for name, lines in histories.items()}
    for line, names in forgotten(chain, request.playbook.name, compared).items():
        if len(names) == 1 < len(histories) and line.number not in recorded:
            alone.setdefault(names[0], []).append(line.number)
    for name, numbers in sorted(alone.items()):
        text = f"{name} alone remembers {len(numbers)} rollback(s) that the ledger does not know: not recorded"
        ports.emit(Notice("warning", text))
    for entry in late:
        ports.emit(Notice("info", f"recording rollback {entry.deploy}, which the ledger had missed"))
        append(ledger, entry, ports)
    return bool(late)


def prune(request: Request, plan: Plan, ports: Ports) -> None:
    """Old releases go, best effort: the deploy is done either way, and being asked to stop only ends the tidying."""
    hosts = [p.host for p in plan.hosts.values()]
    try:
        results = each(ports, hosts, lambda host: ports.hosts.prune(host, request.playbook.keep_releases))
    except Interrupted:
        return
    for name, error in failures(results).items():
        ports.emit(Notice("warning", f"{name}: old releases were not pruned: {error}"))


def make_order(
    plan: Plan, chain: tuple[Entry, ...], surveyed: dict[str, HostState | HostError], restart: bool, ports: Ports
) -> Order:
    """The fencing token is above the chain and above what its hosts have seen (offline rollbacks)."""
    cap = int(longest_deploy(plan))
    order = Order("", 0, plan.command, plan.release, plan.lease, cap, restart)
    return numbered(order, known_number(chain), successes(surveyed), ports)


def refuse_quarantined(chain: tuple[Entry, ...], request: Request, release: str) -> None:
    """A release that was reverted or rolled back from is not pushed again by the next CI run."""
    why = quarantined(chain, request.playbook.name).get(release)
    if why is not None and not request.allow_quarantined:
        raise DeployError(
            f"cannot push {release}: it is quarantined: {why}",
            hint="push a fix, or pass --allow-quarantined if the cause lay elsewhere",
        )


def refuse_other_plan(plan: Plan, expected: Plan | None) -> None:
    """A saved plan is applied exactly, or not at all."""
    if expected is not None and (plan.release, plan.waves, plan.hosts) != (
        expected.release,
        expected.waves,
        expected.hosts,
    ):
        raise DeployError(
            "cannot apply the saved plan: hosts or files have changed since", hint="run deploy plan -o again"
        )


def refused(request: Request, plan: Plan, order: Order, ports: Ports, ledger: Ledger, error: DeployError) -> Outcome:
    """Nothing was activated: give the lock back and say why."""
    interrupted = isinstance(error, Interrupted)
    ending = Ending("interrupted" if interrupted else "refused", because=error.message)
    close(ledger, outcome_entry(request, plan, order.deploy, ending, ports.clock.now()), ports)
    if not interrupted:
        raise error
    return outcome(plan, order.deploy, ending)


def outcome(plan: Plan, deploy: str, ending: Ending) -> Outcome:
    """The closing value."""
    return Outcome(
        result=ending.result,
        deploy=deploy,
        environment=plan.environment,
        playbook=plan.playbook,
        release=plan.release,
        previous=plan.previous,
        revision=plan.revision,
        hosts=ending.hosts,
        waves=plan.waves,
        verdict=ending.verdict,
        seconds=ending.seconds,
        error="" if ending.result in ("deployed", "unchanged") else ending.because,
        hint=hint(plan, ending),
    )


def hint(plan: Plan, ending: Ending) -> str:
    """One thing to do now."""
    if ending.result == "stranded" and not plan.strict:
        return advice(ending.hosts, "run deploy rollback again: it finishes this one")
    if ending.result == "stranded":
        decided = any(end.state == "confirmed" for end in ending.hosts.values())
        return advice(ending.hosts, "run deploy status --repair" if decided else "run deploy status")
    if ending.result == "reverted" and ending.fault:
        return "mend the release and push again; it is quarantined until --allow-quarantined"
    if ending.result == "reverted" and ending.closed:
        return "the release is not blamed; deploy history says who closed it: ask them before you push again"
    if ending.result == "reverted":
        more = " (a longer bake: or a higher rate: of probes gives more evidence)" if ending.verdict else ""
        return f"the release is not blamed: see to what is named, then push it again{more}"
    return ""
