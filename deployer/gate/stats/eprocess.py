"""What accumulates over the ticks: the odds of harm, and the proof of health.

By Ville's inequality the odds of a harmless release ever reach 1/alpha with probability alpha at most, whenever one
looks and however long (GATE.md section 2).
"""

from __future__ import annotations

import math

from deployer.gate.stats.evalue import Row, Table

SHARING = 0.02  # of the weight of the alternatives, spread evenly again in every tick
MOST = 1e300
FLOOR = -5.0  # nats: bad luck at the beginning is forgotten
MARGIN = 5.0  # nats above what is asked: proof of health that harm must eat up again


class Odds:
    """An e-process: tempered, mixed over the alternatives, capped, started at every tick.

    half of the mass begins with the first tick, the other half is spread evenly over `span` seconds, so that harm
    that begins late is not drowned by the good data before it (Shiryaev-Roberts).
    """

    __slots__ = ("_running", "_span", "_waiting", "_weights")

    def __init__(self, span: float) -> None:
        self._span, self._waiting, self._running = max(1.0, span), 1.0, 0.0
        self._weights: list[float] = []

    @property
    def value(self) -> float:
        """1 at the beginning; 1000 happens to one harmless release in 1000 at most."""
        return self._running + self._waiting

    def update(self, table: Table, bad_c: float, bad_k: float, phi: float, dt: float) -> None:
        """One tick of `dt` seconds. phi >= 1 tempers; no second multiplies the odds by more than e."""
        first = self._waiting == 1.0
        start = 0.5 if first else min(self._waiting, 0.5 * dt / self._span)
        self._waiting -= start
        factor = self._mixture(table, bad_c, bad_k, phi, dt) if table else 1.0
        self._running = min(MOST, (self._running + start) * factor)

    def _mixture(self, table: Table, bad_c: float, bad_k: float, phi: float, dt: float) -> float:
        """The capped factor of this tick; the alternatives that foresaw it gain weight (fixed share)."""
        count = len(table)
        weights = self._weights if len(self._weights) == count else [1.0 / count] * count
        scores = [
            w * math.exp(min(600.0, (base + bad_c * c + bad_k * k) / phi))
            for w, (base, c, k) in zip(weights, table, strict=True)
        ]
        total = sum(scores)
        if total > 0.0:
            keep, even = (1.0 - SHARING) / total, SHARING / count
            self._weights = [keep * score + even for score in scores]
        return min(total, math.exp(min(3.0, max(1.0, dt))))


class Proof:
    """Evidence in nats that a metric is below its line of harm; kept within FLOOR and `needed` + MARGIN."""

    __slots__ = ("_needed", "nats")

    def __init__(self, beta: float) -> None:
        self._needed, self.nats = -math.log(beta), 0.0

    @property
    def holds(self) -> bool:
        """Shown at confidence 1 - beta."""
        return self.nats >= self._needed

    def update(self, row: Row | None, bad_c: float, bad_k: float, phi: float) -> None:
        """One tick."""
        if row:
            base, c, k = row
            nats = self.nats + (base + bad_c * c + bad_k * k) / phi
            self.nats = min(self._needed + MARGIN, max(FLOOR, nats))
