"""What the ticks before the change teach about one metric: levels, noise, standing differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from deployer.gate.counts import Count, Tick
from deployer.gate.stats import evalue
from deployer.gate.stats.dispersion import Pair, noise
from deployer.gate.stats.eprocess import Odds
from deployer.gate.trial.arm import Arm, Counted, Marks, count, past
from deployer.gate.trial.coverage import Coverage
from deployer.gate.trial.trial import Trial, below, values

WINDOW = 30  # ticks between which a level is seen to move by itself
ENOUGH = 8  # control hosts that tell how much hosts waver


def prepare(trial: Trial, ticks: Sequence[Tick], baseline: int) -> None:
    """Levels and noise. The reference is the control; the hosts themselves where there is none. baseline: so many of
    the first ticks are of all hosts; how regularly they gave data is what is usual."""
    metric, reference = trial.metric, trial.control or trial.arms[0].names
    if metric.level and ticks:
        for tick in ticks:
            trial.quantile.keep(tick.t, values(tick, reference))
        trial.quantile.read(ticks[-1].t)
        trial.first_q = trial.quantile.value
    ours_marks = trial.marks()._replace(usual=trial.first_q, reached=below(trial.first_q))
    theirs = [count(metric, tick, reference, trial.marks_of_control()) for tick in ticks]
    others = apart(trial, ticks, theirs)
    trial.measured = any(seen.n > 0 for seen in theirs)
    for arm in trial.arms:
        ours = [count(metric, tick, arm.names, ours_marks) for tick in ticks]
        trial.measured = trial.measured or any(seen.n > 0 for seen in ours)
        if arm is trial.arms[0]:
            there = [trial.there(one.n, other.n) for one, other in zip(ours, theirs, strict=True)]
            trial.coverage.expect(covered(ticks[:baseline], there[:baseline]))
        if trial.beside:
            both = list(zip(ours, theirs, strict=True))
            pairs = [Pair(one.n, one.bad.allowed, other.n, other.bad.usual) for one, other in both]
            even = [Pair(one.n, one.bad.usual, other.n, other.bad.usual) for one, other in both]
            arm.noise = noise(pairs, even, trial.kind, others)
        else:
            usual = [(seen.n, seen.bad.usual) for seen in ours]
            arm.past, arm.base = past(metric, usual), past(metric, [(seen.n, seen.bad.reached) for seen in ours])
            if arm is trial.arms[0]:
                trial.drift = moved(trial, usual)
    if trial.beside:
        trial.control_past = past(metric, [(seen.n, seen.bad.usual) for seen in theirs])
    for tick, seen in zip(ticks, theirs, strict=True):
        trial.taught(seen, tick.dt)
    if trial.config.judged:  # they have the new release by now: what they were like with the old one says nothing
        trial.forget()


def covered(ticks: Sequence[Tick], there: Sequence[bool]) -> Coverage:
    """How regularly a source writes, starved ticks included."""
    found = Coverage()
    for tick, one in zip(ticks, there, strict=True):
        found.add(tick.dt, one)
    return found


def moved(trial: Trial, counts: Sequence[Count]) -> float:
    """The factor by which a level may move by itself: what the gate is given, or more where it was seen to move more
    from one window to the next, beyond chance."""
    windows = [past(trial.metric, counts[at : at + WINDOW]) for at in range(0, len(counts) - WINDOW + 1, WINDOW)]
    found = trial.config.drift
    for one, two in pairwise(windows):
        if one and two and two.level > found * one.level and two.low > found * one.high:
            found = two.low / one.high
    return found


def apart(trial: Trial, ticks: Sequence[Tick], theirs: Sequence[Counted]) -> list[list[Pair]]:
    """Every control host (a few, where there are many) beside the rest of the control, tick by tick."""
    if len(trial.control) < 2:
        return []
    found, usual = [], Marks(usual=trial.first_q)
    for name in trial.control[:ENOUGH]:
        own = [count(trial.metric, tick, (name,), usual) for tick in ticks]
        rest = [(all_.n - one.n, all_.bad.usual - one.bad.usual) for one, all_ in zip(own, theirs, strict=True)]
        found.append([Pair(one.n, one.bad.usual, *other) for one, other in zip(own, rest, strict=True)])
    return found


def earlier(trial: Trial, arm: Arm, ticks: Sequence[Tick]) -> float:
    """The odds before any change, as if a release had come with the first tick; standing differences count."""
    if not trial.beside or (trial.metric.level and math.isnan(trial.first_q)):
        return 1.0
    odds, line, k1 = Odds(trial.config.max_bake), trial.allowed(1.0), trial.level.predict(trial.kind)
    marks, usual, phi = Marks(allowed=trial.marks().allowed), Marks(usual=trial.first_q), arm.noise.phi_still
    for tick in ticks:
        theirs = count(trial.metric, tick, trial.control, usual)
        ours = count(trial.metric, tick, arm.names, marks)
        table = evalue.harm(trial.kind, ours.n, theirs.n, k1, line) if ours.n > 0 and theirs.n > 0 else ()
        odds.update(table, ours.bad.allowed, theirs.bad.usual, phi, tick.dt)
    return odds.value
