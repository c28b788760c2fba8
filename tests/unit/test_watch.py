"""The watch loop on a fake clock: who may end a bake, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from deployer.engine.deploy.bake import Sides, baseline, longest, watch, window
from deployer.engine.ports import Ports
from deployer.gate.config import make_gate_config
from deployer.gate.sequential import Gate
from deployer.model.events import Event, Notice, Watched
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import HealthCheck, Probe
from deployer.model.verdict import NO_DATA, Reading, Verdict
from tests.fakes.clock import FakeClock
from tests.fakes.executor import HereAndNow
from tests.fakes.hosts import FakeHosts
from tests.fakes.stop import FakeStop

WEB1, WEB2 = Host("web1"), Host("web2")
GOOD, DOWN = HostSample(n=60, lat=(10.0,) * 60), HostSample(n=60, err=60, lat=(2000.0,) * 60)
CHECK = HealthCheck(probes=(Probe(name="home", url="/", rate=60.0, level="advisory"),))


class Scripted:
    """Satisfies engine.ports.Probes; takes `seconds` per sample. `asked`: the names and times it was given."""

    def __init__(self, clock: FakeClock, give: Callable[[str, float], HostSample | None], seconds: float = 0.0) -> None:
        self.clock, self.give, self.seconds = clock, give, seconds
        self.asked: list[tuple[tuple[str, ...], float]] = []
        self.starved, self.blind = "", False  # blind: nothing measures
        self.hosts: Sequence[Host] = ()
        self.taken: list[Sample] = []

    def baseline(self, hosts: Sequence[Host]) -> None:
        self.hosts = hosts

    watch = baseline

    def settle(self, deciding: Sequence[str]) -> Sequence[Sample]:
        return tuple(self.taken)

    def expect(self, forecast: Forecast) -> None: ...

    def sample(self, t: float) -> Sample:
        self.asked.append((tuple(host.name for host in self.hosts), t))
        if self.seconds:
            self.clock.sleep(self.seconds)
        found = {} if self.blind else {host.name: self.give(host.name, t) for host in self.hosts}
        self.taken.append(Sample(t, found, starved=self.starved))
        return self.taken[-1]


class Undecided:
    """A gate that never rules."""

    def pre(self, sample: Sample) -> None: ...

    def observe(self, sample: Sample) -> Reading:
        return Reading("continue")

    def verdict(self) -> Verdict:
        return Verdict("inconclusive", "undecided")

    def suspicion(self) -> str:
        return ""

    def busy(self) -> str:
        return ""


class Ruled(Undecided):
    """One that has seen enough."""

    def observe(self, sample: Sample) -> Reading:
        return Reading("regressed")

    def verdict(self) -> Verdict:
        return Verdict("regressed", "error rate 100 %")


def world(give: Callable[[str, float], HostSample | None], seconds: float = 0.0) -> tuple[Ports, Scripted, list[Event]]:
    clock, events = FakeClock(), list[Event]()
    probes = Scripted(clock, give, seconds)
    return (
        Ports(
            FakeHosts(clock, {}), probes, clock, clock.pulse, FakeStop(clock), HereAndNow(), HereAndNow(), events.append
        ),
        probes,
        events,
    )


def gate(bake: float = 10.0) -> Gate:
    made = Gate(make_gate_config(CHECK, ("web1",), ("web2",), bake))
    for t in (-3.0, -2.0, -1.0):
        made.pre(Sample(t, {"web1": GOOD, "web2": GOOD}))
    return made


def held() -> str:
    return ""


@pytest.mark.parametrize("seconds", [0.0, 0.4, 1.0, 3.0])
def test_healthy_after_the_bake(seconds: float) -> None:
    """Whatever a sample takes: ticks are a second apart at least, every one is shown, health is the gate's."""
    ports, probes, events = world(lambda name, t: GOOD, seconds)
    verdict = watch(gate(), ports, Sides([WEB1], [WEB2]), 10.0, held)
    assert verdict.ruling == "healthy", verdict
    times = [t for _, t in probes.asked]
    assert all(b - a >= max(1.0, seconds) - 1e-6 for a, b in pairwise(times))
    assert times[-1] >= 5.0 - 1e-6
    assert len([e for e in events if isinstance(e, Watched)]) == len(times)
    assert {names for names, _ in probes.asked} == {("web1", "web2")}


