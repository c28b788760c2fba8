"""A whole small world on fakes: a fleet, a ledger, probes, a clock; and a request to push a release into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from deployer.engine.deploy.request import Policy, Request, Turn
from deployer.engine.ports import Ports
from deployer.model.errors import LedgerMoved
from deployer.model.events import Event
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast
from deployer.model.ledger import Entry, Intent, Sign
from deployer.model.release import Package, Release
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.playbook import Playbook
from deployer.model.verdict import Reading, Verdict
from tests.fakes.clock import FakeClock
from tests.fakes.executor import Queue
from tests.fakes.hosts import FakeHosts, Machine
from tests.fakes.stop import EngineClock, FakeStop

NEW = "aaaaaaaaaa-11111111"
MINE = "5" * 16  # the name of our own signs of life
SIZES = (1, 4, 40)  # hosts: every test of how a fleet ends runs on each


@dataclass
class FakeLedger:
    """Satisfies engine.ports.Ledger. `fault(verb, when)` may raise before or after an append's effect."""

    chain: list[Entry] = field(default_factory=list)
    aside: list[Entry] = field(default_factory=list)
    signs: dict[str, float] = field(default_factory=dict)
    others: dict[tuple[str, str], str] = field(default_factory=dict)
    shows: bool = True
    known: int = 0  # records, when it was last read or appended to
    fault: Callable[[str, str], BaseException | None] = lambda verb, when: None

    def _break(self, verb: str, when: str) -> None:
        error = self.fault(verb, when)
        if error is not None:
            raise error

    def read(self) -> tuple[Entry, ...]:
        self._break("read", "before")
        self.known = len(self.chain)
        return tuple(self.chain)

    def append(self, entry: Entry, after: int) -> Entry:
        self._break(entry.record, "before")
        if after != len(self.chain):
            raise LedgerMoved("somebody was first")
        written = replace(entry, number=len(self.chain) + 1)
        self.chain.append(written)
        self.known = len(self.chain)
        self._break(entry.record, "after")
        return written

    @contextmanager
    def heartbeat(self) -> Iterator[Callable[[], str]]:
        """signs: name -> when it was last seen alive; a test moves it on, or lets it be."""
        self.signs[MINE] = 1.0
        yield lambda: MINE if self.shows else ""
        self.signs.pop(MINE, None)

    def moved(self) -> bool:
        return len(self.chain) != self.known

    def sign_of(self, name: str) -> Sign:
        at = self.signs.get(name, 0.0)
        return Sign(str(at) if at else "", at)

    def environment_of(self, deploy: str, host: str) -> str:
        """others: deploy, host -> the environment whose ledger knows both."""
        return self.others.get((deploy, host), "")

    def forget(self, name: str) -> None:
        self.signs.pop(name, None)

    def put_aside(self, entry: Entry) -> None:
        self.aside.append(entry)


@dataclass
class FakeProbes:
    """One second per sample. `ill` hosts fail every probe once they run `bad`."""

    clock: FakeClock
    machines: dict[str, Machine]
    bad: str = ""
    silent: bool = False
    hosts: Sequence[Host] = ()
    before: list[Sample] = field(default_factory=list)

    def baseline(self, hosts: Sequence[Host]) -> None:
        self.hosts, self.before = hosts, []

    def watch(self, hosts: Sequence[Host]) -> None:
        self.hosts = hosts

    def sample(self, t: float) -> Sample:
        self.clock.sleep(1.0)
        self.before.append(Sample(t, {host.name: self._one(self.machines[host.name]) for host in self.hosts}))
        return self.before[-1]

    def settle(self, deciding: Sequence[str]) -> Sequence[Sample]:
        return tuple(self.before)

    def expect(self, forecast: Forecast) -> None:
        return None

    def _one(self, machine: Machine) -> HostSample | None:
        if self.silent:
            return None
        ill = machine.loaded == self.bad
        return HostSample(n=10, err=10 if ill else 0, lat=(10.0,) * 10)


