"""One metric on one arm: a canary host, all of them together, or the whole fleet; beside the control or before it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from deployer.gate.counts import Count, Kind, Seen, Tick
from deployer.gate.metrics import Metric
from deployer.gate.stats import intervals
from deployer.gate.stats.dispersion import Noise, alone
from deployer.gate.stats.eprocess import Odds, Proof

POOLED = "canary"  # the name of all canary hosts together in the evidence
SURE = 1e-4  # that a level before the change was no higher than its upper limit


class Marks(NamedTuple):
    """Milliseconds above which an answer is bad, in one sense or another; infinite where that is not asked for.

    allowed, harm: the margin and the line of harm of a canary. ceiling: the user's limit. usual: the control's
    quantile; reached: just below it, so that what equals it counts, too; before: what it was before the change."""

    allowed: float = math.inf
    harm: float = math.inf
    ceiling: float = math.inf
    usual: float = math.inf
    reached: float = math.inf
    before: float = math.inf


NO_MARKS = Marks()


class Bad(NamedTuple):
    """Bad events in each of these senses; of what is no latency all of them alike."""

    allowed: float
    harm: float
    ceiling: float
    usual: float
    reached: float
    before: float


class Counted(NamedTuple):
    """n: events, or exposure."""

    n: float
    bad: Bad


@dataclass(slots=True)
class Total:
    """Since activation: n events (or exposure), bad of them; over: above the ceiling; seconds with events in them."""

    n: float = 0.0
    bad: float = 0.0
    over: float = 0.0
    seconds: float = 0.0

    def add(self, n: float, bad: float, over: float, dt: float) -> None:
        """One tick; without events it says nothing, however long it was."""
        self.n += n
        self.bad += bad
        self.over += over
        self.seconds += dt if n > 0 else 0.0

    @property
    def level(self) -> float | None:
        """Bad per event; None without any."""
        return self.bad / self.n if self.n else None


@dataclass(frozen=True)
class Past:
    """An arm before the change: `bad` of n events (or over an exposure n), phi times as scattered as chance."""

    n: float
    bad: float
    phi: float
    kind: Kind

    @property
    def level(self) -> float:
        """Bad per event."""
        return self.bad / self.n

    @cached_property
    def low(self) -> float:
        """Its level is below this with 5 % at most."""
        bound = intervals.rate_low if self.kind == "rate" else intervals.share_low
        return bound(self.n / self.phi, self.bad / self.phi, 0.05)

    @cached_property
    def high(self) -> float:
        """Its level is above this with SURE at most."""
        bound = intervals.rate_high if self.kind == "rate" else intervals.share_high
        return bound(self.n / self.phi, self.bad / self.phi, SURE)


@dataclass(slots=True)
class Arm:
    """host: a name, POOLED or FLEET. weight: of the odds of the comparison, ceiling_weight: of those of the ceiling.
    proof: of health, on one arm of a metric only. past, base: known where there is no control; base counts the answers
    at the quantile itself as bad. ill: it was so before."""

    host: str
    names: tuple[str, ...]
    weight: float
    odds: Odds
    ceiling_weight: float = 0.0
    ceiling: Odds | None = None
    proof: Proof | None = None
    noise: Noise = field(default_factory=Noise)
    past: Past | None = None
    base: Past | None = None
    total: Total = field(default_factory=Total)
    ill: bool = False

    @property
    def proven(self) -> bool:
        """Shown to be below its line of harm."""
        return self.proof is not None and self.proof.holds


def arms(metric: Metric, names: Sequence[str], span: float, beta: float) -> list[Arm]:
    """Every host by itself, and where there are several also all of them together: half of the weight on these, the
    other half on the single ones, so that one bad host is not averaged away. Health is proven on all together."""
    groups = [(name, (name,), 0.5 / len(names)) for name in names] if len(names) > 1 else []
    first = (POOLED, tuple(names), 0.5) if len(names) > 1 else (names[0], tuple(names), 1.0)
    found = []
    for host, members, part in (first, *groups):
        whole = metric.weight * part
        limited = metric.ceiling is not None
        found.append(
            Arm(
                host,
                members,
                0.0 if metric.shadow else (whole / 2 if limited else whole),
                Odds(span),
                whole / 2 if limited else 0.0,
                Odds(span) if limited else None,
                Proof(beta) if host == first[0] else None,
            )
        )
    return found


def count(metric: Metric, tick: Tick, names: Sequence[str], marks: Marks = NO_MARKS) -> Counted:
    """What these hosts had in one tick. marks: for a latency."""
    there = [seen for name in names if (seen := tick.hosts.get(name)) is not None]
    if metric.level:
        return Counted(float(sum(len(seen.lat) for seen in there)), Bad(*(above(there, mark) for mark in marks)))
    n = bad = 0.0
    for seen in there:
        if found := seen.counts.get(metric.name):
            n += found[0]
            bad += found[1]
    return Counted(n, Bad(bad, bad, bad, bad, bad, bad))


def above(hosts: Sequence[Seen], mark: float) -> float:
    """Answers that took longer."""
    return 0.0 if mark == math.inf else float(sum(len(seen.lat) - bisect_right(seen.lat, mark) for seen in hosts))


def past(metric: Metric, counts: Sequence[Count]) -> Past | None:
    """The level of an arm in the ticks before the change; None without data."""
    n, bad = sum(c[0] for c in counts), sum(c[1] for c in counts)
    if n <= 0:
        return None
    return Past(n, bad, alone(counts, metric.kind), metric.kind)
