"""Ctrl-C, SIGTERM and SIGHUP. Before the engine runs they end the command where it is: nothing was sent. From then on
they are counted, whoever waits wakes up, and what follows is decided where things are decided.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

SAME = 0.5  # seconds: what comes so soon again is the same request, handed on by a wrapper that the terminal told, too
HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENOUGH = 2  # the first turns back, the second leaves all to the watchdogs, one more ends the program where it is


class Signals:
    """Satisfies engine.ports.Stop. The handler runs in the main thread between any two of its steps: all that it
    touches may be touched then (a SimpleQueue may, a lock or an Event may not)."""

    def __init__(self) -> None:
        self._count, self._last = 0, 0.0
        self._counting = False
        self._waiting: list[SimpleQueue[object]] = []

    def install(self) -> None:
        """In the main thread. What is ignored stays so: `nohup deploy push` is meant to outlive its terminal."""
        for number in HEARD:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:  # a terminal that goes is told by the shell and by the kernel: that is one
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        now = time.monotonic()
        if self._count and now - self._last < SAME:
            return
        self._count, self._last = self._count + 1, now
        for news in tuple(self._waiting):
            news.put(None)
        if not self._counting or self._count > ENOUGH:
            raise KeyboardInterrupt

    def count_only(self) -> None:
        """The engine runs: from here on nothing is thrown. One that came before is counted, too."""
        self._counting = True

    @contextmanager
    def throwing(self) -> Iterator[None]:
        """A person is being asked something: Ctrl-C ends the question."""
        before, self._counting = self._counting, False
        try:
            yield
        finally:
            self._counting = before

    def asked(self) -> int:
        """How often so far."""
        return self._count

    def wait(self, futures: Collection[Future[Any]], most: int) -> None:
        """Until all of these are done, or `asked` is `most`."""
        with self._news() as news:
            for future in futures:
                future.add_done_callback(news.put)
            left = len(futures)
            while left and self._count < most:
                left -= news.get() is not None

    def sleep(self, seconds: float) -> None:
        """A signal ends it."""
        with self._news() as news:
            try:
                news.get(timeout=seconds)
            except Empty:
                return

    @contextmanager
    def _news(self) -> Iterator[SimpleQueue[object]]:
        news: SimpleQueue[object] = SimpleQueue()
        self._waiting.append(news)
        try:
            yield news
        finally:
            self._waiting.remove(news)


SIGNALS = Signals()  # those of this process
