"""What is judged: every metric as bad events on the canary held against the same events on the control.

    share    error_rate (failed requests), refetch_miss (immediate re-fetches not from cache), fresh_miss (the same of
             URLs never asked before), hit_ratio (misses among look-ups): theta_canary <= r * theta_control + a
    latency  at a quantile: bad is slower than q on the control and slower than r * q + a (milliseconds) on the canary,
             q the control's quantile of the past; then theta_canary <= theta_control whenever the canary's latency is
             stochastically at most r times the control's plus a: an exact test of the margin, valid for any tail. For
             proof of health "slower" means "not quicker": where many answers take the same time, both are exact
    rate     origin_ratio (origin requests per client request, or per orig_s) and what only the whole fleet counts

What a user's margin means (relative `20%`, absolute `5 points`):

    error_rate    20%: at most 1.2 times the control's share.        0.5 points: the control's share + 0.005
    hit_ratio     5%: at least 95 % of the control's hit ratio.      5 points: the control's hit ratio - 0.05
    latency_pNN   20%: at most 1.2 times the control's quantile, plus `at_least`; points mean nothing
    origin_ratio  25%: at most 1.25 times the control's requests.    5 points: 0.05 requests more for each request
    fleet         as origin_ratio, against the fleet's own past
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from deployer.gate.counts import Kind
from deployer.gate.stats.evalue import Line
from deployer.model.schema.health import Comparison


@dataclass(frozen=True, slots=True)
class Metric:
    """weight: of the odds of the deploy. allowed, harm: lines; a latency's a is in milliseconds. required: for
    health, where it is measured. level: of a latency. ceiling: the user's limit (a share, or milliseconds).
    fleet: counted for the whole fleet only. forgets: suffers from an empty cache. margin: as the user knows it."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of what is read back (GateConfig)

    name: str
    kind: Kind
    weight: float
    allowed: Line
    harm: Line
    required: bool = False
    level: float = 0.0
    ceiling: float | None = None
    shadow: bool = False
    fleet: bool = False
    forgets: bool = False
    margin: str = ""


def _latency(level: int, weight: float, required: bool = False) -> Metric:
    return Metric(
        f"latency_p{level}", "latency", weight, Line(1.10, 1.0), Line(1.5, 5.0), required, level / 100,
        margin="at most 1.1 x + 1 ms",
    )  # fmt: skip


TABLE = {
    metric.name: metric
    for metric in (
        Metric(
            "error_rate", "share", 0.25, Line(1.5, 0.002), Line(2.0, 0.02), True,
            margin="at most 1.5 x + 0.2 points",
        ),
        Metric(
            "refetch_miss", "share", 0.10, Line(1.5, 0.02), Line(2.0, 0.10), True,
            margin="at most 1.5 x + 2 points",
        ),
        Metric(  # one sample a second: few of them are to prove that a cache keeps anything at all
            "fresh_miss", "share", 0.05, Line(1.5, 0.10), Line(2.0, 0.50), True,
            margin="at most 1.5 x + 10 points",
        ),
        Metric(
            "hit_ratio", "share", 0.15, Line(1.2, 0.005), Line(1.5, 0.05), True, forgets=True,
            margin="misses at most 1.2 x + 0.5 points",
        ),
        Metric(
            "origin_ratio", "rate", 0.15, Line(1.25, 0.0), Line(2.0, 0.025), True, forgets=True,
            margin="at most 1.25 x",
        ),
        _latency(50, 0.10, True),
        _latency(75, 0.05),
        _latency(95, 0.10, True),
        _latency(99, 0.05),
    )
}  # fmt: skip


def fleet_metric(name: str, margin: str | None) -> Metric:
    """What only the whole fleet counts (database queries), against the fleet's own past. Without a margin it is
    judged by the default of the origin."""
    base = replace(TABLE["origin_ratio"], name=name, fleet=True)
    return with_margin(base, Comparison(max_increase=margin)) if margin else base


def with_margin(metric: Metric, comparison: Comparison) -> Metric:
    """The table's metric with the user's margin; one that means nothing was refused by the schema."""
    metric = replace(metric, shadow=comparison.shadow)
    right = comparison.max_decrease if metric.name == "hit_ratio" else comparison.max_increase
    slack = None if metric.kind != "latency" or comparison.at_least is None else comparison.at_least * 1000.0
    if right is None and slack is None:
        return metric
    line = metric.allowed
    if right is not None:
        number = float(right.rstrip("points% ")) / 100.0
        line = Line(1.0, number) if "point" in right else Line(1.0 + number, 0.0)
        if metric.name == "hit_ratio" and "point" not in right:  # hit_c >= (1-m) hit_k, said of misses
            line = Line(1.0 - number, number)
    if slack is not None:
        line = Line(line.r, slack)
    return replace(metric, allowed=line, harm=beyond(metric.harm, line), margin=_written(right, slack, metric))


def beyond(harm: Line, allowed: Line) -> Line:
    """The line of harm, moved away where a generous margin has come near it: twice what is allowed at least."""
    return Line(max(harm.r, 1.0 + 2.0 * max(0.0, allowed.r - 1.0)), max(harm.a, 2.0 * allowed.a))


def _written(right: str | None, slack: float | None, metric: Metric) -> str:
    """`at most 20% more and 5 ms`."""
    word = "less" if metric.name == "hit_ratio" else "more"
    parts = [f"{right} {word}"] if right else []
    return "at most " + " and ".join([*parts, *([f"{slack:g} ms"] if slack is not None else [])])
