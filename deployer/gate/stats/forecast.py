"""What the control is expected to do next, learned from its past only: its level, and its latency's quantile."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from itertools import chain

from deployer.gate.counts import Count, Kind
from deployer.gate.stats.intervals import quantile

HALF_LIFE = 60.0  # seconds in which what was learned loses half its weight
REREAD = 30.0  # seconds between two readings of the quantile
WINDOW = 120.0  # seconds it is read from
KEPT = 300  # latencies of one tick kept for it
STEP = 20.0  # levels are rounded to 1/20 of their log odds: a table of alternatives serves many ticks
PRIOR = {
    "error_rate": 0.001,
    "refetch_miss": 0.005,
    "fresh_miss": 0.005,
}  # before anything was learned; any value is valid


class Level:
    """Bad events per event (or per exposure), forgetting slowly."""

    __slots__ = ("bad", "n", "prior")

    def __init__(self, prior: float) -> None:
        self.prior, self.n, self.bad = prior, 0.0, 0.0

    def learn(self, count: Count | None, dt: float) -> None:
        """One tick of dt seconds."""
        keep = 0.5 ** (dt / HALF_LIFE)
        self.n *= keep
        self.bad *= keep
        if count:
            self.n += count[0]
            self.bad += count[1]

    def predict(self, kind: Kind) -> float:
        """Rounded; never 0, never 1."""
        value = (self.bad + 0.5) / (self.n + 0.5 / self.prior)
        if kind == "rate":
            return math.exp(round(math.log(value) * STEP) / STEP)
        value = min(0.9999, max(1e-5, value))
        odds = math.exp(round(math.log(value / (1.0 - value)) * STEP) / STEP)
        return odds / (1.0 + odds)


class Quantile:
    """The control's latency at one level, from the last WINDOW seconds; read again every REREAD seconds, sooner at the
    beginning."""

    __slots__ = ("_due", "_kept", "above", "level", "reached", "value")

    def __init__(self, level: float) -> None:
        self.level, self.value = level, math.nan
        self.above = self.reached = 1.0 - level  # shares of what was read: slower than the value, not quicker than it
        self._kept: deque[tuple[float, list[float]]] = deque()
        self._due = -math.inf

    def keep(self, t: float, values: list[float]) -> None:
        """One tick's latencies, for the next reading."""
        if values:
            self._kept.append((t, values[:: math.ceil(len(values) / KEPT)]))
        while self._kept and self._kept[0][0] < t - WINDOW:
            self._kept.popleft()

    def learn(self, t: float, values: list[float]) -> bool:
        """One tick's latencies, after they were judged; True when the value was read anew."""
        self.keep(t, values)
        if t < self._due or not self._kept:
            return False
        self.read(t)
        return True

    def read(self, t: float) -> None:
        """From what is kept now; not a number without any."""
        known = sorted(chain.from_iterable(kept for _, kept in self._kept))
        span = t - self._kept[0][0] if self._kept else 0.0  # of little data: again when there is twice as much
        self._due = t + min(REREAD, max(1.0, span))
        self.value = quantile(known, self.level) if known else math.nan
        if known:
            self.above = 1.0 - bisect_right(known, self.value) / len(known)
            self.reached = 1.0 - bisect_left(known, self.value) / len(known)
