"""The first gate: what reverts, what never does, and that silence is never health."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.gate.limits import LimitConfig, LimitGate, limit_gate
from deployer.gate.tally import tail
from deployer.model.health import HealthCheck, Limit, Probe, merge
from deployer.model.sample import HostSample, Sample
from deployer.model.verdict import NO_DATA, Reading

GOOD = HostSample(n=5, err=0, lat=(10.0,) * 5, rehit_n=5, rehit_bad=0)
DOWN = HostSample(n=5, err=5, lat=(2000.0,) * 5, rehit_n=0, rehit_bad=0)
BYPASS = replace(GOOD, rehit_bad=5)
CONFIG = LimitConfig(("web1",), ("web2", "web3"), bake=20.0, refetch=True)

Hosts = dict[str, HostSample | None]


def run(gate: LimitGate, hosts: Callable[[int], Hosts], ticks: int = 200) -> Reading:
    """Feed ticks 0, 1, 2 ... until the gate rules."""
    reading = Reading("continue")
    for t in range(ticks):
        reading = gate.observe(Sample(float(t), hosts(t)))
        if reading.state != "continue":
            break
    return reading


def fleet(canary: HostSample | None, control: HostSample | None = GOOD) -> Hosts:
    return {"web1": canary, "web2": control, "web3": control}


def test_a_good_bake_is_healthy_at_its_end_and_not_before() -> None:
    """With the figures in the sentence and a healthy row for every metric."""
    gate = LimitGate(CONFIG)
    reading = run(gate, lambda t: fleet(GOOD))
    assert (reading.state, reading.seconds) == ("healthy", 20.0)
    verdict = gate.verdict()
    assert "error_rate 0 % (limit 5 %)" in verdict.because
    assert {(e.metric, e.host, e.ruling) for e in verdict.evidence} == {
        ("error_rate", "web1", "healthy"), ("refetch_miss", "web1", "healthy")
    }  # fmt: skip
    assert verdict.evidence[0].samples == 105


@pytest.mark.parametrize(("ill", "metric"), [(DOWN, "error_rate"), (BYPASS, "refetch_miss")])
@pytest.mark.parametrize("start", [0, 15])
def test_outage_and_bypass_are_found_within_seconds(ill: HostSample, metric: str, start: int) -> None:
    """From the beginning or late in the bake; the sentence has the figures of both sides."""
    gate = LimitGate(CONFIG)
    reading = run(gate, lambda t: fleet(ill if t >= start else GOOD))
    assert (reading.state, reading.metric) == ("regressed", metric)
    assert reading.seconds <= start + 4
    because = gate.verdict().because
    assert "web1" in because
    assert "0 % on 2 unchanged hosts" in because
    row = next(e for e in gate.verdict().evidence if e.metric == metric)
    assert (row.ruling, row.control) == ("regressed", 0.0)


@pytest.mark.parametrize("at", range(22))
def test_one_failed_request_never_reverts(at: int) -> None:
    """Even at one request a second, where a single failure is above the limit for twenty seconds."""
    one = HostSample(n=1, err=0, lat=(10.0,), rehit_n=1, rehit_bad=0)
    reading = run(LimitGate(CONFIG), lambda t: fleet(replace(one, err=1) if t == at else one))
    assert reading.state == "healthy"


def test_one_bad_second_never_reverts() -> None:
    """A hiccup: every request of one tick fails."""
    assert run(LimitGate(CONFIG), lambda t: fleet(DOWN if t == 4 else GOOD)).state == "healthy"


def test_an_outage_in_the_last_second_is_not_slept_through() -> None:
    """The bake is over and the whole of it was fine, but the last tick was not: no health yet, then regressed."""
    reading = run(LimitGate(CONFIG), lambda t: fleet(DOWN if t >= 20 else GOOD))
    assert reading.state == "regressed"


def test_fleet_wide_harm_is_inconclusive() -> None:
    """The unchanged hosts are as bad: over the limit, and no proof that the release did it."""
    gate = LimitGate(CONFIG)
    reading = run(gate, lambda t: fleet(DOWN, DOWN))
    assert reading.state == "inconclusive"
    assert "the unchanged hosts are as bad" in gate.verdict().because


def test_one_ill_control_host_excuses_nothing() -> None:
    """Harm that spares one unchanged host is not fleet-wide."""
    assert run(LimitGate(CONFIG), lambda t: {"web1": DOWN, "web2": DOWN, "web3": GOOD}).state == "regressed"


def test_one_bad_host_is_not_averaged_away() -> None:
    """Nine of ten canary hosts are fine."""
    names = tuple(f"web{i}" for i in range(10))
    gate = LimitGate(LimitConfig(names, (), bake=20.0))
    ill = replace(GOOD, err=1)
    reading = run(gate, lambda t: {name: ill if name == "web7" else GOOD for name in names})
    assert reading.state == "regressed"
    assert "web7" in reading.reason


def test_latency_limits_name_the_quantile() -> None:
    """p95 over its limit, in milliseconds; p50 within its own."""
    limit = Limit(latency_p50=0.1, latency_p95=0.2)
    slow = HostSample(n=5, err=0, lat=(10.0, 10.0, 10.0, 10.0, 900.0))
    gate = LimitGate(LimitConfig(("web1",), ("web2", "web3"), 20.0, limit))
    reading = run(gate, lambda t: fleet(slow))
    assert (reading.state, reading.metric) == ("regressed", "latency_p95")
    assert "900 ms" in reading.reason
    assert "limit 200 ms" in reading.reason
    assert "10 ms on 2 unchanged hosts" in reading.reason


def test_a_required_probe_that_keeps_failing_is_named() -> None:
    """Even where the error rate stays below its limit; with the reason of the probe."""
    ill = HostSample(
        n=100, err=1, lat=(10.0,) * 100, required_err={"login": "status 500"}, required_ok=frozenset({"home"})
    )
    gate = LimitGate(LimitConfig(("web1",), (), 20.0, required=("home", "login")))
    reading = run(gate, lambda t: {"web1": ill})
    assert (reading.state, reading.metric, reading.seconds) == ("regressed", "probe login", 2.0)
    assert "status 500" in reading.reason


def test_a_required_probe_that_never_answered_is_not_healthy() -> None:
    """No failure is no success."""
    half = replace(GOOD, required_ok=frozenset({"home"}))
    gate = LimitGate(LimitConfig(("web1",), (), 5.0, required=("home", "login")))
    reading = run(gate, lambda t: {"web1": half})
    assert reading.state == "inconclusive"
    assert "login" in reading.reason


def test_blind_is_inconclusive() -> None:
    """A silent canary host, named, after half of a short bake; a silent control host changes nothing."""
    reading = run(LimitGate(CONFIG), lambda t: fleet(None))
    assert (reading.state, reading.seconds) == ("inconclusive", 10.0)
    assert "web1" in reading.reason
    assert run(LimitGate(CONFIG), lambda t: fleet(GOOD, None)).state == "healthy"


def test_holes_and_few_samples_are_not_healthy() -> None:
    """Data in half of the ticks; one request in all; a metric that is required and absent."""
    holes = run(LimitGate(CONFIG), lambda t: fleet(GOOD if t % 2 else None))
    assert holes.state == "inconclusive"
    single = run(LimitGate(CONFIG), lambda t: fleet(HostSample(n=1, lat=(1.0,)) if t == 0 else HostSample()))
    assert single.state == "inconclusive"
    mute = run(LimitGate(CONFIG), lambda t: fleet(replace(GOOD, rehit_n=None, rehit_bad=None)))
    assert (mute.state, mute.metric) == ("inconclusive", "refetch_miss")


def test_slow_probes_have_no_holes() -> None:
    """30/m: data in every other tick is all the data there should be."""
    check = HealthCheck(probes=(Probe(name="home", url="/", rate=0.5),))
    one = HostSample(n=1, lat=(5.0,), required_ok=frozenset({"home"}))
    gate = limit_gate(check, ("web1",), (), 20.0)
    assert run(gate, lambda t: {"web1": HostSample(required_ok=frozenset()) if t % 2 else one}).state == "healthy"


def test_suspicion_before_any_change() -> None:
    """What is ill already is said before the push, not blamed on it."""
    for host, word in ((DOWN, "error_rate"), (BYPASS, "refetch_miss"), (None, "no probe could be sent")):
        gate = LimitGate(CONFIG)
        for t in (-3.0, -2.0, -1.0):
            gate.pre(Sample(t, fleet(host)))
        assert word in gate.suspicion()
    well = LimitGate(CONFIG)
    assert well.suspicion() == ""
    for t in (-3.0, -2.0, -1.0):
        well.pre(Sample(t, fleet(GOOD)))
    assert well.suspicion() == ""


def test_suspicion_says_what_cannot_be_measured() -> None:
    """No probes at all; answers that do not say whether they came from the cache."""
    gate = LimitGate(CONFIG)
    gate.pre(Sample(-1.0, {}))
    assert gate.suspicion() == NO_DATA
    mute = LimitGate(CONFIG)
    mute.pre(Sample(-1.0, fleet(replace(GOOD, rehit_n=None, rehit_bad=None))))
    assert "cannot be measured" in mute.suspicion()


def test_a_ruling_is_final() -> None:
    """Later samples change nothing."""
    gate = LimitGate(CONFIG)
    first = run(gate, lambda t: fleet(DOWN))
    assert gate.observe(Sample(500.0, fleet(GOOD))) is first


def test_no_canary_is_no_health() -> None:
    """all() of nothing is true; a gate must not be."""
    assert run(LimitGate(LimitConfig((), ("web2",), 0.0)), lambda t: {"web2": GOOD}).state == "inconclusive"


def test_merge_keeps_the_strictest() -> None:
    """Two health checks of one playbook; a probe name used twice is told apart; none is a check without probes."""
    probe = Probe(name="home", url="/")
    a = HealthCheck(name="a", probes=(probe,), limit=Limit(error_rate=0.02), inconclusive="continue")
    b = HealthCheck(name="b", probes=(probe,), limit=Limit(error_rate=0.1, latency_p95=0.3), inconclusive="pause")
    both = merge([a, b])
    assert [p.name for p in both.probes] == ["a/home", "b/home"]
    assert (both.limit.error_rate, both.limit.latency_p95, both.inconclusive) == (0.02, 0.3, "pause")
    assert merge([]).probes == ()


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([0.01, 0.05, 0.2, 0.5]))
def test_tail_never_understates(n: int, bad: int, share: float) -> None:
    """Against exact arithmetic: an upper bound of the binomial tail."""
    bad = min(bad, n)
    p = Fraction(share).limit_denominator(1000)
    exact = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(bad, n + 1))
    assert tail(n, bad, share) >= float(exact) * (1 - 1e-9)


counts = st.integers(0, 8)
samples = st.builds(
    lambda n, err, again, missed: HostSample(
        n=n, err=min(n, err), lat=(10.0,) * n, rehit_n=again, rehit_bad=min(again, missed)
    ),
    counts, st.sampled_from([0, 0, 0, 1, 8]), counts, st.sampled_from([0, 0, 0, 1, 8]),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(samples, min_size=12, max_size=40), st.lists(st.booleans(), min_size=40, max_size=40))
def test_more_failures_never_heal(stream: list[HostSample], worse: list[bool]) -> None:
    """A stream that is not healthy is not healthy with failures added to it."""
    config = LimitConfig(("web1",), (), bake=10.0, refetch=True)
    base = run(LimitGate(config), lambda t: {"web1": stream[t]}, len(stream))
    added = [replace(s, err=s.n, rehit_bad=s.rehit_n) if bad else s for s, bad in zip(stream, worse, strict=False)]
    after = run(LimitGate(config), lambda t: {"web1": added[t]}, len(added))
    if base.state in ("regressed", "inconclusive"):
        assert after.state in ("regressed", "inconclusive")
    if base.state == "regressed":
        assert after.state == "regressed"


@given(st.lists(st.sampled_from([None, HostSample()]), min_size=1, max_size=120), st.floats(0, 60))
def test_no_data_is_never_healthy(stream: list[HostSample | None], bake: float) -> None:
    """Silence in every form, for any bake."""
    gate = LimitGate(LimitConfig(("web1",), (), bake=bake))
    assert run(gate, lambda t: {"web1": stream[t]}, len(stream)).state in ("continue", "inconclusive")
    assert gate.verdict().ruling == "inconclusive"


numbers = st.integers(-(10**12), 10**400)
wild = st.builds(
    HostSample,
    n=numbers, err=numbers, lat=st.lists(st.floats(), max_size=6).map(tuple),
    rehit_n=st.none() | numbers, rehit_bad=st.none() | numbers,
    required_err=st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2),
    required_ok=st.none() | st.frozensets(st.text(max_size=3), max_size=2),
)  # fmt: skip
whole = st.builds(
    Sample, st.floats(), st.dictionaries(st.sampled_from(["web1", "web2", "x"]), st.none() | wild, max_size=3)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(whole, max_size=15), st.lists(whole, max_size=4))
def test_arbitrary_samples_never_raise(stream: list[Sample], before: list[Sample]) -> None:
    """NaN, negative, huge, more failures than requests, unknown hosts, time that jumps: a ruling or none, no crash."""
    limit = Limit(error_rate=0.0, refetch_miss=1.0, latency_p50=0.0, latency_p95=0.1, latency_p99=0.1)
    gate = LimitGate(LimitConfig(("web1", "web2"), ("web2", "web3"), 5.0, limit, refetch=True, required=("a",)))
    for sample in before:
        gate.pre(sample)
    assert isinstance(gate.suspicion(), str)
    for sample in stream:
        gate.observe(sample)
        assert all(math.isfinite(e.observed) for e in gate.verdict().evidence if e.observed is not None)
