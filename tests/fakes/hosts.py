"""Hosts in memory: the same verbs and rules as hostctl (the contract suite holds both to them).

A FakeHosts can break any call: before its effect, after it, once or for good; and let it take time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from deployer.engine.deploy.endings import ACTIVATING
from deployer.engine.deploy.target import on_host
from deployer.model.change import change_said
from deployer.model.errors import Refused, Unreachable
from deployer.model.fleet import Host
from deployer.model.release import ADOPTED as ADOPTED_NAME
from deployer.model.release import Package
from deployer.model.stand import standing
from deployer.model.state import Confirmed, HostState, Order
from tests.fakes.clock import FakeClock

ADOPTED = "0000000000-00000000"


@dataclass
class Machine:
    """One host's disk, process and watchdog."""

    adopted: bool = True
    dest: str = "ours"
    current: str = ADOPTED
    good: str = ADOPTED
    loaded: str = ADOPTED
    phase: str = "idle"
    deploy: str = ""
    outcome: str = ""
    target: str = ""
    fence: int = 1
    deadline: float = 0.0
    hard: float = 0.0
    command: str = "push"
    alarm: str = ""
    drift: tuple[str, ...] = ()
    releases: dict[str, dict[str, str]] = field(default_factory=lambda: {ADOPTED: {"nginx.conf": "0" * 64}})
    history: list[Confirmed] = field(default_factory=lambda: [Confirmed(1, "adopt", ADOPTED)])
    invalid: set[str] = field(default_factory=set)  # releases whose check fails
    never_loads: set[str] = field(default_factory=set)  # releases the process accepts and does not load
    changes: dict[str, str] = field(default_factory=dict)  # release -> what taking it costs, where it is no reload
    disk_full: bool = False
    locked: bool = False  # a verb is at work; the next one waits for it
    activating: bool = False  # that verb is an activation, which the watchdog lets end
    late: int = 0  # how often its own watchdog took it back
    goes: float = math.inf  # since when it shuts down
    gone: float = math.inf  # from when on nothing answers
    boots: float = math.inf  # when it is back

    def shut_down(self, now: float, takes: float, away: float) -> None:
        """It takes so many seconds to go down, and as many as `away` to be back."""
        self.goes, self.gone, self.boots = now, now + takes, now + takes + away

    def power(self, now: float, verb: str) -> None:
        """What a host says on its way down, and when it is off."""
        if self.gone <= now < self.boots:
            raise Unreachable("connection refused", sent=False)
        if self.goes <= now < self.gone and verb in ("activate", "revert"):
            raise Refused(f"this host is going down: it comes back on {self.good}", "stopping")

    def tick(self, now: float) -> None:
        """What the watchdog and the boot unit do by themselves."""
        if now >= self.boots:
            self.goes = self.gone = self.boots = math.inf
            if self.phase != "idle":
                self.go_back()
        elif now >= self.goes:  # the watchdog is among the first to be ended
            return
        due = self.deadline + (ACTIVATING if self.activating else 0.0)
        if self.phase in ("armed", "pending", "reverting") and now >= due:
            self.late += 1
            self.go_back()

    def arm(self, order: Order, now: float) -> None:
        """Activated; the watchdog counts."""
        self.deploy, self.fence, self.target, self.command = order.deploy, order.number, order.release, order.command
        self.outcome, self.phase, self.current = "", "pending", order.release
        self.deadline, self.hard = now + order.lease, now + order.hard_cap
        if order.leaves:
            self.history.append(Confirmed(order.number, "away", order.leaves))

    def go_back(self) -> None:
        self.current = self.loaded = self.good
        self.phase, self.outcome = "idle", "reverted"


Fault = Callable[[str, str, str], BaseException | None]  # (verb, host, "before" | "after") -> what to raise


def no_fault(verb: str, host: str, when: str) -> BaseException | None:
    return None


