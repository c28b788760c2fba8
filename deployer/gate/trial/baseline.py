"""What the ticks before the change teach about one metric: levels, noise, standing differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from deployer.gate.counts import Count, Tick
from deployer.gate.stats import evalue
from deployer.gate.stats.dispersion import Pair, noise
from deployer.gate.stats.eprocess import Odds
from deployer.gate.trial.arm import Arm, count, past
from deployer.gate.trial.trial import Track, below, values

WINDOW = 30  # ticks between which a level is seen to move by itself
ENOUGH = 8  # control hosts that tell how much hosts waver


def prepare(track: Track, ticks: Sequence[Tick], baseline: int) -> None:
    """Levels and noise. The reference is the control; the hosts themselves where there is none. baseline: so many of
    the first ticks are of all hosts; how regularly they gave data is what is usual."""
    metric, reference = track.metric, track.control or track.arms[0].names
    if metric.level and ticks:
        for tick in ticks:
            track.quantile.keep(tick.t, values(tick, reference))
        track.quantile.read(ticks[-1].t)
        track.first_q = track.quantile.value
    marks, q = track.marks(), track.first_q
    theirs = [count(metric, tick, reference, (q, marks[1], below(q))) for tick in ticks]
    others = apart(track, ticks, [(n, bad[0]) for n, bad in theirs])
    track.measured = any(n > 0 for n, _ in theirs)
    for arm in track.arms:
        ours = [count(metric, tick, arm.names, (marks[0], q, below(q))) for tick in ticks]
        track.measured = track.measured or any(n > 0 for n, _ in ours)
        if arm is track.arms[0]:
            there = [track.there(n, m) for (n, _), (m, _) in zip(ours, theirs, strict=True)][:baseline]
            track.coverage.usual = sum(there) / len(there) if there else 1.0
        if track.beside:
            pairs = [(n, bad[0], m, other[0]) for (n, bad), (m, other) in zip(ours, theirs, strict=True)]
            even = [(n, bad[1], m, other[0]) for (n, bad), (m, other) in zip(ours, theirs, strict=True)]
            arm.noise = noise(pairs, even, track.rate, others)
        else:
            arm.past = past(metric, [(n, bad[1]) for n, bad in ours])
            arm.base = past(metric, [(n, bad[2]) for n, bad in ours])
            if arm is track.arms[0]:
                track.drift = moved(track, [(n, bad[1]) for n, bad in ours])
    if track.beside:
        track.control_past = past(metric, [(n, bad[0]) for n, bad in theirs])
    for tick, (n, bad) in zip(ticks, theirs, strict=True):
        track.level.learn((n, bad[0]), tick.dt)
        track.late.learn((n, bad[1]), tick.dt)
        track.base.learn((n, bad[2]), tick.dt)
    if track.config.judged:  # they have the new release by now: what they were like with the old one says nothing
        track.forget()


def moved(track: Track, counts: Sequence[Count]) -> float:
    """The factor by which a level may move by itself: what the gate is given, or more where it was seen to move more
    from one window to the next, beyond chance."""
    windows = [past(track.metric, counts[at : at + WINDOW]) for at in range(0, len(counts) - WINDOW + 1, WINDOW)]
    found = track.config.drift
    for one, two in pairwise(windows):
        if one and two and two.level > found * one.level and two.low > found * one.high:
            found = two.low / one.high
    return found


def apart(track: Track, ticks: Sequence[Tick], theirs: Sequence[Count]) -> list[list[Pair]]:
    """Every control host (a few, where there are many) beside the rest of the control, tick by tick."""
    if len(track.control) < 2:
        return []
    found = []
    for name in track.control[:ENOUGH]:
        own = [count(track.metric, tick, (name,), (track.first_q,)) for tick in ticks]
        found.append([(n, bad[0], m - n, x - bad[0]) for (n, bad), (m, x) in zip(own, theirs, strict=True)])
    return found


def earlier(track: Track, arm: Arm, ticks: Sequence[Tick]) -> float:
    """The odds before any change, as if a release had come with the first tick; standing differences count."""
    if not track.beside or (track.metric.level and math.isnan(track.first_q)):
        return 1.0
    odds, line, k1 = Odds(track.config.max_bake), track.allowed(1.0), track.level.predict(track.rate)
    marks, phi = track.marks(), arm.noise.phi_still
    for tick in ticks:
        n_k, bad_k = count(track.metric, tick, track.control, (track.first_q,))
        n_c, bad_c = count(track.metric, tick, arm.names, marks[:1])
        table = evalue.harm(track.rate, n_c, n_k, k1, line) if n_c > 0 and n_k > 0 else ()
        odds.update(table, bad_c[0], bad_k[0], phi, tick.dt)
    return odds.value
