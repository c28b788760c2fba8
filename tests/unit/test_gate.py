"""The gate's rulings: what is called regressed and by which name, what is healthy, and that no data never is."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from bench.traffic import BYPASS, COLD, COLD_BYPASS, LATE, MODELS, NOTHING, Effect, Stream
from deployer.gate.config import GateConfig, make_gate_config, with_fleet, with_judged
from deployer.gate.metrics import TABLE
from deployer.gate.sequential import Gate
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import Compare, Comparison, HealthCheck, Limit, Probe
from deployer.model.verdict import NO_DATA, Reading

GOOD = HostSample(n=20, lat=tuple(range(10, 30)), rehit_n=20, rehit_bad=0, look=20, miss=1, orig=1)
DOWN = replace(GOOD, err=20, lat=(2000.0,) * 20, rehit_n=0, look=0, miss=0, orig=0)
PROBE = Probe(name="page", url="/", rate=20.0, level="advisory", cacheable=True)
CHECK = HealthCheck(probes=(PROBE,))
Hosts = dict[str, HostSample | None]


def gate_for(check: HealthCheck = CHECK, controls: int = 3, bake: float = 120.0, warm: float = 0.0) -> Gate:
    return Gate(make_gate_config(check, ("c1",), tuple(f"k{i + 1}" for i in range(controls)), bake, warm=warm))


def streamed(gate: Gate, effect: Effect, model: str = "ar", before: Effect = NOTHING, seed: int = 1) -> Reading:
    """Until the gate rules, on simulated traffic with 180 s before the change."""
    stream = Stream(random.Random(seed), model, len(gate.config.control))
    for t in range(-180, 0):
        gate.pre(stream.tick(float(t), before))
    return ruled(gate, lambda t: stream.tick(float(t), effect))


def ruled(gate: Gate, sample: Callable[[int], Sample], ticks: int = 1000) -> Reading:
    reading = Reading("continue")
    for t in range(ticks):
        reading = gate.observe(sample(t))
        if reading.state != "continue":
            break
    return reading


def fixed(gate: Gate, hosts: Callable[[int], Hosts], before: Hosts | None = None, ticks: int = 1000) -> Reading:
    """The same, on samples that are written down. before: in each of 20 ticks before the change."""
    for t in range(-20, 0) if before else ():
        gate.pre(Sample(float(t), before or {}))
    return ruled(gate, lambda t: Sample(float(t), hosts(t)), ticks)


def fleet(canary: HostSample | None, control: HostSample | None = GOOD) -> Hosts:
    return {"c1": canary, "k1": control, "k2": control, "k3": control}


@pytest.mark.parametrize(
    ("model", "controls"),
    [(model, 3) for model in MODELS]
    + [(model, 1) for model in ("iid", "ar", "hosts", "ramp")]
    + [("iid", 0), ("ar", 0)],
)
def test_no_change_is_healthy_and_never_before_min_bake(model: str, controls: int) -> None:
    """Day and night, standing differences, bursts; without a control, drift cannot be told from the release."""
    gate = gate_for(controls=controls)
    reading = streamed(gate, NOTHING, model)
    assert gate.suspicion() == ""
    assert (reading.state, reading.metric) == ("healthy", ""), reading
    assert reading.seconds >= 60.0
    assert {row.ruling for row in gate.verdict().evidence} == {"healthy"}


@pytest.mark.parametrize(
    ("effect", "metrics", "within"),
    [
        (Effect("latency only", lat=2.0), {"latency_p50", "latency_p75", "latency_p95", "latency_p99"}, 60),
        (Effect("errors only", err=0.02), {"error_rate"}, 200),
        (Effect("fewer hits", miss=0.15), {"hit_ratio"}, 120),
        (Effect("more origin", orig=3.0), {"origin_ratio"}, 60),
        (Effect("founding incident", refetch=1.0, miss=1.0, orig=20.0), {"refetch_miss", "hit_ratio", "origin_ratio"}, 15),
        (Effect("outage", err=1.0), {"error_rate"}, 12),
    ],
)  # fmt: skip
def test_every_effect_is_named_by_its_metric(effect: Effect, metrics: set[str], within: float) -> None:
    """With the figures of both sides, and no statistics."""
    gate = gate_for(bake=600.0)
    reading = streamed(gate, effect, "iid")
    assert reading.state == "regressed"
    assert reading.metric in metrics
    assert reading.seconds <= within
    because = gate.verdict().because
    assert "on c1 vs" in because
    assert "3 unchanged hosts in the same" in because
    assert not re.search("odds|accident|at most once", because)
    assert any(row.ruling == "regressed" and row.metric == reading.metric for row in gate.verdict().evidence)


def test_the_sentence_names_what_else_is_worse() -> None:
    """The worst first, two more at most, each with both sides; where one metric suffers alone, nothing."""
    incident = gate_for()
    streamed(incident, Effect("incident", refetch=1.0, miss=1.0, orig=20.0), "iid")
    worse = re.search(r"; worse, too: ((?:\w+ [\d.]+ \S* ?vs [\d.]+[^,;]*(?:, )?){1,2})$", incident.verdict().because)
    assert worse, incident.verdict().because
    assert incident.verdict().because.partition(":")[0] not in worse.group(1)
    alone = gate_for(bake=600.0)
    streamed(alone, Effect("errors only", err=0.008), "iid")  # too few for a quantile to count them, too
    assert "worse, too" not in alone.verdict().because


def test_a_cache_that_stores_nothing_new_is_found_behind_a_warm_one() -> None:
    """One page a second that was never asked for: within seconds, and named; healthy takes five that were kept."""

    def fresh(bad: int, t: int) -> Hosts:
        return {**fleet(replace(GOOD, fresh_n=1, fresh_bad=bad), replace(GOOD, fresh_n=1, fresh_bad=0))}

    gate = gate_for(bake=10.0)
    reading = fixed(gate, lambda t: fresh(1, t), fleet(replace(GOOD, fresh_n=1, fresh_bad=0)))
    assert (reading.state, reading.metric) == ("regressed", "fresh_miss")
    assert reading.seconds <= 15
    assert "pages never asked for before were not kept in the cache" in reading.reason
    healthy = fixed(gate_for(bake=10.0), lambda t: fresh(0, t), fleet(replace(GOOD, fresh_n=1, fresh_bad=0)))
    assert healthy.state == "healthy"
    alone = gate_for(controls=0)
    for t in range(-180, 0):
        alone.pre(Sample(float(t), {"c1": fresh(0, t)["c1"]}))
    reading = ruled(alone, lambda t: Sample(float(t), {"c1": fresh(1, t)["c1"]}))
    assert (reading.state, reading.metric) == ("regressed", "fresh_miss")


def test_the_clearest_effect_gives_the_name() -> None:
    """A cache answers in 0 ms on either side while requests to the origin double: nobody is told of 0 ms vs 0 ms."""
    good = replace(GOOD, n=40, lat=(0.0,) * 40, look=40, miss=4, orig=4)
    slow = replace(good, lat=(0.0,) * 15 + (2.0,) * 25, orig=20)
    gate = gate_for()
    reading = fixed(gate, lambda t: fleet(slow, good), fleet(good, good))
    assert (reading.state, reading.metric) == ("regressed", "origin_ratio")
    assert reading.reason.startswith("origin_ratio: 0.5 on c1 vs 0.1 on 3 unchanged hosts in the same ")
    assert re.search(r"\(\d+ requests to the origin for \d+ of visitors\)", reading.reason)
    assert "0 ms vs 0 ms" not in reading.reason


def test_only_hosts_on_which_it_was_seen_are_named() -> None:
    """Two of ten fail; all of them together are worse, and eight of them are well."""
    names = tuple(f"web{i}" for i in range(10))
    gate, before = Gate(GateConfig(names, ("k1",))), dict.fromkeys((*names, "k1"), GOOD)
    ill = dict.fromkeys(("web3", "web7"), replace(GOOD, err=10))
    reading = fixed(gate, lambda t: {**before, **ill}, before)
    assert (reading.state, reading.metric) == ("regressed", "error_rate")
    assert re.match(r"error_rate: 50 % on (web3, web7 together|web3|web7) vs 0 % on k1 ", reading.reason)


def test_a_probe_that_failed_once_elsewhere_does_not_name_that_host() -> None:
    check = HealthCheck(probes=(Probe(name="login", url="/login"), Probe(name="home", url="/", rate=20.0)))
    well = replace(GOOD, required_ok=frozenset({"home", "login"}))
    ill = replace(GOOD, err=1, required_err={"login": "status 500"}, required_ok=frozenset({"home"}))

    def hosts(t: int) -> Hosts:
        return {"c1": ill, "k1": ill if t == 2 else well, "k2": well, "k3": well}

    reading = fixed(gate_for(check), hosts)
    assert (reading.state, reading.seconds) == ("regressed", 2.0)
    assert "k1" not in reading.reason


def test_how_far_a_level_moves_by_itself_is_learned() -> None:
    """Where no control is left, what swung fivefold before the change may do so again; what was steady may not."""

    def run(before: Callable[[int], int]) -> Reading:
        gate = Gate(GateConfig(("c1",)))
        for t in range(-180, 0):
            gate.pre(Sample(float(t), {"c1": replace(GOOD, n=100, err=before(t))}))
        return ruled(gate, lambda t: Sample(float(t), {"c1": replace(GOOD, n=100, err=8)}), 120)

    assert run(lambda t: 1).state == "regressed"
    assert run(lambda t: 12 if -90 <= t < -60 else 1).state != "regressed"


def test_a_header_that_is_gone_is_not_missed_where_the_log_tells_the_same() -> None:
    """The answers do not say any more whether they came from the cache: look-ups of visitors do, also when it is worse."""
    good = replace(GOOD, fresh_n=1, fresh_bad=0)
    bare = replace(GOOD, rehit_n=None, rehit_bad=None, fresh_n=0, fresh_bad=0)
    reading = fixed(gate_for(bake=60.0), lambda t: fleet(bare, good), fleet(good, good))
    assert (reading.state, "refetch" in reading.reason) == ("healthy", False)
    ill = replace(bare, miss=15, orig=15)
    reading = fixed(gate_for(bake=60.0), lambda t: fleet(ill, good), fleet(good, good))
    assert (reading.state, reading.metric) == ("regressed", "origin_ratio")


def test_what_nobody_can_tell_any_more_is_known_early_and_named() -> None:
    """Within seconds, not when the bake is over; for a tick or two it is merely late."""
    blind = replace(GOOD, look=None, miss=None, orig=None)
    bare = replace(blind, rehit_n=None, rehit_bad=None)
    reading = fixed(gate_for(bake=60.0), lambda t: fleet(bare, blind), fleet(blind, blind))
    assert (reading.state, reading.metric) == ("inconclusive", "refetch_miss")
    assert reading.seconds <= 10
    assert "answers of c1 no longer say whether they came from the cache" in reading.reason
    late = fixed(gate_for(bake=60.0), lambda t: fleet(bare if t % 8 == 0 else blind, blind), fleet(blind, blind))
    assert late.state == "healthy"


BUSY = "it was up to 950 ms late with what it had to do"
NOTHING_KNOWN = HostSample(rehit_n=0, rehit_bad=0, required_ok=frozenset())


def test_a_starved_machine_judges_nobody() -> None:
    """Nothing was answered in time: no regression, no host that is silent, and in the end no verdict but the reason."""
    gate = gate_for(bake=60.0)
    for t in range(-20, 0):
        gate.pre(Sample(float(t), fleet(GOOD)))
    reading = ruled(gate, lambda t: Sample(float(t), fleet(NOTHING_KNOWN, NOTHING_KNOWN), starved=BUSY))
    assert reading.state == "inconclusive"
    assert re.fullmatch(
        rf"no verdict after 300 s: this machine was too busy to measure in 301 of 301 s \({BUSY}\)", reading.reason
    )
    assert "c1" not in reading.reason


def test_a_machine_that_is_starved_now_and_then_still_judges() -> None:
    """In two of five seconds, ten of them in a row: what is left is evidence like any other, for and against."""

    def sample(t: int, canary: HostSample) -> Sample:
        busy = t % 5 < 2 or 10 <= t < 20
        hosts = fleet(NOTHING_KNOWN, NOTHING_KNOWN) if busy else fleet(canary)
        return Sample(float(t), hosts, starved=BUSY if busy else "")

    for canary, state in ((GOOD, "healthy"), (DOWN, "regressed")):
        gate = gate_for(bake=20.0)
        for t in range(-20, 0):
            gate.pre(Sample(float(t), fleet(GOOD)))
        assert ruled(gate, partial(sample, canary=canary)).state == state


def test_a_machine_that_cannot_measure_is_known_before_the_change() -> None:
    gate = gate_for()
    for t in range(-20, 0):
        gate.pre(Sample(float(t), fleet(NOTHING_KNOWN, NOTHING_KNOWN), starved=BUSY if t % 3 else ""))
    assert gate.suspicion().startswith("this machine was too busy to measure in 14 of 20 s")
    assert gate.busy() == gate.suspicion()
    ill = gate_for()
    for t in range(-20, 0):
        ill.pre(Sample(float(t), fleet(DOWN, DOWN)))
    assert (ill.busy(), ill.suspicion() != "") == ("", True)


def test_no_answer_is_slow_by_what_this_machine_added() -> None:
    """Without a control: 40 ms more are the host's, unless this machine was as late itself."""
    slow = replace(GOOD, lat=tuple(ms + 40.0 for ms in GOOD.lat))

    def run(late: float) -> Reading:
        gate = Gate(GateConfig(("c1",)))
        for t in range(-180, 0):
            gate.pre(Sample(float(t), {"c1": GOOD}))
        return ruled(gate, lambda t: Sample(float(t), {"c1": slow}, late=late), 100)

    assert (run(0.0).state, run(0.0).metric[:7]) == ("regressed", "latency")
    assert run(45.0).state != "regressed"
    limited = gate_for(HealthCheck(probes=(PROBE,), limit=Limit(latency_p50=0.03)))
    assert ruled(limited, lambda t: Sample(float(t), fleet(slow, slow), late=45.0), 60).state != "regressed"


