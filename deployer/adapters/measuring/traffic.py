"""Real traffic on one host, read over the transport: its access log or its server's counters, as counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from deployer.adapters.ssh.hosts import Transport
from deployer.adapters.ssh.talk import Talk
from deployer.model.errors import HostError, InputError
from deployer.model.fleet import Host
from deployer.remote import counters, logs
from deployer.remote.counters import Counters
from deployer.remote.layout import Layout
from deployer.remote.logs import AT_END, NUMBERS, Counts, Cursor, LogRead
from deployer.remote.verbs import Command
from deployer.services.base import AccessLog

ENOUGH, SAID = 20, 0.05  # requests from which on, and the share of them above which, unknown words are told
ALL = frozenset(("n", "err", "lat"))


@dataclass(frozen=True, slots=True)
class Traffic:
    """knows: which of the counts mean something (n, err, lat, look, miss, orig)."""

    counts: Counts
    knows: frozenset[str]

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.counts + other.counts, self.knows & other.knows)


class Wire(Transport, Protocol):
    """A transport on which a command can be kept and talked to."""

    def talk(self, host: Host, command: Command) -> Talk: ...


@dataclass
class LogReader:
    """Follows the log of one host through a change of release: every line is tried with the format of the release
    that the host had when it was last asked, then with the other one; where the releases log to different files, both
    are followed, and the one of the host's release must be there.

    new: as the release that is being deployed logs. describe: how given files log (a phrasebook's access_log). notice:
    told, once each, what of a log is not counted."""

    transport: Wire
    host: Host
    layout: Layout
    new: AccessLog
    release: str
    describe: Callable[[Mapping[str, bytes]], AccessLog | None]
    notice: Callable[[str], None] = lambda text: None
    follows: bool = field(init=False)
    slow: bool = field(init=False)
    _old: AccessLog | None = None
    _fetched: bool = False
    _current: str = ""
    _talk: Talk | None = None
    _running: Command | None = None
    _cursors: dict[str, Cursor] = field(default_factory=dict)
    _said: set[tuple[str, str]] = field(default_factory=set)
    _seen: dict[str, Counts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slow = self.new.path.startswith("|")
        self.follows = not self.slow

    def read(self) -> Traffic:
        """What was logged since the last read. Raises HostError with the state of the log."""
        if not self._fetched:
            self._old = self._fetch()
            self._fetched = True
        first, second = (self.new, self._old) if self._current == self.release else (self._old, self.new)
        formats = list(dict.fromkeys(log for log in (first, second) if log is not None))
        places: dict[str, list[AccessLog]] = {}
        for log in formats:
            places.setdefault(log.place, []).append(log)
        asked = tuple(self._cursors.get(place, AT_END) for place in places)
        answer = self._ask(logs.read_logs(self.layout, list(places.values())), logs.ask_logs(asked), len(asked))
        read = dict(zip(places, logs.parse_logs(answer, asked), strict=True))
        for place, one in read.items():
            self._cursors[place] = one.cursor
            self._tell(places[place][0].path, one)
        self._current = next(iter(read.values())).release
        return self._sum(read, knows(formats))

    def _ask(self, command: Command, line: bytes, answers: int) -> bytes:
        """Over the command that is already running on the host; a new one where it has ended or must be another."""
        if self._talk is not None and command != self._running:
            self._talk.close()
            self._talk = None
        if self._talk is None:
            self._talk, self._running = self.transport.talk(self.host, command), command
        try:
            return self._talk.ask(line, answers, command.deadline)
        except HostError:
            self._talk.close()
            self._talk = None
            raise

    def _sum(self, read: Mapping[str, LogRead], known: frozenset[str]) -> Traffic:
        """The log of the release that the host has must be there; of the other one, what there is."""
        log = self.new if self._current == self.release or self._old is None else self._old
        if read[log.place].state != "ok":
            what = "the command that reads the log" if log.path.startswith("|") else f"access log {log.path}"
            where = " in the folder that the server itself names" if log.folder else ""
            raise HostError(f"{what}{where}: {read[log.place].state}")
        total = Counts()
        for one in read.values():
            total = total + one.counts
        if total.bad > total.n + total.probe:
            lines = total.bad + total.n + total.probe
            raise HostError(f"{total.bad} of {lines} lines of the access log {log.path} are in no known format")
        return Traffic(total, known)

    def _tell(self, path: str, read: LogRead) -> None:
        """What is lost of a log, once for each reason."""
        bad, fit = read.counts.bad, read.counts.n + read.counts.probe
        seen = self._seen[path] = self._seen.get(path, Counts()) + replace(read.counts, lat=())
        odd = seen.odd
        for kind, here, text in (
            ("skipped", read.skipped, f"{read.skipped} bytes were skipped: more than can be read in a tick"),
            ("rotated", read.rotated, "it was rotated; what its old file got after the last read may be missing"),
            ("bad", bad, f"{bad} of {bad + fit} lines are in no known format and are not counted"),
            (
                "odd",
                odd if seen.n >= ENOUGH and odd > SAID * seen.n else 0,
                f"{odd} of {seen.n} requests are neither hits nor misses that are known (the log says {seen.word!r})",
            ),
        ):
            if here and (path, kind) not in self._said:
                self._said.add((path, kind))
                self.notice(f"{self.host.name}: access log {path}: {text}")

    def _fetch(self) -> AccessLog | None:
        """How the release that is there now logs; None where that cannot be used: the new format alone is read."""
        done = self.transport.run(self.host, counters.fetch(self.layout))
        try:
            return self.describe(counters.unpack(done.stdout))
        except InputError:
            return None


def knows(formats: list[AccessLog]) -> frozenset[str]:
    """What all of these logs tell."""
    known = ALL | {"look", "miss", "orig"}
    for log in formats:
        fields = log.pieces[1::2]
        lacks = {"lat"} if "time" not in fields else set()
        lacks |= {"look", "miss"} if "cache" not in fields else set()
        lacks |= {"orig"} if "cache" not in fields and "upstream" not in fields else set()
        known -= lacks
    return frozenset(known)


@dataclass
class CounterReader:
    """Differences of the server's counters."""

    transport: Transport
    host: Host
    layout: Layout
    follows: bool = True
    slow: bool = False
    _before: Counters | None = None

    def read(self) -> Traffic:
        """What was added since the last read. Raises HostError, also when they began again at 0 in between."""
        done = self.transport.run(self.host, counters.read_counters(self.layout))
        now, before = counters.parse_counters(done.stdout), self._before
        self._before = now
        if before is None:
            return Traffic(Counts(), frozenset(now.values))
        added = now.after(before)
        numbers: dict[str, int] = {name: added.get(name, 0) for name in NUMBERS}
        return Traffic(Counts(**numbers, word="", lat=()), frozenset(added))
