"""Is this machine itself too busy to measure? How late an event loop is with what it has to do, while a tick lasts.

A probe that waits for this process looks like one that waits for its host. So in a tick in which this process got too
little to run, latencies and time-outs say nothing about any host (what was answered was answered), and in any other one
no answer is slow by what this machine may have added.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

BEAT = 0.02  # seconds between two looks
USUAL = 0.01  # seconds; a machine with something else to do is as late as that
SHARE = 0.5  # of a tick
LONGEST = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class Late:
    """Of one tick. seconds: how long it was; lost: of these, beyond what is usual; worst: the longest delay."""

    seconds: float = 0.0
    lost: float = 0.0
    worst: float = 0.0

    @property
    def starved(self) -> str:
        """Why no time that was measured here counts; "" where it does."""
        if self.lost <= SHARE * self.seconds and self.worst <= LONGEST:
            return ""
        return f"it was up to {self.worst * 1000:.0f} ms late with what it had to do"


class Watch:
    """now: seconds. `beat` runs beside what is measured, in the same loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._due = now()
        self._lost = self._worst = 0.0

    async def beat(self) -> None:
        """Until it is cancelled."""
        while True:
            self._due = self._now() + BEAT
            await asyncio.sleep(BEAT)
            self._note(self._now() - self._due)

    def _note(self, delay: float) -> None:
        self._worst = max(self._worst, delay)
        self._lost += max(0.0, delay - USUAL)

    def end(self) -> Late:
        """What it was until now; answers are read before the beat that is due, so that one counts, too."""
        now = self._now()
        self._note(now - self._due)
        return Late(now - self._began, self._lost, self._worst)
