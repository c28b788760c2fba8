"""Time that passes only when everybody waits. Real threads, of which one runs at a time and always in the same order: who
sleeps or waits hands the turn on to the first that can go on, and only where none can does time jump to the next that is
due. Pulses beat and watchdogs fire while it passes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Gone(BaseException):
    """The process that this thread belonged to was killed."""


class Task:
    """One thread. ready: why it could go on before `due`."""

    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)
        self.due, self.ready = math.inf, lambda: False
        self.dead = False
        self.error: BaseException | None = None  # what it wakes up to


class FakeClock:
    """Satisfies engine.ports.Clock; `pulse` satisfies engine.ports.Pulse."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._watchers: list[Callable[[float], None]] = []
        self._main = Task()
        self._tasks = {threading.get_ident(): self._main}
        self._waiting: list[Task] = []

    def now(self) -> float:
        return 1_700_000_000.0 + self.time

    def monotonic(self) -> float:
        return self.time

    def watch(self, watcher: Callable[[float], None]) -> None:
        """`watcher` is told the time after every step."""
        self._watchers.append(watcher)

    def sleep(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def wait(self, ready: Callable[[], bool], seconds: float = math.inf) -> None:
        """Until `ready`, or until time is up. Everybody else goes on meanwhile."""
        me = self._tasks[threading.get_ident()]
        if me.dead:
            raise Gone
        me.due, me.ready = self.time + seconds, ready
        self._waiting.append(me)
        self._hand_on()
        me.turn.acquire()
        if me.dead:
            raise Gone
        if me.error:
            error, me.error = me.error, None
            raise error

    def spawn(self, run: Callable[[], None]) -> None:
        """A thread of its own, which begins when the others wait."""
        task = Task()
        task.ready = lambda: True
        self._waiting.append(task)

        def body() -> None:
            self._tasks[threading.get_ident()] = task
            task.turn.acquire()
            try:
                if not task.dead:
                    run()
            except Gone:
                pass
            finally:
                del self._tasks[threading.get_ident()]
            if not task.dead:
                self._hand_on()

        threading.Thread(target=body, daemon=True).start()

    def kill(self, error: BaseException) -> Gone:
        """Everything, as SIGKILL does: no thread does anything more. The one that tests wakes up to `error`; the one that
        struck the blow raises what this gives."""
        me = self._tasks[threading.get_ident()]
        if me is self._main:
            raise error
        self._main.error, self._main.ready = error, lambda: True
        for task in [task for task in self._waiting if task not in (me, self._main)]:
            self._waiting.remove(task)
            task.dead = True
            task.turn.release()
        return Gone()

    def _hand_on(self) -> None:
        while self._waiting:
            for task in self._waiting:
                if task.due <= self.time or task.ready():
                    self._waiting.remove(task)
                    task.turn.release()
                    return
            due = min(task.due for task in self._waiting)
            if due == math.inf:
                stuck = self._waiting.pop(0)
                stuck.error = RuntimeError("everybody waits for ever")
                stuck.turn.release()
                return
            self.time = due
            for watcher in self._watchers:
                watcher(self.time)

    @contextmanager
    def pulse(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        ended: list[bool] = []

        def run() -> None:
            while not ended:
                self.wait(lambda: bool(ended), seconds)
                if not ended:
                    beat()

        self.spawn(run)
        try:
            yield
        finally:
            ended.append(True)
