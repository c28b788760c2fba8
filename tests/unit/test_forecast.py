"""What a bake can prove by the probes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.adapters.measuring.probes import HttpProbes
from deployer.gate.config import GateConfig, make_gate_config
from deployer.gate.foresee import ALTOGETHER, forecast, foresee
from deployer.gate.sequential import Gate
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import HealthCheck, Probe, merge
from deployer.wiring.forecast import evidence


def check(rate: float, max_rate: float = 20.0) -> HealthCheck:
    home = Probe(name="home", url="/", rate=0.6 * rate)
    page = Probe(name="page", url="/page", rate=0.4 * rate, cacheable=True, fresh="none")
    return HealthCheck(probes=(home, page), max_rate=max_rate)


def gate_of(asked: HealthCheck, controls: int, bake: float) -> GateConfig:
    return make_gate_config(asked, ["web1"], [f"web{n}" for n in range(2, controls + 2)], bake, share=0.5)


def test_more_probes_prove_sooner() -> None:
    """Every metric that health needs."""
    found = [foresee(gate_of(check(rate), 3, 120.0), rate, 0.4 * rate, 600.0) for rate in (1.0, 5.0, 20.0)]
    for slow, quick in pairwise(found):
        assert set(slow) == set(quick) == {"error_rate", "refetch_miss", "latency_p50", "latency_p95"}
        assert all(quick[name] < slow[name] for name in slow)


def test_it_is_what_the_gate_finds() -> None:
    """No second opinion: the gate calls hosts healthy that answer evenly no sooner, and not much later."""
    asked = check(5.0)
    config = gate_of(asked, 3, 20.0)
    slowest = max(foresee(config, 5.0, 2.0, config.max_bake).values())
    gate, names = Gate(config), (*config.canary, *config.control)
    for t in range(-30, 180):
        ok = frozenset(("home", "page"))
        one = HostSample(n=5, lat=(10.0, 14.0, 20.0, 28.0, 40.0), rehit_n=2, rehit_bad=0, required_ok=ok)
        sample = Sample(float(t), dict.fromkeys(names, one))
        if t < 0:
            gate.pre(sample)
        elif gate.observe(sample).state == "healthy":
            assert abs(t + 1 - slowest) <= 3
            return
    pytest.fail("never healthy")


@settings(deadline=None, max_examples=30)
@given(
    rate=st.floats(0.1, 40.0),
    most=st.floats(0.1, 20.0),
    controls=st.integers(0, 60),
    bake=st.sampled_from([10.0, 120.0]),
)
def test_no_host_is_asked_more_often_than_allowed(rate: float, most: float, controls: int, bake: float) -> None:
    """Nor less often than is written; and this machine is not made to ask more than it can."""
    asked = check(rate, most)
    found = forecast(asked, gate_of(asked, controls, bake), bake, controls + 1)
    assert found.raised >= found.rate
    assert found.raised <= max(found.rate, most, 0.0) * 1.0001
    assert found.factor == 1.0 or found.raised * (controls + 1) <= ALTOGETHER * 1.0001


def test_a_rate_that_suffices_stays() -> None:
    asked = check(20.0)
    found = forecast(asked, gate_of(asked, 3, 120.0), 120.0, 4)
    assert (found.factor, found.seconds) == (1.0, found.raised_seconds)
    assert not found.unprovable


@pytest.mark.parametrize("bake", [1.0, 2.0, 4.0, 7.0, 20.0])
def test_a_bake_may_be_as_short_as_one_likes(bake: float) -> None:
    """It is said what each rate proves, the raised one, too."""
    asked = check(5.0)
    found = forecast(asked, gate_of(asked, 3, bake), bake, 4)
    assert set(found.raised_seconds) == set(found.seconds)
    assert not found.unprovable
    assert evidence(found).endswith(" s")


def test_what_no_bake_can_prove_is_named() -> None:
    asked = check(0.1, 0.1)
    found = forecast(asked, gate_of(asked, 3, 20.0), 20.0, 4)
    assert set(found.unprovable) == {"error_rate", "refetch_miss", "latency_p95"}
    assert found.to_json()["seconds"]["error_rate"] is None


def test_it_is_said_in_a_line() -> None:
    raised = Forecast(5.0, 20.0, {"error_rate": 31.0, "latency_p95": 14.0}, {"error_rate": 8.0, "latency_p95": 7.0})
    assert evidence(raised) == ("Without visitors: error_rate needs 31 s at 5 probes/s a host; raised to 20/s: 8 s")
    stays = Forecast(20.0, 20.0, {"error_rate": 8.0}, {"error_rate": 8.0})
    assert evidence(stays) == "Without visitors: error_rate needs 8 s at 20 probes/s a host"
    never = Forecast(0.1, 0.1, {"error_rate": math.inf}, {"error_rate": math.inf})
    assert evidence(never) == "Without visitors: error_rate cannot be proven at 0.1 probes/s a host"
    assert evidence(Forecast()) == ""


def test_the_lowest_max_rate_of_several_checks_counts() -> None:
    assert merge([check(1.0, 5.0), check(1.0)]).max_rate == 5.0


def test_probes_are_asked_as_often_as_is_said() -> None:
    """Counted by what would be sent in four ticks."""
    probes = HttpProbes(check(5.0))
    assert planned(probes, 4) == 20
    probes.faster(4.0)
    assert planned(probes, 4) == 80


def planned(probes: HttpProbes, ticks: int) -> int:
    host = Host("web1")
    found: Sequence[int] = [
        len(probes._due(host.name, probe, 0.5)) for _ in range(ticks) for probe in check(5.0).probes
    ]
    return sum(found)
