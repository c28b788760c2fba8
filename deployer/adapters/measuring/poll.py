"""Ask many places again and again, each at its own pace: a slow one never delays the others, what it says late is taken
in a later tick, and what is added up in between is not lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from deployer.model.errors import HostError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
FRESH = 6.0  # seconds without an answer, after which a place is not merely late


class Reader(Protocol[T_co]):
    """One place. read: blocks, bounded in time; raises HostError with one named state. follows: the first answer only
    finds where to begin, and counts for nothing. slow: an answer takes as long as a tick, so it is asked early."""

    @property
    def follows(self) -> bool: ...

    @property
    def slow(self) -> bool: ...

    def read(self) -> T_co: ...


@dataclass(slots=True)
class Place(Generic[T]):
    """What is known of one place since it was last taken from. heard: when it last answered well. again: it was asked
    while it was being asked. late: it was waited for in vain, and is not waited for before it has answered."""

    reader: Reader[T]
    busy: bool = False
    again: bool = False
    late: bool = False
    placed: bool = False
    value: T | None = None
    reason: str = ""
    heard: float = 0.0


class Poll(Generic[T]):
    """add: puts a later answer to an earlier one. Thread safe."""

    def __init__(self, executor: Executor, readers: Mapping[str, Reader[T]], add: Callable[[T, T], T]) -> None:
        self._executor, self._add = executor, add
        self._places = {name: Place(reader) for name, reader in readers.items()}
        self._turn = 0  # answers to questions of an earlier turn are about another time
        self._stopped = False
        self._news = threading.Condition()

    def restart(self) -> None:
        """Forget what came in, and what is still to come from questions that are out."""
        with self._news:
            self._turn += 1
            for place in self._places.values():
                place.placed, place.value, place.reason, place.heard = False, None, "", time.monotonic()

    def stop(self) -> None:
        """No place is read again."""
        self._stopped = True

    def ask(self, names: Iterable[str], slow: bool = False) -> None:
        """Every one of these that is as slow; one that is being asked already is asked again after that. Never
        blocks."""
        with self._news:
            asked = [p for name in names if (p := self._places.get(name)) and p.reader.slow == slow]
            idle = [place for place in asked if not place.busy]
            for place in asked:
                place.again = place.busy
                place.busy = True
        for place in idle:
            try:
                self._executor.submit(self._work, place)
            except RuntimeError:  # it is being shut down
                place.busy = False

    def _work(self, place: Place[T]) -> None:
        while True:
            turn = self._turn
            value, reason = self._read(place.reader)
            with self._news:
                if turn == self._turn:
                    self._note(place, value, reason)
                place.late = False
                more, place.again = place.again, False
                if self._stopped or not more:
                    place.busy = False
                    self._news.notify_all()
                    return

    def _read(self, reader: Reader[T]) -> tuple[T | None, str]:
        try:
            return reader.read(), ""
        except HostError as error:
            return None, str(error) or "no answer"
        except Exception as error:  # ours: that place's result, and the others go on
            return None, f"internal error: {type(error).__name__}: {error}"

    def _note(self, place: Place[T], value: T | None, reason: str) -> None:
        place.reason = reason
        if value is None:
            return
        place.heard = time.monotonic()
        if place.reader.follows and not place.placed:
            place.placed = True
        else:
            place.value = value if place.value is None else self._add(place.value, value)

    def take(self, names: Iterable[str], patience: float) -> dict[str, tuple[T | None, str]]:
        """name -> (what came in since the last take, "") or (None, why nothing did). Waits `patience` seconds at most
        for answers that are under way, so that all that is compared is of the same tick. "" without a value: it is
        merely late."""
        wanted = {name: self._places[name] for name in names if name in self._places}

        def awaited() -> list[Place[T]]:
            return [p for p in wanted.values() if p.busy and not p.late]

        with self._news:
            self._news.wait_for(lambda: not awaited(), patience)
            for place in awaited():
                place.late = True
            return {name: self._taken(place) for name, place in wanted.items()}

    def _taken(self, place: Place[T]) -> tuple[T | None, str]:
        value, place.value = place.value, None
        if value is not None:
            return value, ""
        silent = time.monotonic() - place.heard
        if not place.reason and silent > FRESH and place.heard:
            return None, f"no answer for {silent:.0f} s"
        return None, place.reason
