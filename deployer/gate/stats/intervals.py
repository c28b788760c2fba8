"""Honest intervals for what was observed: exact, never narrower than they claim (Clopper-Pearson, Garwood, order
statistics). All two-sided at 95 % unless told otherwise. Pure Python: the incomplete beta function by its continued
fraction (Lentz; Numerical Recipes 6.4), bounds by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Interval = tuple[float, float]
TAIL = 0.025
MANY = 1e5  # above this a count's spread is the normal one to all the digits shown


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny, f, c, d = 1e-300, 1.0, 1.0, 0.0
    for i in range(100_000):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / (1.0 + term * d or tiny)
        c = 1.0 + term / c or tiny
        f *= c * d
        if i and abs(1.0 - c * d) < 1e-13:
            break
    return min(1.0, math.exp(min(0.0, front - math.log(a))) * (f - 1.0)) if f > 1.0 else 0.0


def tail(n: float, bad: float, share: float) -> float:
    """P(at least `bad` of `n`) when each is bad with probability `share`."""
    return 1.0 if bad <= 0 else beta_cdf(share, bad, n - bad + 1.0)


def _solve(rising: Callable[[float], float], target: float, high: float) -> float:
    """Where a rising function on [0, high] reaches the target."""
    low = 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return high


def share_low(n: float, bad: float, alpha: float = TAIL) -> float:
    """Clopper-Pearson: the true share is below this with probability alpha at most."""
    return _solve(lambda p: tail(n, bad, p), alpha, 1.0) if bad > 0 else 0.0


def share_high(n: float, bad: float, alpha: float = TAIL) -> float:
    """Clopper-Pearson: the true share is above this with probability alpha at most."""
    return _solve(lambda p: beta_cdf(p, bad + 1.0, n - bad), 1.0 - alpha, 1.0) if bad < n else 1.0


def share(n: float, bad: float) -> Interval:
    """Of a share `bad` of `n`."""
    return share_low(n, bad), share_high(n, bad)


def gamma_cdf(x: float, a: float) -> float:
    """The regularized lower incomplete gamma function P(a, x), by its series."""
    if x <= 0.0:
        return 0.0
    term = total = 1.0
    for i in range(1, 100_000):
        term *= x / (a + i)
        total += term
        if term < total * 1e-14:
            break
    return min(1.0, total * math.exp(a * math.log(x) - x - math.lgamma(a + 1.0)))


def rate_low(exposure: float, count: float, alpha: float = TAIL) -> float:
    """Garwood: the true rate per exposure is below this with probability alpha at most."""
    if count <= 0:
        return 0.0
    if count > MANY:
        return max(0.0, count - 4.0 * math.sqrt(count)) / exposure
    return _solve(lambda mean: gamma_cdf(mean, count), alpha, count) / exposure


def rate_high(exposure: float, count: float, alpha: float = TAIL) -> float:
    """Garwood: the true rate per exposure is above this with probability alpha at most."""
    if exposure <= 0.0:
        return math.inf  # nothing was seen, so nothing is ruled out
    if count > MANY:
        return (count + 4.0 * math.sqrt(count)) / exposure
    top = count + 10.0 * math.sqrt(count + 1.0) + 30.0
    return _solve(lambda mean: gamma_cdf(mean, count + 1.0), 1.0 - alpha, top) / exposure


def rate(exposure: float, count: float) -> Interval:
    """Of `count` events over an exposure."""
    return rate_low(exposure, count), rate_high(exposure, count)


def quantile(ordered: Sequence[float], level: float) -> float:
    """Nearest rank of an ascending sequence that is not empty."""
    return ordered[max(0, math.ceil(round(level * len(ordered), 6)) - 1)]


def quantile_interval(ordered: Sequence[float], level: float) -> Interval:
    """Order statistics around a quantile: the number of values below it is binomial, whatever their distribution."""
    n = len(ordered)
    spread = 1.96 * math.sqrt(n * level * (1.0 - level)) + 1.0
    low, high = math.floor(n * level - spread), math.ceil(n * level + spread)
    return ordered[max(0, low)], ordered[min(n - 1, high)]
