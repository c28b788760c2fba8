"""Time that passes only when somebody sleeps. Pulses beat and watchdogs fire while it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class FakeClock:
    """Satisfies engine.ports.Clock; `pulse` satisfies engine.ports.Pulse."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._watchers: list[Callable[[float], None]] = []
        self._beats: list[list[float | Callable[[], None]]] = []

    def now(self) -> float:
        return 1_700_000_000.0 + self.time

    def monotonic(self) -> float:
        return self.time

    def watch(self, watcher: Callable[[float], None]) -> None:
        """`watcher` is told the time after every step."""
        self._watchers.append(watcher)

    def sleep(self, seconds: float) -> None:
        end = self.time + seconds
        while self.time < end:
            self.time = min(end, self.time + 1.0)
            for beat in list(self._beats):
                period, due, call = beat
                if self.time >= due:  # type: ignore[operator]
                    beat[1] = self.time + period  # type: ignore[operator]
                    call()  # type: ignore[operator]
            for watcher in self._watchers:
                watcher(self.time)

    @contextmanager
    def pulse(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        entry: list[float | Callable[[], None]] = [seconds, self.time + seconds, beat]
        self._beats.append(entry)
        try:
            yield
        finally:
            self._beats.remove(entry)
