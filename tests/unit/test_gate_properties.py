"""Whatever a source gives: a ruling or none, no crash, and no health without data."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployer.gate.config import GateConfig, make_gate_config, with_fleet
from deployer.gate.metrics import TABLE
from deployer.gate.sequential import Gate
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import HealthCheck, Limit, Probe

LIMIT = Limit(error_rate=0.0, refetch_miss=1.0, latency_p50=0.0, latency_p95=0.1, latency_p99=0.1)
CHECK = HealthCheck(probes=(Probe(name="a", url="/", cacheable=True),), limit=LIMIT)
TERMINAL = {"healthy", "regressed", "inconclusive"}

numbers = st.integers(-(10**12), 10**400)
floats = st.floats() | st.integers(-3, 10**9).map(float)
wild = st.builds(
    HostSample,
    n=numbers, err=numbers, lat=st.lists(st.floats(), max_size=6).map(tuple),
    rehit_n=st.none() | numbers, rehit_bad=st.none() | numbers,
    fresh_n=st.none() | numbers, fresh_bad=st.none() | numbers, look=st.none() | numbers, miss=st.none() | numbers,
    orig=st.none() | numbers, orig_s=st.none() | floats,
    required_err=st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2),
    required_ok=st.none() | st.frozensets(st.text(max_size=3), max_size=2),
)  # fmt: skip
whole = st.builds(
    Sample,
    st.floats(),
    st.dictionaries(st.sampled_from(["web1", "web2", "web3", "x", ""]), st.none() | wild, max_size=4),
    st.dictionaries(st.sampled_from(["db", "other"]), st.tuples(floats, floats), max_size=2),
    st.dictionaries(st.sampled_from(["web1", "db", "x"]), st.text(max_size=5), max_size=2),
    floats,
    st.sampled_from(["", "", "it was late"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(whole, max_size=6), st.lists(whole, max_size=15), st.sampled_from([(), ("web3",)]))
@example([], [Sample(0.0, {"web1": HostSample(lat=(-math.inf,))})], ())
def test_arbitrary_samples_never_raise(before: list[Sample], stream: list[Sample], control: tuple[str, ...]) -> None:
    """NaN, negative, huge, more failures than requests, unknown hosts, time that jumps; terminal readings are final."""
    gate = Gate(with_fleet(make_gate_config(CHECK, ("web1", "web2"), control, 4.0, warm=1.0), {"db": "30%"}))
    for sample in before:
        gate.pre(sample)
    assert isinstance(gate.suspicion(), str)
    final = None
    for sample in stream:
        reading = gate.observe(sample)
        assert final in (None, reading)
        final = reading if reading.state in TERMINAL else None
        assert math.isfinite(reading.odds)
        for row in gate.verdict().evidence:
            assert row.observed is None or math.isfinite(row.observed)
            assert row.interval is None or row.interval[0] <= row.interval[1]


empty = st.sampled_from([None, HostSample(), HostSample(look=0, miss=0, orig=0, orig_s=1.0, rehit_n=0, rehit_bad=0)])


@settings(deadline=None)
@given(st.lists(empty, min_size=1, max_size=120), st.floats(0.1, 60), st.booleans())
def test_no_data_is_never_healthy(stream: list[HostSample | None], bake: float, beside: bool) -> None:
    """Silence and zero traffic in every form, for any bake, beside a control that is well."""
    well = HostSample(n=20, lat=(10.0,) * 20, rehit_n=20, rehit_bad=0)
    control = ("web2",) if beside else ()
    gate = Gate(make_gate_config(HealthCheck(), ("web1",), control, bake))
    for t in range(-5, 0):
        gate.pre(Sample(float(t), {"web1": well, "web2": well}))
    for t, given_ in enumerate(stream):
        assert gate.observe(Sample(float(t), {"web1": given_, "web2": well})).state in ("continue", "inconclusive")
    assert gate.verdict().ruling == "inconclusive"


@settings(deadline=None)
@given(st.integers(1, 3), st.sampled_from([0, 1]), st.floats(0.5, 500.0))
def test_one_request_is_never_health_nor_harm(n: int, err: int, ms: float) -> None:
    """One tick with a few requests, then nothing."""
    gate = Gate(replace(GateConfig(("web1",), ("web2",)), min_bake=1.0, max_bake=40.0))
    one = HostSample(n=n, err=err, lat=(ms,) * n)
    for t in range(45):
        state = gate.observe(Sample(float(t), {"web1": one if t == 0 else HostSample(), "web2": one})).state
        assert state in ("continue", "inconclusive")


counts = st.integers(0, 8)
samples = st.builds(
    lambda n, err, again, missed: HostSample(
        n=n, err=min(n, err), lat=(10.0,) * n, rehit_n=again, rehit_bad=min(again, missed)
    ),
    counts, st.sampled_from([0, 0, 0, 1, 8]), counts, st.sampled_from([0, 0, 0, 1, 8]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(samples, min_size=12, max_size=70), st.lists(st.booleans(), min_size=70, max_size=70))
def test_more_failures_never_heal(stream: list[HostSample], worse: list[bool]) -> None:
    """A stream that is not healthy is not healthy with failures added to it."""
    metrics = tuple(TABLE[name] for name in ("error_rate", "refetch_miss"))
    config = GateConfig(("web1",), (), metrics, min_bake=5.0, max_bake=60.0, refetch=True)

    def state(hosts: list[HostSample]) -> str:
        gate, reading = Gate(config), "continue"
        for t, sample in enumerate(hosts):
            reading = gate.observe(Sample(float(t), {"web1": sample})).state
        return reading

    added = [replace(s, err=s.n, rehit_bad=s.rehit_n) if bad else s for s, bad in zip(stream, worse, strict=False)]
    if state(stream) != "healthy":
        assert state(added) != "healthy"
