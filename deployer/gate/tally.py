"""What every host gave so far, tick by tick, as counts of bad events; and how surely a count is over a share.

Every metric is a proportion: failed requests, re-fetches that missed, and for a latency quantile L the requests
slower than its limit (more than 1 - L of them are slower exactly when the quantile is over the limit).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deployer.model.health import Limit
from deployer.model.sample import HostSample, Sample

SPREAD = 3  # bad seconds before a count is believed: one hiccup is not a trend
MOST = 10**9  # a source that counts more than this in a tick is broken; arithmetic must still hold


@dataclass(frozen=True, slots=True)
class Metric:
    """allowed: share of bad events that is still tolerated. limit: as the user wrote it (a share, or seconds for a
    latency; None: measured but not limited). level: the quantile of a latency, 0.0 for the others."""

    name: str
    allowed: float
    limit: float | None
    level: float = 0.0

    def count(self, sample: HostSample) -> tuple[int, int] | None:
        """(events, bad events) of one tick, made sane; None without data."""
        if self.level:
            known = [ms for ms in sample.lat if not math.isnan(ms)]
            n, bad = len(known), sum(ms > (self.limit or 0.0) * 1000 for ms in known)
        elif self.name == "error_rate":
            n, bad = sample.n, sample.err
        elif sample.rehit_n is None or sample.rehit_bad is None:
            return None
        else:
            n, bad = sample.rehit_n, sample.rehit_bad
        n = min(n, MOST)
        return (n, max(0, min(bad, n))) if n > 0 else None


def metrics(limit: Limit) -> tuple[Metric, ...]:
    """What the limits judge, in the order in which they are named. The error rate is always measured."""
    found = [Metric("error_rate", 1.0 if limit.error_rate is None else limit.error_rate, limit.error_rate)]
    if limit.refetch_miss is not None:
        found.append(Metric("refetch_miss", limit.refetch_miss, limit.refetch_miss))
    for name, level in (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99)):
        seconds: float | None = getattr(limit, name)
        if seconds is not None:
            found.append(Metric(name, round(1 - level, 9), seconds, level))
    return tuple(found)


def tail(n: int, bad: int, share: float) -> float:
    """Upper bound of P(at least `bad` of `n`) when each is bad with probability `share` (1.0 where `bad` is not above
    what is expected). The first term times a geometric series: never below the exact tail, falls with `bad`."""
    if bad <= n * share:
        return 1.0
    if share <= 0.0:
        return 0.0
    choose = math.lgamma(n + 1) - math.lgamma(bad + 1) - math.lgamma(n - bad + 1)
    first = math.exp(min(0.0, choose + bad * math.log(share) + (n - bad) * math.log1p(-share)))
    ratio = (n - bad) / (bad + 1) * share / (1 - share)
    return min(1.0, first / (1 - ratio))


@dataclass(frozen=True, slots=True)
class Window:
    """bad of n events in the last ticks. spread: in how many different ticks the bad ones fell, counted up to SPREAD.
    seconds: how long the window is."""

    n: int
    bad: int
    spread: int
    seconds: float

    @property
    def share(self) -> float:
        """Of bad events; 0.0 without any event."""
        return self.bad / self.n if self.n else 0.0


@dataclass(slots=True)
class Counts:
    """Running totals: item i is the sum of the first i ticks. last: number of the last tick with data, -1 before
    any. usable: how many ticks had data, or had it lately enough for a slow probe."""

    n: list[int] = field(default_factory=lambda: [0])
    bad: list[int] = field(default_factory=lambda: [0])
    last: int = -1
    usable: int = 0

    def add(self, counted: tuple[int, int] | None, gap: int) -> None:
        """One tick. It is usable when there was data in it or at most `gap` ticks before."""
        n, bad = counted or (0, 0)
        self.n.append(self.n[-1] + n)
        self.bad.append(self.bad[-1] + bad)
        tick = len(self.n) - 2
        if counted:
            self.last = tick
        self.usable += self.last >= 0 and tick - self.last <= gap


@dataclass(slots=True)
class Failing:
    """A required probe that has not succeeded since `since`: how many ticks it failed in, and why at first."""

    ticks: int
    reason: str
    since: float


@dataclass(slots=True)
class Series:
    """One host. counts: by metric. lat: milliseconds, tick by tick. passed: required probes that ever succeeded;
    named: the source tells which ones succeed. silent: never gave a sample at all. untold: requests were sent in a
    tick whose re-fetches the source could not judge."""

    counts: dict[str, Counts]
    lat: list[tuple[float, ...]] = field(default_factory=list)
    failing: dict[str, Failing] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    named: bool = False
    silent: bool = True
    untold: bool = False

    def probes(self, sample: HostSample, t: float) -> None:
        """Follow the required probes: a success ends a streak, a tick without an answer does not."""
        ok = sample.required_ok
        self.named = self.named or ok is not None
        if ok is None:
            ok = frozenset(self.failing) - set(sample.required_err) if sample.n > 0 else frozenset()
        self.passed |= ok
        for name in ok:
            self.failing.pop(name, None)
        for name in sorted(set(sample.required_err) - ok):
            streak = self.failing.setdefault(name, Failing(0, sample.required_err[name], t))
            streak.ticks += 1


class Tally:
    """All hosts of a wave over all ticks. gaps: ticks between two data of a metric, where probes are slow."""

    def __init__(self, hosts: Iterable[str], judged: tuple[Metric, ...], gaps: dict[str, int]) -> None:
        self.metrics, self.gaps = judged, gaps
        self.times: list[float] = []
        self.series = {name: Series({metric.name: Counts() for metric in judged}) for name in hosts}

    def add(self, sample: Sample) -> float:
        """One tick; returns its time, made finite and never going back."""
        last = self.times[-1] if self.times else -math.inf
        t = max(sample.t, last) if math.isfinite(sample.t) else max(last, 0.0)
        self.times.append(t)
        for name, series in self.series.items():
            given = sample.hosts.get(name)
            for metric in self.metrics:
                counted = metric.count(given) if given else None
                series.counts[metric.name].add(counted, self.gaps.get(metric.name, 0))
            series.lat.append(given.lat if given else ())
            if given:
                series.silent = False
                series.untold = series.untold or (given.n > 0 and given.rehit_n is None)
                series.probes(given, t)
        return t

    def judges(self, name: str) -> bool:
        """Is there such a metric?"""
        return any(metric.name == name for metric in self.metrics)

    def window(self, names: Sequence[str], metric: str, ticks: int) -> Window:
        """The last `ticks` ticks (0: all) of these hosts together."""
        total = len(self.times)
        start = max(0, total - ticks) if ticks else 0
        counts = [self.series[name].counts[metric] for name in names]
        n = sum(c.n[-1] - c.n[start] for c in counts)
        bad = sum(c.bad[-1] - c.bad[start] for c in counts)
        spread, tick = 0, total
        while bad and spread < SPREAD and tick > start:
            spread += any(c.bad[tick] > c.bad[tick - 1] for c in counts)
            tick -= 1
        return Window(n, bad, spread, self.times[-1] - self.times[start] + 1.0 if total else 0.0)

    def quantile(self, names: Sequence[str], level: float, ticks: int) -> float | None:
        """Nearest-rank quantile in milliseconds of the last `ticks` ticks; None without data."""
        start = max(0, len(self.times) - ticks) if ticks else 0
        ticks_of = (tick for name in names for tick in self.series[name].lat[start:])
        known = sorted(min(max(ms, 0.0), float(MOST)) for tick in ticks_of for ms in tick if not math.isnan(ms))
        return known[max(0, math.ceil(round(level * len(known), 6)) - 1)] if known else None

    def since(self, name: str, metric: str) -> float:
        """Seconds since the last data of a host (since activation where there never was any)."""
        last = self.series[name].counts[metric].last
        return self.times[-1] - (self.times[last] if last >= 0 else min(0.0, self.times[0]))
