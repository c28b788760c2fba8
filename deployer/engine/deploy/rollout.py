"""The rollout: one small function that walks a Plan.

Stage and check everywhere, then wave by wave: activate, watch, keep the leases; decide once; confirm late. On
anything else than success, undo everything that was touched. `rollback` walks the same way with one difference: a
host that fails is reported and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deployer.engine.deploy.ending import Ending
from deployer.engine.deploy.endings import confirm_all, revert_all, spare_untouched, unverified
from deployer.engine.deploy.hold import Hold
from deployer.engine.deploy.lease import BEAT, Leases
from deployer.engine.deploy.plan import refuse_failed
from deployer.engine.fanout import each, failures, heed, successes
from deployer.engine.ports import Ports
from deployer.model.change import Change
from deployer.model.errors import DeployError, HostError, Interrupted, LockClosed, Refused
from deployer.model.events import HostChanged, Judged, Notice, Phase, WaveStarted
from deployer.model.fleet import Host
from deployer.model.outcome import Result
from deployer.model.plan import Plan, weighed
from deployer.model.release import Package
from deployer.model.state import Order
from deployer.model.verdict import Verdict, first_clause

Judge = Callable[[tuple[str, ...], Callable[[], str]], Verdict]


class Regressed(Exception):
    """The walk must be undone. Internal to this module."""

    def __init__(
        self, because: str, verdict: Verdict | None = None, *, fault: bool = False, interrupted: bool = False,
        closed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(because)
        self.because, self.verdict, self.fault = because, verdict, fault
        self.interrupted, self.closed = interrupted, closed


@dataclass
class Walk:
    """The mutable part of one rollout. touched: hosts that may have changed, marked before they are asked to; answered:
    those of them that said how it went. decided: there is no way back; why: there is no way forward."""

    plan: Plan
    order: Order
    ports: Ports
    leases: Leases
    hold: Hold
    touched: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    failed: dict[str, HostError] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    decided: bool = False
    why: Regressed | None = None

    def host(self, name: str) -> Host:
        return self.plan.hosts[name].host

    def order_for(self, host: Host) -> Order:
        """Adopted hosts may each go back to a release of their own."""
        return replace(self.order, release=self.plan.hosts[host.name].target)

    def spend(self, what: str, since: float) -> None:
        self.seconds[what] = self.seconds.get(what, 0.0) + self.ports.clock.monotonic() - since


def rollout(plan: Plan, order: Order, ports: Ports, judge: Judge, hold: Hold) -> Ending:
    """Walk `plan`. Everything must be staged and checked already. `judge` watches the hosts activated so far and
    gives a Verdict; `hold.commit` writes the decision and raises if it cannot (presumed abort). Who is asked to stop
    before the decision turns back, and so does whose lock is closed; afterwards it is finished."""
    walk = Walk(plan, order, ports, Leases(ports, order), hold)
    with ports.pulse(order.lease * BEAT, walk.leases.renew):
        forward(walk, judge)
        return undo(walk, walk.why) if walk.why else finish(walk)


def forward(walk: Walk, judge: Judge) -> None:
    """Wave by wave to the decision. Ends with walk.decided, or with walk.why it must be undone."""
    plan, ports = walk.plan, walk.ports
    try:
        for number, wave in enumerate(plan.waves, 1):
            heed(ports)
            if walk.touched:
                walk.hold.require()
            ports.emit(WaveStarted(number, len(plan.waves), wave))
            activate(walk, wave)
            watch_wave(walk, judge, number)
        decided = "recording it: every wave is healthy" if plan.strict else "keeping it: every proof stands"
        ports.emit(Phase("decision", decided))
        if plan.strict and (silent := walk.leases.fresh()):
            raise Regressed(silent)
        heed(ports)
        walk.hold.commit()
        walk.decided = True
    except Regressed as why:
        walk.why = why
    except Interrupted:
        walk.why = Regressed("interrupted by the operator", interrupted=True)
    except LockClosed as error:
        walk.why = Regressed(error.message, closed=True)
    except DeployError as error:
        walk.why = Regressed(f"the decision could not be recorded: {error.message}")
    except Exception as error:  # our own bug must not leave hosts pending
        walk.why = Regressed(f"internal error: {type(error).__name__}: {error}")


def stage_and_check(plan: Plan, ports: Ports, package_for: Callable[[Host], Package | None]) -> Plan:
    """On ALL hosts, before any is changed; the plan with what taking the release costs each. Raises DeployError
    naming every host that failed."""
    ports.emit(Phase("stage", f"staging and checking {plan.release} on {len(plan.hosts)} hosts"))

    def one(host: Host) -> Change:
        package = package_for(host)
        if package is not None:
            ports.hosts.stage(host, package)
            ports.emit(HostChanged(host.name, "staged"))
        state = ports.hosts.check(host, plan.hosts[host.name].target)
        ports.emit(HostChanged(host.name, "checked"))
        return state.change

    results = each(ports, [p.host for p in plan.hosts.values()], one)
    for name, error in failures(results).items():
        ports.emit(HostChanged(name, "failed", str(error)))
    refuse_failed(plan, failures(results))
    return weighed(plan, successes(results))


def activate(walk: Walk, wave: tuple[str, ...]) -> None:
    """Activate one wave. A push is undone when any host fails; a rollback goes on with the others."""
    began, ports = walk.ports.clock.monotonic(), walk.ports
    walk.touched.extend(wave)

    def one(host: Host) -> None:
        asked = ports.clock.monotonic()
        try:
            ports.hosts.activate(host, walk.order_for(host))
        except Refused:
            walk.answered.add(host.name)
            raise
        walk.answered.add(host.name)
        walk.leases.hold(host, asked)
        ports.emit(HostChanged(host.name, "pending"))

    failed = failures(each(ports, [walk.host(name) for name in wave], one))
    walk.spend("activate", began)
    walk.failed |= failed
    for name, error in failed.items():
        ports.emit(HostChanged(name, "failed", str(error)))
    if failed and walk.plan.strict:
        lines = "; ".join(f"{name}: {error}" for name, error in failed.items())
        fault = any(isinstance(e, Refused) and e.code in ("unproven", "invalid") for e in failed.values())
        raise Regressed(f"{', '.join(failed)} could not be activated: {lines}", fault=fault)


def watch_wave(walk: Walk, judge: Judge, number: int) -> None:
    """Watch everything activated so far; only a healthy verdict lets the walk go on."""
    began = walk.ports.clock.monotonic()
    verdict = judge(tuple(walk.touched), walk.leases.lost)
    heed(walk.ports)
    walk.ports.emit(Judged(number, verdict))
    if verdict.ruling != "healthy":
        walk.spend("detect", began)
        if walk.hold.reason and verdict.ruling != "regressed":
            raise LockClosed(walk.hold.reason)
        raise Regressed(verdict.because, verdict, fault=verdict.ruling == "regressed")
    walk.verdict = verdict


def undo(walk: Walk, why: Regressed) -> Ending:
    """Put back everything touched; `stranded` unless every touched host is verified on its previous release."""
    began = walk.ports.clock.monotonic()
    walk.ports.emit(Notice("alarm", f"undoing {len(walk.touched)} host(s): {first_clause(why.because)}"))
    touched = tuple(dict.fromkeys(walk.touched))
    walk.leases.end()  # one that hears no revert must not be kept from going back by itself
    hosts = revert_all(walk.plan, walk.order, walk.ports, touched, set(touched) - walk.answered)
    walk.spend("revert", began)
    hosts |= spare_untouched(walk.plan, walk.order, walk.ports, touched)
    why = explained(walk, why)
    doubtful = unverified({name: hosts[name] for name in touched})
    because = f"{why.because}; not verified back: {doubtful}" if doubtful else why.because
    result: Result = "stranded" if doubtful else "interrupted" if why.interrupted else "reverted"
    return Ending(result, hosts, why.verdict, because, why.fault, why.closed, walk.seconds)


def explained(walk: Walk, why: Regressed) -> Regressed:
    """A host that refuses us may have been taken back by a person: the ledger is asked, once the hosts are back. What
    was measured, or somebody's Ctrl-C, stands by itself."""
    measured = why.verdict is not None and why.verdict.ruling == "regressed"
    if why.closed or why.interrupted or measured or not (reason := walk.hold.look()):
        return why
    return Regressed(reason, closed=True)


def finish(walk: Walk) -> Ending:
    """The decision stands: confirm every pending host, then read all of them back."""
    hosts = confirm_all(walk.plan, walk.order, walk.ports, walk.failed, walk.leases.drop)
    doubtful = unverified(hosts)
    because = f"not every host is verified on {walk.plan.release}: {doubtful}" if doubtful else ""
    return Ending("stranded" if doubtful else "deployed", hosts, walk.verdict, because, seconds=walk.seconds)
