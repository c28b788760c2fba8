"""Executors: one that queues like the real one, in a fake clock's time, and one that does everything at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tests.fakes.clock import FakeClock, Gone


class Awaited(Future[Any]):
    """Who waits for it lets the others go on."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self._clock.wait(self.done)
        return super().result(0)


class Queue(Executor):
    """`places` calls at a time; the others wait their turn, first in, first out."""

    def __init__(self, clock: FakeClock, places: int) -> None:
        self._clock, self._places = clock, places
        self._calls: deque[tuple[Awaited, Callable[[], Any]]] = deque()
        self._busy = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Awaited(self._clock)
        self._calls.append((future, lambda: fn(*args, **kwargs)))
        if self._busy < self._places:
            self._busy += 1
            self._clock.spawn(self._work)
        return future

    def _work(self) -> None:
        while self._calls:
            future, call = self._calls.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except Gone:
                raise
            except BaseException as error:
                future.set_exception(error)
        self._busy -= 1


class HereAndNow(Executor):
    """Runs each call at once, in order: a test sees one interleaving, always the same."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
