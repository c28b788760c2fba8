"""Who gave data, when last, and how the required probes fare: what no statistics can make up for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from deployer.gate.config import GateConfig
from deployer.gate.counts import Tick
from deployer.gate.trial.coverage import Coverage
from deployer.model.sample import HostSample, Sample

STREAK = 3  # ticks in which a required probe fails, without a success between, before it is believed
BUSY = 0.5  # of the ticks
MUTE = 5  # ticks with answers that do not tell a hit from a miss, after which they are not late
BY_CACHE = ("refetch_miss", "fresh_miss")  # what only such answers tell
WATCHED = ("error_rate", "refetch_miss")


@dataclass(slots=True)
class Failing:
    """A required probe that has not succeeded since `since`: how many ticks it failed in, and why at first."""

    ticks: int
    reason: str
    since: float


class Broken(NamedTuple):
    """A required probe that keeps failing on a canary host. everywhere: and on every unchanged host, too."""

    probe: str
    host: str
    streak: Failing
    everywhere: bool


class Doubt(NamedTuple):
    """What stands against health. metric: "" where it is none in particular."""

    metric: str
    text: str


@dataclass(slots=True)
class Presence:
    """One host. n, last: events so far and time of the last ones, by metric. usable: ticks with data of it and beside
    it, or in the few before for a slow probe. why: the reason the source gave for its silence. passed: required probes
    that ever succeeded; named: the source tells which ones succeed. untold: answers that do not tell a hit from a miss.
    lost: seconds that the measuring machine had lost when the last data came. mute: ticks of such answers in a row.
    looked: when another source last told hits from misses.
    """

    n: dict[str, float] = field(default_factory=lambda: dict.fromkeys(WATCHED, 0.0))
    last: dict[str, float] = field(default_factory=dict)
    usable: Coverage = field(default_factory=Coverage)
    why: str = ""
    failing: dict[str, Failing] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    named: bool = False
    silent: bool = True
    untold: bool = False
    lost: float = 0.0
    mute: int = 0
    looked: float = -math.inf

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


class Roll:
    """All hosts over all ticks."""

    def __init__(self, config: GateConfig) -> None:
        self.config = config
        self.hosts = {name: Presence() for name in (*config.canary, *config.control)}
        self.ticks, self.began, self.t = 0, 0.0, 0.0
        self.fleet_why: dict[str, str] = {}
        self.starved, self.busy_why, self._lost = 0, "", 0.0
        self._gap = 1.01 * max(1.0, config.every.get("error_rate", 1.0)) - 0.9  # ticks take a little over a second

    def add(self, sample: Sample, tick: Tick) -> None:
        """One tick."""
        self.began = tick.t if not self.ticks else self.began
        self.ticks += 1
        if sample.starved:
            self.starved, self.busy_why, self._lost = self.starved + 1, sample.starved, self._lost + tick.dt
        self.t = tick.t
        self._fleet(sample.reasons)
        for name, host in self.hosts.items():
            given, seen = sample.hosts.get(name), tick.hosts.get(name)
            host.why = sample.reasons.get(name, "") if given is None else ""
            if given is None or seen is None:
                continue
            host.silent = False
            host.untold = host.untold or (given.n > 0 and given.rehit_n is None)
            host.mute = host.mute + 1 if given.rehit_n is None else 0 if given.rehit_n else host.mute
            host.looked = tick.t if "hit_ratio" in seen.counts else host.looked
            host.probes(given, tick.t)
            for metric in WATCHED:
                if count := seen.counts.get(metric):
                    host.n[metric] += count[0]
                    host.last[metric] = tick.t
                    host.lost = self._lost
        fresh = {name: self._fresh(host) for name, host in self.hosts.items()}
        beside = not self.config.control or any(fresh[name] for name in self.config.control)
        for name in self.config.canary:
            self.hosts[name].usable.add(tick.dt, beside and fresh[name], tick.starved)

    def expect(self, before: Roll) -> None:
        """As many ticks with data as `before` the change: sparse traffic stays sparse."""
        for name, host in self.hosts.items():
            host.usable.expect(before.hosts[name].usable)

    def _fleet(self, reasons: Mapping[str, str]) -> None:
        """Why something of the whole fleet is missing now."""
        self.fleet_why = {name: why for name, why in reasons.items() if name not in self.hosts}

    def _fresh(self, host: Presence) -> bool:
        """Data in this tick, or lately enough for a slow probe."""
        return self.t - host.last.get("error_rate", -math.inf) <= self._gap

    def since(self, name: str, metric: str) -> float:
        """Seconds since the last data of a host (since activation where there never was any)."""
        return self.t - self.hosts[name].last.get(metric, min(0.0, self.began))

    def blind(self) -> list[str]:
        """Canary hosts that gave nothing for too long, else all unchanged hosts where none of them gave anything."""
        limit = self.config.blind
        ours = [name for name in self.config.canary if self._unheard(name) >= limit]
        theirs = [name for name in self.config.control if self._unheard(name) >= limit]
        return ours or (theirs if len(theirs) == len(self.config.control) else [])

    def _unheard(self, name: str) -> float:
        """Seconds since the last data, without those in which nobody could have heard it."""
        return self.since(name, "error_rate") - (self._lost - self.hosts[name].lost)

    @property
    def busy(self) -> str:
        """Why this machine could not measure well for most of the time; "" where it could."""
        if self.starved <= BUSY * self.ticks:
            return ""
        return f"this machine was too busy to measure in {self.starved} of {self.ticks} s ({self.busy_why})"

    def told_elsewhere(self, name: str) -> bool:
        """Its answers do not say any more whether they came from the cache, and another source does."""
        host = self.hosts[name]
        return host.mute >= MUTE and self.t - host.looked <= MUTE

    def untold(self) -> list[str]:
        """Canary hosts of which nothing tells hits from misses any more, although that is asked for."""
        if not self.config.refetch:
            return []
        return [n for n in self.config.canary if self.hosts[n].mute >= MUTE and not self.told_elsewhere(n)]

    def why(self, names: list[str]) -> str:
        """The first reason the source gave."""
        return next((why for name in names if (why := self.hosts[name].why)), "")

    def broken_probe(self) -> Broken | None:
        """One that keeps failing on every unchanged host too is not the release's doing. The release's own first."""
        found = [
            Broken(probe, name, streak, self._everywhere(probe))
            for name in self.config.canary
            for probe, streak in sorted(self.hosts[name].failing.items())
            if streak.ticks >= STREAK
        ]
        return min(found, key=lambda one: one.everywhere, default=None)

    def _everywhere(self, probe: str) -> bool:
        streaks = [self.hosts[name].failing.get(probe) for name in self.config.control]
        return bool(streaks) and all(streak is not None and streak.ticks >= STREAK - 1 for streak in streaks)

    def gap(self) -> Doubt | None:
        """The first thing whose absence stands against health."""
        config = self.config
        for name in config.canary:
            host = self.hosts[name]
            needed = WATCHED if config.refetch and not self.told_elsewhere(name) else WATCHED[:1]
            if not host.usable.full:
                return Doubt("error_rate", f"error_rate on {name} and beside it {host.usable.gap(0.0)}")
            if host.failing:
                probe, streak = sorted(host.failing.items())[0]
                return Doubt(f"probe {probe}", f"probe {probe} last failed on {name} ({streak.reason})")
            late = [probe for probe in config.probes if host.named and probe not in host.passed]
            if late:
                return Doubt(f"probe {late[0]}", f"probe {late[0]} has not succeeded on {name} yet")
            for metric in needed:
                if (n := host.n[metric]) < config.min_samples:
                    text = f"{metric} on {name} has {n:.0f} samples, {config.min_samples} are needed"
                    return Doubt(metric, text)
                if self.since(name, metric) > max(3.0, 2.0 * config.every.get(metric, 1.0)):
                    return Doubt(metric, f"{metric} on {name} has had no data for {self.since(name, metric):.0f} s")
        return None
