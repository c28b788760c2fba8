"""The first gate: absolute limits, judged with a floor of evidence.

A limit is broken when, in one of a few windows, the bad events are above the allowed share, fell in at least three
different ticks, and would come about by accident less than once in 10 000 looks (exact binomial tail): one failed
request never reverts, a total outage or a full cache bypass is named after three seconds at five probes a second.
Control values are shown beside every figure; they decide one thing only: whether the whole fleet is as bad.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployer.gate import say
from deployer.gate.finding import Breach, breaches, fleet_wide, suspects
from deployer.gate.tally import Tally, metrics
from deployer.model.health import HealthCheck, Limit
from deployer.model.sample import Sample
from deployer.model.verdict import NO_DATA, Reading, ReadingState, Ruling, Verdict

Finding = tuple[ReadingState, str, str]  # state, metric, sentence
USABLE = 0.8  # share of ticks with data below which there is no verdict of health


@dataclass(frozen=True)
class LimitConfig:
    """bake, blind: seconds. every: seconds between two data of a metric on one host (1 where absent; longer where
    probes are slow). refetch: re-fetches are measured, so their data is required. required: names of the probes that
    must have succeeded on every canary host. min_samples: per canary host and metric, before it can be healthy."""

    canary: tuple[str, ...]
    control: tuple[str, ...]
    bake: float
    limit: Limit = field(default_factory=Limit)
    every: Mapping[str, float] = field(default_factory=dict)
    refetch: bool = False
    required: tuple[str, ...] = ()
    min_samples: int = 5
    blind: float = 0.0

    @property
    def blind_after(self) -> float:
        """Seconds without data after which a host is blind: 30, less for a short bake, more for slow probes."""
        return max(self.blind or min(30.0, max(5.0, self.bake / 2)), 3 * self.every.get("error_rate", 1.0))

    @property
    def patience(self) -> float:
        """Seconds after the bake in which a doubt may still be cleared up."""
        return max(10.0, self.bake)


def limit_gate(
    check: HealthCheck, canary: Sequence[str], control: Sequence[str], bake: float, blind: float = 0.0
) -> LimitGate:
    """The gate of one wave from what the user wrote. Several health checks: `model.health.merge` them first."""
    judged = tuple(p for p in check.probes if p.level == "required") or check.probes  # as adapters.probes counts them
    rates = {"error_rate": judged, "refetch_miss": tuple(p for p in check.probes if p.cacheable)}
    every = {name: 1.0 / max(0.001, sum(p.rate for p in probes)) for name, probes in rates.items() if probes}
    for name in ("latency_p50", "latency_p95", "latency_p99"):
        every[name] = every.get("error_rate", 1.0)
    required = tuple(probe.name for probe in check.probes if probe.level == "required")
    refetch = "refetch_miss" in every
    return LimitGate(
        LimitConfig(tuple(canary), tuple(control), bake, check.limit, every, refetch, required, blind=blind)
    )


class LimitGate:
    """Satisfies `gate.Gate`. A terminal reading is final: later samples change nothing."""

    def __init__(self, config: LimitConfig) -> None:
        self.config = config
        gaps = {name: math.ceil(seconds - 1e-9) - 1 for name, seconds in config.every.items()}
        names = dict.fromkeys((*config.canary, *config.control))
        self._control = tuple(name for name in names if name not in config.canary)
        judged = metrics(config.limit)
        self._pre, self._post = Tally(names, judged, gaps), Tally(names, judged, gaps)
        self._unmeasured = False
        self._final: Reading | None = None
        self._broken: tuple[Breach, ...] = ()

    def pre(self, sample: Sample) -> None:
        """One tick before any change."""
        self._unmeasured = self._unmeasured or not sample.hosts
        self._pre.add(sample)

    def suspicion(self) -> str:
        """Over a limit, silent, or not to be judged at all, before any change; "" when there is nothing to say."""
        if self._unmeasured:
            return NO_DATA
        if not self._pre.times:
            return ""
        names = (*self.config.canary, *self.config.control)
        found = breaches(self._pre, names, pooled=False)
        if found:
            return say.broken(self._pre, found[0], ())
        silent = [name for name in dict.fromkeys(names) if self._pre.series[name].silent]
        if silent:
            return f"no probe could be sent to {say.listed(silent)}"
        mute = [name for name in dict.fromkeys(names) if self._mute(name)]
        return say.mute(mute) if mute else ""

    def _mute(self, name: str) -> bool:
        """The host answered re-fetches and never said whether they came from the cache: the bake would end without
        a verdict, so it is better said before it."""
        if not self.config.refetch or not self._pre.judges("refetch_miss"):
            return False
        series = self._pre.series[name]
        return series.untold and not series.counts["refetch_miss"].n[-1]

    def observe(self, sample: Sample) -> Reading:
        """One tick after activation."""
        if self._final is None:
            t = self._post.add(sample)
            state, metric, reason = self._judge(t)
            reading = Reading(state, metric, reason, seconds=t)
            if state == "continue":
                return reading
            self._final = reading
        return self._final

    def _judge(self, t: float) -> Finding:
        """The order matters: harm first, then blindness, and health last of all."""
        config, tally = self.config, self._post
        if not config.canary:
            return "inconclusive", "", "no host is watched: no data is never healthy"
        self._broken = breaches(tally, config.canary, pooled=True)
        ours = [breach for breach in self._broken if not fleet_wide(tally, breach, self._control)]
        if ours:
            return "regressed", ours[0].metric, say.broken(tally, ours[0], self._control)
        if self._broken:
            return "inconclusive", self._broken[0].metric, say.as_bad(tally, self._broken[0], self._control)
        blind = [name for name in config.canary if tally.since(name, "error_rate") >= config.blind_after]
        if blind:
            return "inconclusive", "error_rate", say.blind(tally, blind)
        return self._health(t)

    def _health(self, t: float) -> Finding:
        """Nothing is proven: healthy only at the end of the bake, with data, and without a doubt."""
        metric, doubt = self._doubt()
        if t < self.config.bake:
            return "continue", metric, doubt if metric else ""
        if gaps := self._gaps():
            return "inconclusive", gaps[0], gaps[1]
        if not doubt:
            return "healthy", "", say.healthy(self._post, self.config.canary)
        if t >= self.config.bake + self.config.patience:
            return "inconclusive", metric, f"no verdict after {t:.0f} s: {doubt}"
        return "continue", metric, doubt

    def _needed(self) -> list[str]:
        """Metrics without whose data nothing is healthy."""
        return [m.name for m in self._post.metrics if m.name != "refetch_miss" or self.config.refetch]

    def _gaps(self) -> tuple[str, str] | None:
        """The first metric that had data in too few of the ticks on some canary host."""
        ticks = len(self._post.times)
        for metric in self._needed():
            for name in self.config.canary:
                usable = self._post.series[name].counts[metric].usable
                if usable < USABLE * ticks:
                    return metric, say.gaps(metric, name, usable, ticks)
        return None

    def _doubt(self) -> tuple[str, str]:
        """(metric, sentence) of the first thing that still speaks against health; ("", "") without any. The metric
        is empty where only data is missing."""
        config, tally = self.config, self._post
        if found := suspects(tally, config.canary):
            return found[0].metric, say.suspect(tally, found[0])
        for name in config.canary:
            series = tally.series[name]
            late = [p for p in config.required if series.named and p not in series.passed]
            if late:
                return "", f"probe {late[0]} has not succeeded on {name} yet"
            for metric in self._needed():
                n = series.counts[metric].n[-1]
                if n < config.min_samples:
                    return "", f"{metric} on {name} has {n} samples, {config.min_samples} are needed"
                recent = max(3.0, 2 * config.every.get(metric, 1.0))
                if tally.since(name, metric) > recent:
                    return "", f"{metric} on {name} has had no data for {tally.since(name, metric):.0f} s"
        return "", ""

    def verdict(self) -> Verdict:
        """The ruling so far with a row of evidence for every metric and host."""
        final = self._final
        harm: Ruling = "inconclusive" if final and final.state == "inconclusive" else "regressed"
        rows = say.evidence(self._post, self.config.canary, self._control, self._broken, harm)
        if final is None or final.state == "continue":
            return Verdict("inconclusive", "no verdict yet: the bake is not over", rows)
        return Verdict(final.state, final.reason, rows)
