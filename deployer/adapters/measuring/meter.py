"""One sample a tick from everything that measures. Satisfies engine.ports.Probes.

Immediate re-fetches and required probes always come from the probes. Requests, errors and latency come from real
traffic when every watched host had enough of it in the baseline, else from the probes: decided once, and said.
Look-ups, misses and origin requests come from traffic or the server's counters, as far as those tell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from deployer.adapters.measuring.blend import (
    UNASKED,
    Both,
    Requests,
    by_probes,
    by_traffic,
    take_off,
    with_cache,
    with_traffic,
)
from deployer.adapters.measuring.choice import NO_SOURCE, choose, refuse_broken
from deployer.adapters.measuring.figures import Figures
from deployer.adapters.measuring.poll import Poll, Reader
from deployer.adapters.measuring.probes import HttpProbes
from deployer.adapters.measuring.traffic import Traffic
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast, raised, refuse_unprovable
from deployer.model.sample import HostSample, Sample
from deployer.remote.logs import Counts

TICK, LEAD, PATIENCE = 1.0, 0.6, 2.0  # seconds; when in a tick the hosts are asked, how long after it is waited
IDLE = 5  # ticks without any request after which a host that should have traffic counts as silent

Gathered = Mapping[str, tuple[Traffic | None, str]]


@dataclass
class Watching:
    """A series of ticks. at: when the last one was taken. before: of a baseline, all that was seen. begun: one was
    taken; the first lacks requests that its logs did not have yet."""

    hosts: Sequence[Host] = ()
    at: float = 0.0
    before: list[Both] | None = None
    begun: bool = False
    idle: dict[str, int] = field(default_factory=dict)
    owed: dict[str, Counts] = field(default_factory=dict)


class Measure:
    """readers: of the traffic, by host; none at all where only probes measure. min_traffic: requests a second and host.
    ours: hosts whose source counts the probes as visitors: what these add is taken off.
    asked: the source of traffic that the user named; "" where he did not.
    judged_by: one sentence, "" before the baseline is over."""

    def __init__(
        self,
        probes: HttpProbes,
        readers: Mapping[str, Reader[Traffic]],
        figures: Callable[[ThreadPoolExecutor], Figures],
        min_traffic: float = 1.0,
        ours: Collection[str] = (),
        asked: str = "",
    ) -> None:
        self._executor = ThreadPoolExecutor(max(8, min(256, len(readers) + 4)), thread_name_prefix="source")
        self._probes, self._least, self._ours, self._asked = probes, min_traffic, ours, asked
        self._traffic: Poll[Traffic] = Poll(self._executor, readers, lambda old, new: old + new)
        self._figures = figures(self._executor)
        self._measured = tuple(readers)
        self._watching = Watching()
        self._by: Callable[[Both], Sample] = by_probes
        self.judged_by = ""
        self._forecast = Forecast()

    def expect(self, forecast: Forecast) -> None:
        """See engine.ports.Probes."""
        self._forecast = forecast
        self._probes.faster(forecast.factor)

    def baseline(self, hosts: Sequence[Host]) -> None:
        """See engine.ports.Probes."""
        self._begin(hosts, [])

    def watch(self, hosts: Sequence[Host]) -> None:
        """See engine.ports.Probes."""
        self._begin(hosts, None)

    def _begin(self, hosts: Sequence[Host], before: list[Both] | None) -> None:
        self._watching = Watching(hosts, time.monotonic(), before)
        self._traffic.restart()
        self._traffic.ask([host.name for host in hosts])
        self._figures.ask()

    def sample(self, t: float) -> Sample:
        """One tick; never raises."""
        watching = self._watching
        names = [host.name for host in watching.hosts]
        self._traffic.ask(names, slow=True)
        asked = threading.Event()

        def ask() -> None:
            asked.set()
            self._traffic.ask(names)

        timer = threading.Timer(LEAD * TICK, ask)
        timer.daemon = True
        timer.start()
        try:
            probed = self._probes.sample(watching.hosts, t)
        finally:
            timer.cancel()
        if not asked.is_set():  # the probes were quicker than a tick
            ask()
        gathered = self._traffic.take(names, PATIENCE)
        values, reasons = self._figures.take()
        self._figures.ask()
        now = time.monotonic()
        seconds, watching.at = now - watching.at, now
        probed = probed if probed.hosts else Sample(t, dict.fromkeys(names))
        both = self._combine(probed, gathered, values, reasons, seconds)
        watching.begun = True
        if watching.before is not None:
            watching.before.append(both)
        return self._by(both)

    def _combine(
        self,
        probed: Sample,
        gathered: Gathered,
        values: Mapping[str, float],
        reasons: Mapping[str, str],
        seconds: float,
    ) -> Both:
        """The tick as the probes have it, and as the traffic has it."""
        real: dict[str, HostSample | None] = {}
        plain: dict[str, HostSample | None] = {}
        why: dict[str, str] = {}
        requests: dict[str, Requests] = {}
        for name, probe in probed.hosts.items():
            traffic, reason = gathered.get(name, (None, "its traffic is not read"))
            traffic = self._visitors(name, traffic)
            broken = bool(reason)
            reason = "" if probed.starved and traffic is None else reason or self._idle(name, traffic)
            whole = traffic is None or {"n", "err"} <= traffic.knows
            requests[name] = Requests(traffic.counts.n if traffic else 0, reason, whole, broken)
            plain[name] = with_cache(probe, traffic) if probe else None
            real[name] = None if reason else with_traffic(probe or UNASKED, traffic)
            if reason:
                why[name] = reason
        n = sum(one.n for one in requests.values()) if self._watching.begun else 0
        known = {name: (value * seconds, seconds) for name, value in values.items()}
        per = {name: (value * seconds, float(n)) for name, value in values.items() if n}
        quiet = {name: "no client requests are known of this tick" for name in values if not n}
        ours = replace(probed, fleet=known, reasons={**probed.reasons, **reasons})
        return Both(
            replace(ours, hosts=plain),
            Sample(probed.t, real, per, {**why, **reasons, **quiet}, starved=probed.starved),
            ours,
            requests,
            seconds,
        )

    def _visitors(self, name: str, traffic: Traffic | None) -> Traffic | None:
        """Without our own requests, which arrive a moment before or after they are counted."""
        if name not in self._ours:
            return traffic
        sent = self._probes.own.get(name, Counts())
        owed, most = self._watching.owed.get(name, Counts()) + sent, sent + sent
        counts = traffic.counts if traffic else Counts()
        left, self._watching.owed[name] = take_off(counts, owed, most)
        return Traffic(left, traffic.knows) if traffic else None

    def _idle(self, name: str, traffic: Traffic | None) -> str:
        """A host that should have traffic and has none for IDLE ticks is silent."""
        if traffic is None:
            return ""
        idle = 0 if traffic.counts.n else self._watching.idle.get(name, 0) + 1
        self._watching.idle[name] = idle
        return f"no request for {idle} s" if idle >= IDLE else ""

    def settle(self, deciding: Sequence[str]) -> Sequence[Sample]:
        """See engine.ports.Probes."""
        kept, self._watching.before = self._watching.before or [], None
        refuse_broken(self._asked, kept, deciding)
        self._by, self.judged_by = choose(kept, deciding, self._least) if self._measured else NO_SOURCE
        if self._by is by_traffic:
            self._probes.faster(1.0)
        else:
            refuse_unprovable(self._forecast, self.judged_by)
            self.judged_by += raised(self._forecast)
        return self._probes.settle([self._by(both) for both in kept], deciding)

    @property
    def lost(self) -> str:
        """judged_by, where a source of real traffic is there and is not used; "" where nothing of the evidence is
        lost."""
        return self.judged_by if self._measured and self._by is not by_traffic else ""

    def close(self) -> None:
        """Ends the threads; never waits for a silent host."""
        self._traffic.stop()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._probes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