class FakeHosts:
    """Satisfies engine.ports.Hosts. `calls` is every call in order, `at` when each began. takes: seconds of a verb on a
    host."""

    def __init__(self, clock: FakeClock, machines: dict[str, Machine]) -> None:
        self.clock, self.machines = clock, machines
        self.calls: list[tuple[str, str]] = []
        self.at: list[float] = []
        self.fault: Fault = no_fault
        self.takes: Callable[[str, str], float] = lambda verb, host: 0.0
        clock.watch(self.tick_all)

    def tick_all(self, now: float) -> None:
        for machine in self.machines.values():
            machine.tick(now)

    def _do(self, verb: str, host: Host, effect: Callable[[Machine], None], weigh: str = "") -> HostState:
        self.calls.append((verb, host.name))
        self.at.append(self.clock.monotonic())
        self._break(verb, host.name, "before")
        machine = self.machines[host.name]
        with self._lock(machine, verb):
            self._carry_out(verb, host.name, machine, effect)
        self._break(verb, host.name, "after")
        return self._state(machine, machine.changes.get(weigh, "reload") if weigh else "")

    def _carry_out(self, verb: str, host: str, machine: Machine, effect: Callable[[Machine], None]) -> None:
        """An activation arms the watchdog at its beginning, whatever it takes from there on."""
        seconds = self.takes(verb, host)
        if seconds and verb != "activate":
            self.clock.sleep(seconds)
        machine.tick(self.clock.monotonic())
        machine.power(self.clock.monotonic(), verb)
        effect(machine)
        if seconds and verb == "activate":
            lease = machine.deadline - self.clock.monotonic()
            machine.activating = True
            self.clock.sleep(seconds)
            machine.activating = False
            if machine.phase != "pending":
                raise Refused(f"deploy {machine.deploy} went back before it was proven", "unproven")
            if seconds >= lease / 3:
                machine.deadline = min(self.clock.monotonic() + lease, machine.hard)

    @contextmanager
    def _lock(self, machine: Machine, verb: str) -> Iterator[None]:
        if verb == "survey":
            yield
            return
        if machine.locked:
            self.clock.wait(lambda: not machine.locked)
        machine.locked = True
        try:
            yield
        finally:
            machine.locked = False

    def _break(self, verb: str, host: str, when: str) -> None:
        error = self.fault(verb, host, when)
        if error is not None:
            raise error

    def _state(self, m: Machine, change: str = "") -> HostState:
        if not m.adopted:  # it has nothing of ours, whatever lies and runs there
            return HostState(dest=m.dest)
        in_flight = m.phase != "idle"
        return HostState(
            adopted=m.adopted,
            dest=m.dest,
            phase=m.phase,  # type: ignore[arg-type]
            deploy=m.deploy,
            command=m.command if m.deploy else "",
            outcome=m.outcome,  # type: ignore[arg-type]
            fence=m.fence,
            current=m.current,
            good=m.good,
            loaded=m.loaded,
            target=m.target,
            left=max(0, int(m.deadline - self.clock.monotonic())) if in_flight else 0,
            watchdog="alive" if in_flight else "none",
            alarm=m.alarm,
            releases=tuple(sorted(m.releases)),
            files=m.releases.get(m.current, {}),
            drift=m.drift,
            history=tuple(m.history),
            free_kb=10**6,
            layers=("watchdog:setsid", "tick:none", "boot:none"),
            change=change_said(change),
        )

    def survey(self, host: Host) -> HostState:
        return self._do("survey", host, lambda m: None)

    def stage(self, host: Host, package: Package) -> HostState:
        def effect(m: Machine) -> None:
            if m.disk_full:
                raise Refused("cannot write: no space left on device", "disk")
            files = dict(reversed(line.split("  ", 1)) for line in package.manifest().splitlines())
            if m.releases.setdefault(package.release, files) != files:
                raise Refused(f"release {package.release} exists with other content", "corrupt")

        return self._do("stage", host, effect)

    def check(self, host: Host, release: str) -> HostState:
        def effect(m: Machine) -> None:
            if release not in m.releases:
                raise Refused(f"release {release} is not here", "missing")
            if release in m.invalid:
                raise Refused("unknown directive in conf.d/shop.conf:3", "invalid")

        return self._do("check", host, effect, weigh=release)

    def preview(self, host: Host, package: Package) -> HostState:
        def effect(m: Machine) -> None:
            if package.release in m.invalid:
                raise Refused("unknown directive in conf.d/shop.conf:3", "invalid")

        return self._do("preview", host, effect, weigh=package.release)

    def activate(self, host: Host, order: Order) -> HostState:
        order = order.on(host.name)

        def effect(m: Machine) -> None:
            again = order.deploy == m.deploy
            if not m.adopted:
                raise Refused("not adopted", "unadopted")
            if order.number < m.fence or (order.number == m.fence and not again):
                raise Refused(f"deploy {order.number} is older than {m.fence}", "stale")
            if m.phase != "idle" and not again:
                raise Refused(f"deploy {m.deploy} is in flight", "busy")
            if again and m.phase == "pending":
                return
            if again and m.outcome:
                raise Refused(f"deploy {m.deploy} was already {m.outcome}", "mismatch")
            if order.release not in m.releases:
                raise Refused(f"release {order.release} is not here", "missing")
            if order.release in m.invalid:
                raise Refused("the configuration is not valid", "invalid")
            m.arm(order, self.clock.monotonic())
            if order.release in m.never_loads:
                m.go_back()
                raise Refused(f"the running process does not have {order.release}", "unproven")
            m.loaded = order.release

        return self._do("activate", host, effect)

    def _in_flight(self, m: Machine, order: Order) -> None:
        if m.deploy != order.deploy:
            raise Refused(f"deploy {order.deploy} is not the one here ({m.deploy})", "mismatch")

    def extend(self, host: Host, order: Order) -> HostState:
        def effect(m: Machine) -> None:
            self._in_flight(m, order)
            if m.phase != "pending":
                raise Refused(f"deploy {m.deploy} is {m.outcome or m.phase}", "expired")
            m.deadline = min(self.clock.monotonic() + order.lease, m.hard)

        return self._do("extend", host, effect)

    def confirm(self, host: Host, order: Order) -> HostState:
        def effect(m: Machine) -> None:
            self._in_flight(m, order)
            if m.outcome == "confirmed":
                return
            if m.phase != "pending":
                raise Refused(f"deploy {m.deploy} went back before it was confirmed", "expired")
            m.good, m.phase, m.outcome = m.target, "idle", "confirmed"
            m.history.append(Confirmed(m.fence, m.command, m.target))

        return self._do("confirm", host, effect)

    def revert(self, host: Host, order: Order) -> HostState:
        order = order.on(host.name)

        def effect(m: Machine) -> None:
            if m.deploy == order.deploy:
                if m.outcome == "confirmed":
                    raise Refused(f"deploy {m.deploy} is already confirmed", "mismatch")
                if m.phase != "idle":
                    m.go_back()
                return
            if order.number < m.fence:
                raise Refused(f"deploy {order.number} is older than {m.fence}", "stale")
            if m.phase != "idle":
                raise Refused(f"deploy {m.deploy} is in flight", "mismatch")
            m.fence, m.deploy, m.outcome, m.target = order.number, order.deploy, "reverted", m.good
            m.command = order.command

        return self._do("revert", host, effect)

    def prune(self, host: Host, keep: int) -> HostState:
        def effect(m: Machine) -> None:
            found = on_host(self._state(m), ADOPTED_NAME)
            stand = [found if name == ADOPTED_NAME else name for name in standing(m.history)]
            kept = {m.current, m.good, m.target, *stand[-keep:]}
            m.releases = {name: files for name, files in m.releases.items() if name in kept}

        return self._do("prune", host, effect)

    def adopt(self, host: Host, order: Order) -> HostState:
        order = order.on(host.name)

        def effect(m: Machine) -> None:
            if m.dest == "absent":
                raise Refused("dest does not exist", "missing")
            if not m.adopted:
                m.adopted, m.dest, m.deploy, m.fence = True, "ours", order.deploy, order.number
                m.command, m.outcome, m.good, m.target = "adopt", "confirmed", m.current, m.current
                m.history = [Confirmed(order.number, "adopt", m.current)]

        return self._do("adopt", host, effect)

    def unadopt(self, host: Host, order: Order) -> HostState:
        order = order.on(host.name)

        def effect(m: Machine) -> None:
            if m.dest != "ours":
                return
            if order.number < m.fence:
                raise Refused(f"deploy {order.number} is older than {m.fence}", "stale")
            if m.phase != "idle" or m.current != m.good:
                raise Refused(f"deploy {m.deploy} is in flight here", "busy")
            if m.drift:
                raise Refused(f"{m.current} was edited by hand", "drift")
            m.adopted, m.dest, m.good, m.deploy, m.outcome, m.target, m.fence = False, "foreign", "", "", "", "", 0
            m.history, m.releases = [], {m.current: m.releases[m.current]}

        return self._do("unadopt", host, effect)


def offline(name: str = "") -> Unreachable:
    """Nothing answered."""
    return Unreachable("no answer within 5 s")


def copy_of(machines: dict[str, Machine]) -> dict[str, Machine]:
    """Machines as they are now, independent."""
    return {
        name: replace(m, releases=dict(m.releases), history=list(m.history), invalid=set(m.invalid))
        for name, m in machines.items()
    }