def test_the_incident_is_found_late_and_cold_and_without_control() -> None:
    """300 s into the bake; while the cache is empty after a restart; and in the last wave."""
    late = Gate(replace(gate_for().config, min_bake=900.0, max_bake=900.0))
    assert 300 <= streamed(late, LATE).seconds <= 330
    cold = gate_for(warm=1.0)
    assert streamed(cold, COLD_BYPASS).state == "regressed"
    assert streamed(gate_for(controls=0), BYPASS).state == "regressed"


def test_a_cold_cache_with_an_allowance_is_no_regression() -> None:
    """Without the allowance it is one: the release is not known to empty the cache."""
    for seed in range(4):
        assert streamed(gate_for(warm=1.0), COLD, seed=seed).state == "healthy"
        assert streamed(gate_for(warm=1.0, bake=20.0), COLD, seed=seed).state == "healthy"
    assert streamed(gate_for(warm=0.0), COLD).state == "regressed"


def test_only_the_database_suffers() -> None:
    """A fleet metric, against its own past; nothing else moves."""
    config = with_fleet(make_gate_config(CHECK, ("c1",), ("k1", "k2", "k3"), 120.0), {"db_queries": "30%"})

    def run(after: float) -> tuple[Gate, Reading]:
        gate, rng = Gate(config), random.Random(3)
        for t in range(-60, 0):
            gate.pre(Sample(float(t), fleet(GOOD), {"db_queries": (float(rng.randint(15, 25)), 80.0)}))
        return gate, ruled(
            gate, lambda t: Sample(float(t), fleet(GOOD), {"db_queries": (after * rng.randint(15, 25), 80.0)})
        )

    gate, reading = run(8.0)
    assert (reading.state, reading.metric) == ("regressed", "db_queries")
    row = next(row for row in gate.verdict().evidence if row.metric == "db_queries")
    assert (row.host, row.ruling) == ("fleet", "regressed")
    assert run(1.0)[1].state == "healthy"


