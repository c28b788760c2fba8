"""Wald's bound for every valid test of the same null: E[seconds] >= ln(1/alpha) / inf KL(truth || null), per second."""

from __future__ import annotations

import math
from statistics import NormalDist

from bench.traffic import ERR, MEDIAN, MISS, ORIG, REFETCH, SIGMA, Effect
from deployer.gate.metrics import TABLE
from deployer.gate.stats.evalue import Line, Row, binomial, poisson

NORMAL = NormalDist()


def information(row: Row, bad_c: float, bad_k: float) -> float:
    """Expected log of the likelihood ratio in one second."""
    return row[0] + bad_c * row[1] + bad_k * row[2]


def wald2(effect: Effect, rate: int = 20, controls: int = 3, alpha: float = 1e-3) -> float:
    """Seconds: baseline unknown, with the margin; the metric that sees the effect best."""
    n_c, n_k, found = float(rate), float(rate * controls), []
    shares = (
        ("error_rate", effect.err, ERR),
        ("refetch_miss", effect.refetch, REFETCH),
        ("hit_ratio", effect.miss, MISS),
    )
    if effect.fresh:  # one a second on every host
        line, level = TABLE["fresh_miss"].allowed, min(effect.fresh, 1.0 - 1e-9)
        found.append(information(binomial(1.0, controls, level, REFETCH, line), level, controls * REFETCH))
    for name, given, base in shares:
        line, level = TABLE[name].allowed, min(given or 0.0, 1.0 - 1e-9)
        if level > line.at(base):
            found.append(information(binomial(n_c, n_k, level, base, line), n_c * level, n_k * base))
    if effect.orig > 1.25:
        much, line = ORIG * effect.orig, TABLE["origin_ratio"].allowed
        found.append(information(poisson(1.0, controls, much, ORIG, line), much, controls * ORIG))
    if effect.lat > 1.0:
        found += [_latency(effect.lat, level, n_c, n_k) for level in (0.5, 0.75, 0.95, 0.99)]
    return math.log(1.0 / alpha) / max(found, default=math.nan)


def _latency(factor: float, level: float, n_c: float, n_k: float) -> float:
    """At one quantile."""
    allowed = TABLE["latency_p95"].allowed
    q = MEDIAN * math.exp(SIGMA * NORMAL.inv_cdf(level))
    bad = 1.0 - NORMAL.cdf(math.log(allowed.at(q) / (MEDIAN * factor)) / SIGMA)
    bad, base = min(bad, 1.0 - 1e-9), 1.0 - level
    if bad <= base:
        return 0.0
    return information(binomial(n_c, n_k, bad, base, Line(1.0, 0.0)), n_c * bad, n_k * base)
