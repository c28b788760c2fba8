"""What the user wrote, as the gate sees it."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from deployer.gate.config import (
    WARM,
    WARM_HALF_LIFE,
    bakes,
    config_from_json,
    config_to_json,
    make_gate_config,
    warm_up,
    with_fleet,
)
from deployer.gate.metrics import TABLE, Metric
from deployer.gate.stats.evalue import Line
from deployer.model.schema.health import Compare, Comparison, HealthCheck, Limit, Probe, merge

PROBE = Probe(name="home", url="/", rate=5.0, cacheable=True)


def judged(compare: dict[str, Comparison], limit: Limit | None = None) -> dict[str, Metric]:
    check = HealthCheck(probes=(PROBE,), compare=Compare(**compare), limit=limit or Limit())
    return {metric.name: metric for metric in make_gate_config(check, ("a",), ("b",), 120.0).metrics}


def test_the_defaults_are_the_table() -> None:
    """What is not written is judged all the same."""
    assert {name: metric.allowed for name, metric in judged({}).items()} == {
        "error_rate": Line(1.5, 0.002), "refetch_miss": Line(1.5, 0.02), "fresh_miss": Line(1.5, 0.1), "hit_ratio": Line(1.2, 0.005),
        "origin_ratio": Line(1.25, 0.0), "latency_p50": Line(1.1, 1.0), "latency_p75": Line(1.1, 1.0),
        "latency_p95": Line(1.1, 1.0), "latency_p99": Line(1.1, 1.0),
    }  # fmt: skip
    assert sum(metric.weight for metric in TABLE.values()) == pytest.approx(1.0)


def test_new_pages_are_required_as_long_as_there_are_any() -> None:
    """A query makes as many as one likes; a list of them may be used up before the bake ends."""

    def required(**values: object) -> bool:
        probe = Probe.model_validate({"name": "p", "url": "/", "cacheable": "true", **values})
        config = make_gate_config(HealthCheck(probes=(probe,)), ("a",), ("b",), 120.0)
        return next(metric.required for metric in config.metrics if metric.name == "fresh_miss")

    assert required()
    assert not required(fresh=["/a", "/b"])
    for bad in ("qurey", [], ["no-path"], 3):
        with pytest.raises(ValidationError, match=r"is not one of query, none|neither a path nor"):
            Probe.model_validate({"name": "p", "url": "/", "fresh": bad})


@pytest.mark.parametrize(
    ("name", "comparison", "allowed"),
    [
        ("error_rate", Comparison(max_increase="20%"), Line(1.2, 0.0)),
        ("error_rate", Comparison(max_increase="0.5 points"), Line(1.0, 0.005)),
        ("hit_ratio", Comparison(max_decrease="5 points"), Line(1.0, 0.05)),
        ("hit_ratio", Comparison(max_decrease="5%"), Line(0.95, 0.05)),
        ("origin_ratio", Comparison(max_increase="25%"), Line(1.25, 0.0)),
        ("latency_p95", Comparison(max_increase="20%", at_least=0.005), Line(1.2, 5.0)),
        ("latency_p95", Comparison(max_increase="20%"), Line(1.2, 0.0)),
        ("latency_p50", Comparison(at_least=0.020), Line(1.1, 20.0)),
        ("error_rate", Comparison(max_increase="300%"), Line(4.0, 0.0)),
    ],
)
def test_a_margin_overrides_the_table(name: str, comparison: Comparison, allowed: Line) -> None:
    """And the line of harm stays beyond what is allowed, at every level."""
    metric = judged({name: comparison})[name]
    assert metric.allowed.r == pytest.approx(allowed.r)
    assert metric.allowed.a == pytest.approx(allowed.a)
    assert all(metric.harm.at(level) > metric.allowed.at(level) for level in (0.001, 0.05, 0.5, 1.0, 100.0))


@pytest.mark.parametrize(
    ("name", "comparison"),
    [
        ("latency_p95", Comparison(max_increase="5 points")),
        ("latency_p95", Comparison(max_decrease="5%")),
        ("hit_ratio", Comparison(max_increase="5%")),
        ("error_rate", Comparison(max_decrease="5%")),
        ("error_rate", Comparison(max_increase="5%", at_least=0.1)),
    ],
)
def test_a_margin_that_means_nothing_is_refused(name: str, comparison: Comparison) -> None:
    with pytest.raises(ValidationError, match="is held to"):
        Compare.model_validate({name: comparison})


def test_limits_are_ceilings() -> None:
    """In the unit of the metric."""
    metrics = judged({}, Limit(error_rate=0.02, refetch_miss=None, latency_p95=0.3))
    assert (metrics["error_rate"].ceiling, metrics["refetch_miss"].ceiling) == (0.02, None)
    assert (metrics["latency_p95"].ceiling, metrics["latency_p50"].ceiling) == (300.0, None)


def test_bakes() -> None:
    """Healthy at the earliest, no verdict at the latest; a short one still has time for its evidence."""
    assert bakes(120.0) == (60.0, 600.0)
    assert bakes(600.0) == (60.0, 3000.0)
    assert bakes(5.0) == (2.5, 180.0)


def test_an_emptied_cache_has_the_whole_bake_after_it_is_warm() -> None:
    """What it may still add is 2 % by then (GATE.md section 3)."""
    assert warm_up(1.0) == pytest.approx(169.3, abs=0.1)
    assert 0.5 ** (warm_up(1.0) / WARM_HALF_LIFE) == pytest.approx(WARM)
    assert bakes(20.0, 1.0) == (10.0, 180.0 + warm_up(1.0))
    assert warm_up(0.0) == warm_up(WARM) == 0.0


def test_alpha_is_shared_by_the_waves() -> None:
    """A deploy's budget, not a wave's."""
    config = make_gate_config(HealthCheck(probes=(PROBE,)), ("a", "a"), ("b", "a"), 120.0, share=0.25)
    assert config.limit == pytest.approx(4000.0)
    assert (config.canary, config.control) == (("a",), ("b",))


def test_slow_probes_are_not_blind_between_two_answers() -> None:
    config = make_gate_config(HealthCheck(probes=(PROBE.model_copy(update={"rate": 1 / 30}),)), ("a",), (), 120.0)
    assert config.blind == pytest.approx(90.0)


def test_a_config_survives_json() -> None:
    """So that a recorded run can be judged again by the very same gate."""
    check = HealthCheck(probes=(PROBE,), compare=Compare(error_rate=Comparison(max_increase="20%", shadow=True)))
    config = with_fleet(
        make_gate_config(check, ("a", "b"), ("c",), 120.0, 0.5, 1.0), {"db_queries": "30%", "jobs": None}
    )
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config
    assert sum(metric.weight for metric in config.metrics) == pytest.approx(1.0)
    assert next(m for m in config.metrics if m.name == "db_queries").allowed == Line(1.3, 0.0)


def test_merge_keeps_the_strictest() -> None:
    """Two health checks of one playbook; a probe name used twice is told apart; none is a check without probes."""
    a = HealthCheck(name="a", probes=(PROBE,), limit=Limit(error_rate=0.02), inconclusive="continue")
    b = HealthCheck(name="b", probes=(PROBE,), limit=Limit(error_rate=0.1, latency_p95=0.3), inconclusive="pause")
    both = merge([a, b])
    assert [p.name for p in both.probes] == ["a/home", "b/home"]
    assert (both.limit.error_rate, both.limit.latency_p95, both.inconclusive) == (0.02, 0.3, "pause")
    assert merge([]).probes == ()


@pytest.mark.parametrize("change", [{"huh": 1}, {"alpha": "1"}, {"canary": [1]}, {"metrics": [{"name": "x"}]}])
def test_a_recorded_gate_that_is_none(change: dict[str, object]) -> None:
    """Unknown keys and values of another kind are refused when it is read."""
    made = make_gate_config(HealthCheck(), ("a",), (), 10.0)
    with pytest.raises(ValueError, match=f"^{next(iter(change))}"):
        config_from_json({**config_to_json(made), **change})
