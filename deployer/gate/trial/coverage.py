"""How regularly data came, held against what was usual before the change: proof does not outlive its source."""

from __future__ import annotations

import math
from dataclasses import dataclass

ENOUGH = 0.8  # of the share of ticks that had data before the change (GATE.md section 3: 80 % usable ticks)
RECENT = 3.0  # seconds


@dataclass(slots=True)
class Coverage:
    """seen: of `ticks` had data. last: seconds since activation of the latest. usual: share of the ticks before the
    change; 1 where there were none."""

    ticks: int = 0
    seen: int = 0
    last: float = -math.inf
    usual: float = 1.0

    def add(self, t: float, there: bool, starved: bool = False) -> None:
        """One tick; a starved one without data says nothing about the source."""
        if starved and not there:
            return
        self.ticks += 1
        if there:
            self.seen += 1
            self.last = t

    @property
    def share(self) -> float:
        """Of the ticks so far; 1 without any."""
        return self.seen / self.ticks if self.ticks else 1.0

    @property
    def full(self) -> bool:
        """About as often as before the change."""
        return self.seen >= ENOUGH * self.usual * self.ticks

    def gap(self, t: float, every: float) -> str:
        """Why it does not stand for now, to be read behind the metric's name; "" where it does. every: seconds between
        two data where the source is slow."""
        if not self.full:
            before = f", before the change in {self.usual:.0%} of them" if self.usual < 1.0 else ""
            return f"had data in {self.seen} of {self.ticks} ticks{before}"
        if t - self.last > max(RECENT, 2.0 * every, 2.0 / max(0.01, self.usual)):
            return f"has had no data for {t - self.last:.0f} s"
        return ""
