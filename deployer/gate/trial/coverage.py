"""How regularly data came, held against what was usual before the change: proof does not outlive its source.

A source that writes every two seconds has data in each tick of a busy machine, whose ticks are that long, and in every
second tick of an idle one: so it is seconds that are counted, and a pause that was usual before the change is none.
"""

from __future__ import annotations

from dataclasses import dataclass

ENOUGH = 0.8  # of the share of the time that had data before the change (GATE.md section 3: 80 % usable ticks)
RECENT = 3.0  # seconds


@dataclass(slots=True)
class Coverage:
    """In seconds, of which `covered` of `seconds` had data, or lay in a pause between data no longer than `pause`.
    open: since the last data. longest: from data to data. usual: share of the time before the change; 1 where there
    was none."""

    seconds: float = 0.0
    covered: float = 0.0
    open: float = 0.0
    longest: float = 0.0
    pause: float = 0.0
    usual: float = 1.0

    def add(self, dt: float, there: bool, starved: bool = False) -> None:
        """One tick of `dt` seconds; a starved one without data says nothing about the source."""
        if starved and not there:
            return
        self.seconds += dt
        self.open += dt
        if there:
            self.covered += min(self.open, max(dt, self.pause))
            self.longest = max(self.longest, self.open)
            self.open = 0.0

    def expect(self, before: Coverage) -> None:
        """As much as `before` the change: sparse data stay sparse. A pause of seconds is a hole, however usual."""
        self.pause = min(RECENT, before.longest)
        self.usual = before.share

    @property
    def share(self) -> float:
        """Of the time so far; 1 without any."""
        return (self.covered + min(self.open, self.pause)) / self.seconds if self.seconds else 1.0

    @property
    def full(self) -> bool:
        """About as often as before the change."""
        return self.share >= ENOUGH * self.usual

    def gap(self, every: float) -> str:
        """Why it does not stand for now, to be read behind the metric's name; "" where it does. every: seconds between
        two data where the source is slow."""
        if not self.full:
            before = f", before the change in {self.usual:.0%} of the time" if self.usual < 1.0 else ""
            return f"had data in {self.covered:.0f} of {self.seconds:.0f} s{before}"
        if self.open > max(RECENT, 2.0 * every, 2.0 / max(0.01, self.usual)):
            return f"has had no data for {self.open:.0f} s"
        return ""
