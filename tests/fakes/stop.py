"""Being asked to stop, in a fake clock's time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any

from tests.fakes.clock import FakeClock


class FakeStop:
    """Satisfies engine.ports.Stop. `ask` is what Ctrl-C does."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock, self.count = clock, 0

    def ask(self) -> None:
        self.count += 1

    def asked(self) -> int:
        return self.count

    def wait(self, futures: Collection[Future[Any]], most: int) -> None:
        def ready() -> bool:
            return self.count >= most or all(future.done() for future in futures)

        if not ready():
            self._clock.wait(ready)


class EngineClock:
    """Satisfies engine.ports.Clock: the same time, but being asked to stop ends a sleep. `begun` is called with each."""

    def __init__(self, clock: FakeClock, stop: FakeStop) -> None:
        self._clock, self._stop = clock, stop
        self.begun: Callable[[], None] = lambda: None
        self.now, self.monotonic = clock.now, clock.monotonic

    def sleep(self, seconds: float) -> None:
        before = self._stop.count
        self.begun()
        self._clock.wait(lambda: self._stop.count > before, seconds)