def test_a_fleet_metric_without_data_is_not_healthy() -> None:
    """It was asked for; the source's own words are said."""
    gate = Gate(with_fleet(make_gate_config(CHECK, ("c1",), ("k1", "k2", "k3"), 5.0), {"db_queries": None}))
    for t in range(-5, 0):
        gate.pre(Sample(float(t), fleet(GOOD), {}, {"db_queries": "prometheus: refused"}))
    assert gate.suspicion() == "db_queries gave nothing: prometheus: refused"
    reading = ruled(gate, lambda t: Sample(float(t), fleet(GOOD)))
    assert (reading.state, reading.metric) == ("inconclusive", "db_queries")


def test_proof_does_not_outlive_its_source() -> None:
    """The database's figure, then the look-ups, go silent after they were proven: not healthy, and said why."""
    config = with_fleet(make_gate_config(CHECK, ("c1",), ("k1", "k2", "k3"), 60.0), {"db_queries": None})
    figure = {"db_queries": (20.0, 80.0)}

    def taught() -> Gate:
        gate = Gate(config)
        for t in range(-60, 0):
            gate.pre(Sample(float(t), fleet(GOOD), figure))
        return gate

    why = {"db_queries": "prometheus: refused"}
    gone = ruled(taught(), lambda t: Sample(float(t), fleet(GOOD), figure if t < 20 else {}, {} if t < 20 else why))
    assert (gone.state, gone.metric) == ("inconclusive", "db_queries")
    assert re.search(r"db_queries had data in 20 of 301 s: prometheus: refused", gone.reason)
    bare = replace(GOOD, look=None, miss=None)
    gone = ruled(taught(), lambda t: Sample(float(t), fleet(GOOD if t < 20 else bare), figure))
    assert (gone.state, gone.metric) == ("inconclusive", "hit_ratio")
    hiccup = ruled(taught(), lambda t: Sample(float(t), fleet(GOOD), {} if t in (22, 23) else figure))
    assert hiccup.state == "healthy"