@dataclass
class ThreeTicks:
    """A gate that decides after three ticks: regressed if any canary host fails, inconclusive without data."""

    turn: Turn
    ticks: int = 0
    ruling: Verdict = field(default_factory=lambda: Verdict("inconclusive", "not watched"))

    def pre(self, sample: Sample) -> None:
        return

    def suspicion(self) -> str:
        return ""

    def busy(self) -> str:
        return ""

    def observe(self, sample: Sample) -> Reading:
        self.ticks += 1
        if self.ticks < 3:
            return Reading("continue", seconds=sample.t)
        seen = [sample.hosts.get(name) for name in self.turn.touched]
        if any(s is None for s in seen):
            self.ruling = Verdict("inconclusive", "no data from the canary")
        elif any(s is not None and s.err for s in seen):
            self.ruling = Verdict("regressed", f"error rate 100 % on {', '.join(self.turn.touched)}")
        else:
            self.ruling = Verdict("healthy", "no errors")
        return Reading(self.ruling.ruling, seconds=sample.t)

    def verdict(self) -> Verdict:
        return self.ruling


@dataclass
class World:
    """`ports`, `ledger`, `request`, `release` and `policy` go straight into the engine. forks: calls at a time."""

    names: tuple[str, ...] = ("web1", "web2", "web3")
    clock: FakeClock = field(default_factory=FakeClock)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    events: list[Event] = field(default_factory=list)
    forks: int = 2

    @classmethod
    def of(cls, hosts: int) -> World:
        """web1, web2, ..."""
        return cls(tuple(f"web{number}" for number in range(1, hosts + 1)))

    def __post_init__(self) -> None:
        self.machines = {name: Machine() for name in self.names}
        self.hosts = FakeHosts(self.clock, self.machines)
        self.probes = FakeProbes(self.clock, self.machines)
        self.fleet = tuple(Host(name, vars={"http_port": 80}) for name in self.names)
        playbook = Playbook(
            name="nginx", service="nginx", hosts="edge", dest="/etc/nginx", serial=("1", "100%"), bake=3.0,
            confirm_timeout=30.0, health_checks=("storefront",),
        )  # fmt: skip
        self.request = Request("production", playbook, self.fleet, frozenset(self.names), "alice@laptop")
        self.policy = Policy(gate=ThreeTicks)
        bulk, urgent = Queue(self.clock, self.forks), Queue(self.clock, len(self.names))
        self.stop = FakeStop(self.clock)
        self.sleeper = EngineClock(self.clock, self.stop)
        self.ports = Ports(
            self.hosts, self.probes, self.sleeper, self.clock.pulse, self.stop, bulk, urgent, self.events.append
        )

    def release(self, name: str = NEW, content: bytes = b"worker_processes 1;\n") -> Release:
        package = Package(name, {"nginx.conf": (content, False)})
        packages = {host.name: package for host in self.fleet}
        return Release(name, "nginx", "a" * 40, "a change", "alice", packages)

    def intend(self, deploy: str, release: str, *hosts: str) -> Intent:
        """The INTENT of a push whose deployer is dead, in the ledger: what it touched is known there."""
        entry = Intent(
            deploy, "production", "nginx", "push", release, "bob@ci", self.clock.now(),
            len(self.ledger.chain) + 1, hosts=dict.fromkeys(hosts or self.names, release),
            expires=self.clock.now() + 3600, alive="7" * 16,
        )  # fmt: skip
        self.ledger.chain.append(entry)
        return entry

    def settle(self) -> None:
        """Let every watchdog that must fire, fire."""
        self.clock.sleep(600)

    def running(self) -> dict[str, str]:
        """What each host ends up with, by its own disk and process (not by anything the product reports)."""
        return {
            name: m.good if m.current == m.good == m.loaded and m.phase == "idle" else "MIXED"
            for name, m in self.machines.items()
        }