def test_a_machine_too_busy_to_measure_is_told_of_while_it_is() -> None:
    """Once, not after three minutes without a verdict."""
    ports, probes, events = world(lambda name, t: GOOD)
    probes.starved = "it was 300 ms late"
    watch(Undecided(), ports, Sides([WEB1], [WEB2]), 10.0, held)
    told = [number for number, event in enumerate(events) if isinstance(event, Notice)]
    assert [str(events[number].text) for number in told] == [  # type: ignore[union-attr]
        "this machine is too busy to measure well, a verdict takes longer: it was 300 ms late"
    ]
    assert sum(isinstance(event, Watched) for event in events[: told[0]]) == 10


def test_a_regression_stops_the_bake_at_once() -> None:
    ports, probes, _ = world(lambda name, t: DOWN if name == "web1" and t >= 4 else GOOD)
    verdict = watch(gate(60.0), ports, Sides([WEB1], [WEB2]), 60.0, held)
    assert verdict.ruling == "regressed"
    assert probes.asked[-1][1] <= 16


def test_a_lost_host_ends_the_watch_even_in_the_tick_of_health() -> None:
    """Without a word against the release."""
    ports, probes, _ = world(lambda name, t: GOOD)
    verdict = watch(
        gate(), ports, Sides([WEB1], [WEB2]), 10.0, lambda: "web1 is gone" if probes.asked[-1][1] >= 5 else ""
    )
    assert (verdict.ruling, verdict.because) == ("inconclusive", "web1 is gone")
    assert verdict.evidence


def test_what_was_seen_to_regress_stays_so_when_contact_is_lost() -> None:
    """It may be the release that took the host down."""
    ports, _, _ = world(lambda name, t: GOOD)
    assert watch(Ruled(), ports, Sides([WEB1], [WEB2]), 10.0, lambda: "web1 is gone").ruling == "regressed"


def test_nothing_measured_is_inconclusive_at_once() -> None:
    ports, probes, _ = world(lambda name, t: GOOD)
    probes.blind = True
    assert watch(Undecided(), ports, Sides([WEB1], []), 10.0, held) == Verdict("inconclusive", NO_DATA)


def test_silence_is_inconclusive() -> None:
    ports, _, _ = world(lambda name, t: None)
    assert watch(gate(), ports, Sides([WEB1], [WEB2]), 10.0, held).ruling == "inconclusive"


def test_a_bake_without_end_is_stopped() -> None:
    """By the engine's own clock."""
    ports, probes, _ = world(lambda name, t: GOOD)
    verdict = watch(Undecided(), ports, Sides([WEB1], []), 10.0, held)
    assert (verdict.ruling, verdict.evidence) == ("inconclusive", ())
    assert probes.asked[-1][1] <= longest(10.0) < probes.asked[-1][1] + 1.5


def test_baseline_has_negative_times_and_feeds_suspicion() -> None:
    ports, probes, _ = world(lambda name, t: DOWN)
    before = Gate(make_gate_config(CHECK, ("web1",), ("web2",), 10.0))
    later = Gate(make_gate_config(CHECK, ("web1", "web2"), (), 10.0))
    for sample in baseline(ports, [WEB1, WEB2], 3.0):
        before.pre(sample)
        later.pre(sample)
    assert [t for _, t in probes.asked] == [float(t) for t in range(-10, 0)]
    assert "error_rate" in before.suspicion()
    assert "error_rate" in later.suspicion()
    assert [window(bake) for bake in (1.0, 5.0, 120.0, 3600.0)] == [10, 10, 180, 180]
