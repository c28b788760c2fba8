"""The e-variable of one tick: how much more likely the counts are under harm than under any allowed state.

Null: theta_canary <= r * theta_control + a (harm is tested; "nothing changed" against harm is the same with the other
side of the line). Alternative: a point (c1, k1) beyond the line. (c0, k0) is the point of the line nearest to it in
n_c KL(c1, c0) + n_k KL(k1, k0); then E[likelihood ratio] <= 1 for *every* point of the null, because stationarity is
n_c r g_c + n_k g_k = 0 with g = the slope of the ratio's expectation (GATE.md section 2; a special case of Turner, Ly,
Gruenwald, arXiv 2106.02693). With no control the line is a fixed bound and c0 = the bound.

A table has one row (base, per_bad_canary, per_bad_control) for each alternative: the log of the e-variable is
base + bad_canary * per_bad_canary + bad_control * per_bad_control. Tables depend on the past and on the tick's
exposures only, never on the tick's bad events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from deployer.gate.counts import Kind

Row = tuple[float, float, float]
Table = tuple[Row, ...]

SHARE_STEPS = (1.1, 1.3, 1.7, 2.5, 5.0, 15.0, 60.0, 400.0)  # times the odds of the line
RATE_STEPS = (1.1, 1.25, 1.6, 2.5, 5.0, 12.0, 40.0)  # times the rate of the line
CERTAIN = 0.995  # a line this high leaves no room for harm
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """theta_canary = r * theta_control + a."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of what is read back (GateConfig)

    r: float
    a: float

    def at(self, k: float) -> float:
        """The canary's level on the line when the control's is k."""
        return self.r * k + self.a


def raised(p: float, times: float) -> float:
    """The share whose odds are `times` those of p."""
    odds = times * p / (1.0 - p)
    return odds / (1.0 + odds)


@lru_cache(maxsize=8192)
def harm(kind: Kind, n_c: float, n_k: float, k1: float, line: Line) -> Table:
    """Rows for every alternative above the line. kind: rates are Poisson, shares (and latencies) binomial. n_c, n_k:
    exposures; k1: the predicted level of the control. Empty where there is no room above the line."""
    edge = max(TINY, line.at(k1))
    if kind == "rate":
        return tuple(poisson(n_c, n_k, edge * step, k1, line) for step in RATE_STEPS)
    if edge >= CERTAIN:
        return ()
    return tuple(binomial(n_c, n_k, min(1.0 - TINY, raised(edge, step)), k1, line) for step in SHARE_STEPS)


@lru_cache(maxsize=2048)
def over(kind: Kind, n_c: float, bound: float) -> Table:
    """One sample: rows for every alternative above the fixed bound."""
    if not math.isfinite(bound):
        return ()
    edge = max(TINY, bound)
    start = max(edge, 0.001)  # a bound of nothing at all has odds of nothing at all: begin where harm begins
    if kind == "rate":
        return tuple(_poisson_row(n_c, 0.0, start * step, edge, 1.0, 1.0) for step in RATE_STEPS)
    if edge >= CERTAIN:
        return ()
    raises = (min(1.0 - TINY, raised(start, step)) for step in SHARE_STEPS)
    return tuple(_binomial_row(n_c, 0.0, c1, edge, 0.5, 0.5) for c1 in raises)


@lru_cache(maxsize=8192)
def safety(kind: Kind, n_c: float, n_k: float, c1: float, k1: float, line: Line) -> Row | None:
    """Evidence that the canary is below the line of harm: one alternative (c1, k1), "nothing changed". None where it
    does not lie below the line. n_k = 0: one sample against line.at(k1)."""
    edge, rate = line.at(k1), kind == "rate"
    if c1 >= 0.98 * edge or (not rate and edge >= 1.0):
        return None
    if not n_k:
        return _poisson_row(n_c, 0.0, c1, edge, 1.0, 1.0) if rate else _binomial_row(n_c, 0.0, c1, edge, 0.5, 0.5)
    return poisson(n_c, n_k, c1, k1, line) if rate else binomial(n_c, n_k, c1, k1, line)


def binomial(n_c: float, n_k: float, c1: float, k1: float, line: Line) -> Row:
    """The row of (c1, k1) against its nearest point of the line. Safeguarded Newton on the stationarity equation
    n_c r (c1-c0) k0(1-k0) + n_k (k1-k0) c0(1-c0) = 0."""
    r, a = line.r, line.a
    ends = sorted((k1, min(1.0 - 1e-12, max(TINY, (c1 - a) / r))))
    low, high = ends
    rising = c1 > line.at(k1)  # then the equation is positive at k1, the lower end
    k = 0.5 * (low + high)
    for _ in range(60):
        c = r * k + a
        value = n_c * r * (c1 - c) * k * (1.0 - k) + n_k * (k1 - k) * c * (1.0 - c)
        slope = n_c * r * (-r * k * (1.0 - k) + (c1 - c) * (1.0 - 2.0 * k))
        slope += n_k * (-c * (1.0 - c) + (k1 - k) * r * (1.0 - 2.0 * c))
        if (value > 0.0) == (rising or k < k1):
            low = k
        else:
            high = k
        step = k - value / slope if slope else low
        new = step if low < step < high else 0.5 * (low + high)
        if abs(new - k) <= 1e-15 + 1e-14 * k:
            k = new
            break
        k = new
    c0 = min(1.0 - 1e-12, max(1e-12, r * k + a))
    return _binomial_row(n_c, n_k, c1, c0, k1, min(1.0 - 1e-12, max(1e-12, k)))


def poisson(n_c: float, n_k: float, c1: float, k1: float, line: Line) -> Row:
    """The same for counts: n_c r (c1/c0 - 1) + n_k (k1/k0 - 1) = 0 is quadratic in k0."""
    r, a = line.r, line.a
    square = r * (n_c * r + n_k)
    linear = n_c * r * (a - c1) + n_k * (a - k1 * r)
    constant = -n_k * k1 * a
    root = math.sqrt(max(0.0, linear * linear - 4.0 * square * constant))
    k0 = (root - linear) / (2.0 * square) if linear <= 0.0 else -2.0 * constant / (linear + root)
    k0 = max(1e-12, k0)
    return _poisson_row(n_c, n_k, c1, max(1e-12, r * k0 + a), k1, k0)


def _binomial_row(n_c: float, n_k: float, c1: float, c0: float, k1: float, k0: float) -> Row:
    c_good, k_good = math.log((1.0 - c1) / (1.0 - c0)), math.log((1.0 - k1) / (1.0 - k0))
    return n_c * c_good + n_k * k_good, math.log(c1 / c0) - c_good, math.log(k1 / k0) - k_good


def _poisson_row(n_c: float, n_k: float, c1: float, c0: float, k1: float, k0: float) -> Row:
    return -n_c * (c1 - c0) - n_k * (k1 - k0), math.log(c1 / c0), math.log(k1 / k0)
