"""One absolute deadline for work that waits where no library lets go: names that do not resolve, a peer that never
replies or reads a byte a minute, a process that does not end.

The work gets a thread of its own, and who waits for it waits until the deadline and no longer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """Calls that may be abandoned. Thread safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: set[Future[Any]] = set()
        self._closed = False

    def within(self, seconds: float, call: Callable[[], T], abandon: Callable[[], None]) -> T:
        """What `call` gives or raises. After `seconds`, or when a signal strikes, it is abandoned and what it still
        gives is dropped. abandon: makes it end soon, never waits. Raises TimeoutError, also after `close`."""
        future: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise TimeoutError("closed")
            self._waiting.add(future)
        threading.Thread(target=_work, args=(future, call), name="errand", daemon=True).start()
        try:
            return future.result(seconds)
        finally:
            with self._guard:
                self._waiting.discard(future)
                late = self._closed or not future.done()
            if late:
                abandon()

    def close(self) -> None:
        """Nobody waits any longer, and nothing is begun any more."""
        with self._guard:
            self._closed, waiting = True, list(self._waiting)
        for future in waiting:
            _end(future, TimeoutError("closed"))


def _work(future: Future[T], call: Callable[[], T]) -> None:
    try:
        value = call()
    except BaseException as error:  # whatever it was is told where the call is waited for
        _end(future, error)
    else:
        with suppress(InvalidStateError):
            future.set_result(value)


def _end(future: Future[T], error: BaseException) -> None:
    with suppress(InvalidStateError):  # it has ended already
        future.set_exception(error)