def test_sparse_traffic_and_slow_probes_are_held_to_what_they_were() -> None:
    """A request in every third tick; a probe every other one; both of them before the change, too."""
    one = HostSample(n=3, lat=(10.0, 11.0, 12.0), rehit_n=3, rehit_bad=0)

    def sample(t: int, period: int) -> Sample:
        return Sample(float(t), fleet(HostSample(), HostSample()) if t % period else fleet(one, one))

    for period in (2, 3):
        gate = gate_for()
        for t in range(-180, 0):
            gate.pre(sample(t, period))
        reading = ruled(gate, partial(sample, period=period))
        assert reading.state == "healthy", reading


@pytest.mark.parametrize(("before", "after"), [(2.0, 1.0), (1.0, 2.0), (1.7, 1.1)])
def test_a_log_that_is_written_every_two_seconds_on_a_machine_whose_pace_changes(before: float, after: float) -> None:
    """before, after: seconds a tick takes. How often a tick has data changes with the pace, and says nothing."""
    gate = gate_for(CHECK, bake=30.0)

    def sample(t: float, seconds: float) -> Sample:
        flushed = (t // 2.0) - ((t - seconds) // 2.0)  # times that the log was written since the tick before
        return Sample(t, fleet(GOOD, GOOD) if flushed else fleet(HostSample(), HostSample()))

    for number in range(40):
        gate.pre(sample((number - 40) * before, before))
    reading = ruled(gate, lambda number: sample(number * after, after), 60)
    assert reading.state == "healthy", reading


def test_shadow_is_shown_and_never_acts() -> None:
    """Also not by holding health back; its ceiling is another thing."""
    compare = Compare(**{name: Comparison(shadow=True) for name in Compare.model_fields if name.startswith("latency")})
    gate = gate_for(HealthCheck(probes=(PROBE,), compare=compare))
    assert streamed(gate, Effect("slow", lat=3.0)).state == "healthy"
    rows = [row for row in gate.verdict().evidence if row.metric == "latency_p95"]
    assert [(row.shadow, row.ruling) for row in rows] == [(True, "regressed")]
    limited = gate_for(HealthCheck(probes=(PROBE,), compare=compare, limit=Limit(latency_p95=0.2)))
    reading = streamed(limited, Effect("slow", lat=10.0))
    assert (reading.state, reading.metric) == ("regressed", "latency_p95")
    assert "limit 200 ms" in reading.reason


def test_one_bad_host_is_not_averaged_away() -> None:
    """Nine of ten canary hosts are fine."""
    names = tuple(f"web{i}" for i in range(10))
    gate = Gate(GateConfig(names, ("k1",)))
    before = dict.fromkeys((*names, "k1"), GOOD)
    reading = fixed(gate, lambda t: {**before, "web7": replace(GOOD, err=2)}, before)
    assert (reading.state, reading.metric) == ("regressed", "error_rate")
    assert "on web7 vs" in reading.reason


def test_a_limit_holds_whatever_the_control_says() -> None:
    """3 % errors everywhere: within the margin, above the limit; the release is not to blame for it."""
    check = HealthCheck(probes=(PROBE,), limit=Limit(error_rate=0.02))
    ill = replace(GOOD, err=2)
    assert fixed(gate_for(check), lambda t: fleet(ill if t % 3 else GOOD)).state == "regressed"
    gate = gate_for(check)
    reading = fixed(gate, lambda t: fleet(ill, ill))
    assert (reading.state, reading.metric) == ("inconclusive", "error_rate")
    assert "the unchanged hosts are as bad" in gate.verdict().because


def test_a_limit_of_nothing_is_no_crash() -> None:
    """0 %: the first errors break it, after seconds and not at once."""
    check = HealthCheck(probes=(PROBE,), limit=Limit(error_rate=0.0))
    reading = fixed(gate_for(check, controls=0), lambda t: {"c1": replace(GOOD, err=1)})
    assert reading.state == "regressed"
    assert reading.seconds > 5


def test_a_required_probe_that_keeps_failing_is_named() -> None:
    """Deterministic, after three ticks, even where the error rate hardly moves; not where it fails on every host."""
    check = HealthCheck(probes=(Probe(name="login", url="/login"), Probe(name="home", url="/", rate=20.0)))
    well = replace(GOOD, required_ok=frozenset({"home", "login"}))
    ill = replace(GOOD, err=1, required_err={"login": "status 500"}, required_ok=frozenset({"home"}))
    reading = fixed(gate_for(check), lambda t: fleet(ill, well))
    assert (reading.state, reading.metric, reading.seconds) == ("regressed", "probe login", 2.0)
    assert "status 500" in reading.reason
    assert "it does not fail on 3 unchanged hosts" in reading.reason
    reading = fixed(gate_for(check), lambda t: fleet(ill, ill))
    assert (reading.state, reading.metric) == ("inconclusive", "probe login")


def test_a_required_probe_that_never_succeeded_is_not_healthy() -> None:
    check = HealthCheck(probes=(Probe(name="login", url="/login"), Probe(name="home", url="/", rate=20.0)))
    half = replace(GOOD, required_ok=frozenset({"home"}))
    reading = fixed(gate_for(check, bake=5.0), lambda t: fleet(half), fleet(GOOD))
    assert reading.state == "inconclusive"
    assert "probe login has not succeeded on c1" in reading.reason


def test_blind_is_inconclusive_and_says_why() -> None:
    """Canary or all controls silent, 30 s; the source's own words."""
    gate = gate_for()
    reading = ruled(gate, lambda t: Sample(float(t), fleet(None), {}, {"c1": "access log unreadable: /log"}))
    assert (reading.state, reading.seconds) == ("inconclusive", 30.0)
    assert "no data from c1 for 30 s: access log unreadable: /log" in reading.reason
    reading = fixed(gate_for(), lambda t: fleet(GOOD, None))
    assert reading.state == "inconclusive"
    assert "k1, k2, k3" in reading.reason
    one = {"c1": GOOD, "k1": None, "k2": GOOD, "k3": GOOD}
    assert fixed(gate_for(), lambda t: one, fleet(GOOD)).state == "healthy"


@pytest.mark.parametrize("bake", [2.0, 5.0, 120.0])
def test_holes_and_few_samples_are_not_healthy(bake: float) -> None:
    """Data in half of the ticks; one request in all; the last seconds dark; re-fetches that were asked for absent."""
    assert fixed(gate_for(bake=bake), lambda t: fleet(GOOD if t % 2 else None), fleet(GOOD)).state == "inconclusive"
    one = HostSample(n=1, lat=(1.0,))
    assert fixed(gate_for(bake=bake), lambda t: fleet(one if t == 0 else HostSample())).state == "inconclusive"
    told = replace(GOOD, look=None, miss=None)
    mute = replace(told, rehit_n=None, rehit_bad=None)
    reading = fixed(gate_for(bake=bake), lambda t: fleet(mute, told), fleet(told, told))
    assert (reading.state, reading.metric) == ("inconclusive", "refetch_miss")


def test_a_metric_that_the_release_silences_is_not_healthy() -> None:
    """The control still has look-ups, the canary no longer: nothing proves that it is well."""
    reading = fixed(gate_for(bake=5.0), lambda t: fleet(replace(GOOD, look=None, miss=None)), fleet(GOOD))
    assert (reading.state, reading.metric) == ("inconclusive", "hit_ratio")


def test_nothing_before_and_nothing_beside_is_not_healthy() -> None:
    """A latency cannot be judged by itself."""
    reading = fixed(gate_for(controls=0, bake=5.0), lambda t: {"c1": GOOD})
    assert reading.state == "inconclusive"
    assert "latency_p50" in reading.reason


@pytest.mark.parametrize("bake", [2.0, 5.0])
def test_a_short_bake_is_enough_for_what_can_be_seen_in_it(bake: float) -> None:
    """5 probes a second: healthy within the minute, the incident within seconds."""
    probe = PROBE.model_copy(update={"rate": 5.0})
    well = HostSample(n=5, lat=(1.0, 1.1, 1.2, 1.3, 2.0), rehit_n=5, rehit_bad=0)
    reading = fixed(gate_for(HealthCheck(probes=(probe,)), bake=bake), lambda t: fleet(well, well), fleet(well, well))
    assert reading.state == "healthy", reading
    assert reading.seconds <= 60
    reading = fixed(
        gate_for(HealthCheck(probes=(probe,)), bake=bake),
        lambda t: fleet(replace(well, rehit_bad=5), well),
        fleet(well, well),
    )
    assert (reading.state, reading.metric) == ("regressed", "refetch_miss")
    assert reading.seconds <= 15


def test_fleet_wide_degradation_is_inconclusive() -> None:
    """The controls are far worse than before: a difference no longer tells anything."""
    gate = gate_for(HealthCheck(probes=(PROBE,), limit=Limit(error_rate=None)))
    reading = streamed(gate, Effect("all slow", lat=10.0, fleet=True))
    assert reading.state == "inconclusive"
    assert "fleet degraded since activation" in reading.reason


def test_ill_before_the_change_is_said_and_not_blamed_on_it() -> None:
    """Different already; over a limit; a probe that fails; silent; mute; unmeasured."""
    slow = Effect("slow before", lat=3.0)
    gate = gate_for()
    reading = streamed(gate, slow, before=replace(slow, start=-1000.0))
    assert "already differs from the control before any change: latency_p" in gate.suspicion()
    assert reading.state == "inconclusive"
    assert "it was so before the change" in reading.reason
    for host, word in (
        (DOWN, "error_rate on c1: 400 of 400 requests failed"),
        (replace(GOOD, rehit_bad=20), "refetch_miss on c1"),
        (replace(GOOD, required_err={"login": "status 500"}, required_ok=frozenset()), "probe login on c1"),
        (None, "no data from c1"),
        (replace(GOOD, rehit_n=None, rehit_bad=None), "refetch_miss cannot be measured"),
    ):
        gate = gate_for()
        fixed(gate, lambda t: fleet(GOOD), fleet(host), ticks=0)
        assert word in gate.suspicion()
    gate = gate_for()
    gate.pre(Sample(-1.0, {}))
    assert gate.suspicion() == NO_DATA
    gate = gate_for()
    assert gate.suspicion() == ""


def last_wave(effect: Effect) -> tuple[Gate, Reading]:
    """Everything has the new release: c1 was judged before, k1 to k3 are new; all of them took `effect`."""
    made = make_gate_config(CHECK, ("c1", "k1", "k2", "k3"), (), 120.0)
    gate = Gate(with_judged(made, ("c1",)))
    return gate, streamed_all(gate, effect)


def streamed_all(gate: Gate, effect: Effect) -> Reading:
    stream = Stream(random.Random(5), "ar", 3)
    for t in range(-60, 0):
        gate.pre(stream.tick(float(t)))
    return ruled(gate, lambda t: stream.tick(float(t), effect))


def test_the_last_wave_is_held_beside_those_judged_before_and_against_the_past() -> None:
    """Health does not suffer from a day that became slower for all; harm is still found without any control."""
    gate, reading = last_wave(Effect("a slow day", lat=1.5, fleet=True))
    assert reading.state == "healthy", reading
    assert "on c1, judged before, in the same" in gate.verdict().because
    for effect in (replace(BYPASS, fleet=True), Effect("outage", err=1.0, fleet=True)):
        gate, reading = last_wave(effect)
        assert reading.state == "regressed", reading
        assert "before the change" in reading.reason


def test_a_push_that_mends_a_slow_release_is_healthy_in_its_last_wave() -> None:
    """The host judged before is as quick as the new ones by now: what it was like with the old release is forgotten."""
    gate = Gate(with_judged(make_gate_config(CHECK, ("c1", "k1"), (), 2.0), ("c1",)))
    slow, quick = (replace(GOOD, miss=0, orig=0, lat=tuple(ms + i / 10 for i in range(20))) for ms in (55.0, 4.0))
    reading = fixed(gate, lambda t: {"c1": quick, "k1": quick}, before={"c1": slow, "k1": slow})
    assert reading.state == "healthy", reading
    assert reading.seconds < 30  # two minutes while the slow ones count


def test_a_ruling_is_final_and_the_gate_deterministic() -> None:
    """Later samples change nothing; the same samples give the same verdict."""
    first, second = gate_for(), gate_for()
    reading = streamed(first, Effect("errors", err=0.05))
    assert streamed(second, Effect("errors", err=0.05)) == reading
    assert first.verdict() == second.verdict()
    assert first.observe(Sample(500.0, fleet(GOOD))) is reading
    assert first.verdict() == second.verdict()


def test_no_canary_is_no_health() -> None:
    """all() of nothing is true; a gate must not be."""
    gate = Gate(GateConfig((), ("k1",)))
    assert fixed(gate, lambda t: {"k1": GOOD}).state == "inconclusive"
    assert gate.suspicion() == ""


def test_the_evidence_has_honest_intervals() -> None:
    """Of the value shown, which lies in them; every metric that gave data on every arm."""
    gate = Gate(GateConfig(("c1", "c2"), ("k1",)))
    hosts = dict.fromkeys(("c1", "c2", "k1"), replace(GOOD, fresh_n=1, fresh_bad=0))
    assert fixed(gate, lambda t: dict(hosts), dict(hosts)).state == "healthy"
    rows = gate.verdict().evidence
    assert {(row.metric, row.host) for row in rows} == {
        (name, host) for name in TABLE for host in ("canary", "c1", "c2")
    }
    for row in rows:
        assert row.observed is not None
        assert row.interval is not None
        assert row.interval[0] <= row.observed <= row.interval[1]
    hits = next(row for row in rows if (row.metric, row.host) == ("hit_ratio", "canary"))
    assert (hits.observed, hits.control) == (pytest.approx(0.95), pytest.approx(0.95))
