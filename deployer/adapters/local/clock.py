"""The machine's clocks."""

from __future__ import annotations

import time

from deployer.adapters.local.signals import SIGNALS


class SystemClock:
    """Satisfies engine.ports.Clock."""

    def now(self) -> float:
        """Seconds since the epoch, for records."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds, for durations."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Being asked to stop ends it."""
        SIGNALS.sleep(seconds)
