"""One metric over time: what the control does, what each arm of the canary does, and the odds between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from deployer.gate import wording as say
from deployer.gate.config import WARM, GateConfig
from deployer.gate.counts import FLEET, Tick
from deployer.gate.metrics import Metric
from deployer.gate.stats import evalue
from deployer.gate.stats.eprocess import Odds
from deployer.gate.stats.evalue import Line
from deployer.gate.stats.forecast import PRIOR, Level, Quantile
from deployer.gate.trial.arm import Arm, Counted, Marks, Past, Total, arms, count
from deployer.gate.trial.coverage import Coverage

GUARD = Line(3.0, 0.05)  # what the unchanged hosts may become worse by themselves
COLD = 30.0  # an empty cache may multiply requests to the origin by this: by 20 at a hit ratio of 95 %, and some more


class Trial:
    """tick: one tick after activation. `learn.prepare` teaches it the ticks before. level, base, late: of the
    control's events above the quantile, not below it, and beyond the line of harm."""

    def __init__(self, metric: Metric, config: GateConfig) -> None:
        self.metric, self.config = metric, config
        self.kind = metric.kind
        self.control = () if metric.fleet else config.control
        self.beside = bool(self.control)
        self.them = say.unchanged(self.control) if not config.judged else f"{say.listed(self.control)}, judged before,"
        names = (FLEET,) if metric.fleet else config.canary
        self.arms: list[Arm] = arms(metric, names, config.max_bake, config.beta)
        self.others = Total()  # the control, since activation
        self.others_over = Odds(config.max_bake)  # the control against the ceiling
        self.guard = Odds(config.max_bake)  # the control against its own past
        self.control_past: Past | None = None  # in the ticks before the change
        self.coverage = Coverage()  # of all canary hosts together, with the control beside them
        self.measured = False  # by the control, or by anyone before the change
        self.drift = config.drift  # by how much it moves by itself; more where it was seen to
        self.forget()
        self.first_q = math.nan

    def forget(self) -> None:
        """Begin again to learn the control: its levels and its quantile."""
        metric = self.metric
        prior = 1.0 - metric.level if metric.level else PRIOR.get(metric.name, 0.05)
        self.level, self.base, self.late = Level(prior), Level(prior), Level(0.3 * prior)
        self.quantile = Quantile(metric.level)

    @property
    def quantile_before(self) -> float | None:
        """Milliseconds: of the control (of the hosts themselves where there is none) before the change."""
        return None if math.isnan(self.first_q) else self.first_q

    @property
    def bound(self) -> float | None:
        """The share (or rate) of events above the ceiling that the ceiling itself allows; None without one."""
        metric = self.metric
        return round(1.0 - metric.level, 9) if metric.level and metric.ceiling is not None else metric.ceiling

    def tick(self, tick: Tick) -> None:
        """Judge first, learn afterwards."""
        theirs = count(self.metric, tick, self.control, self.marks_of_control(tick.late))
        self.measured = self.measured or theirs.n > 0
        marks = self.marks(tick.late)
        for arm in self.arms:
            self._see(arm, tick, count(self.metric, tick, arm.names, marks), theirs)
        if self.beside:
            self._watch_control(theirs, tick.dt)
            self._learn(tick, theirs)

    def _see(self, arm: Arm, tick: Tick, ours: Counted, theirs: Counted) -> None:
        """One arm in one tick, beside the control or against its own past."""
        self.measured = self.measured or (ours.n > 0 and not self.beside)
        arm.total.add(ours.n, ours.bad.allowed, ours.bad.ceiling, tick.dt)
        self._ceiling(arm.ceiling, ours, arm.past.phi if arm.past else arm.noise.phi, tick.dt)
        if arm is self.arms[0]:
            self.coverage.add(tick.dt, self.there(ours.n, theirs.n), tick.starved)
        known = ours.n > 0 and not (self.metric.level and math.isnan(self.quantile.value))
        if self.beside and known and theirs.n > 0:
            self._compare(arm, ours, theirs, tick)
        elif not self.beside and known and (arm.past or not self.metric.level):
            self._before(arm, ours, tick)
        else:
            arm.odds.update((), 0.0, 0.0, 1.0, tick.dt)

    def there(self, n_c: float, n_k: float) -> bool:
        """Can a tick with so many events on the canary and on the control be judged?"""
        return n_c > 0 and (n_k > 0 or not self.beside)

    def _compare(self, arm: Arm, ours: Counted, theirs: Counted, tick: Tick) -> None:
        """Against the control in the same tick."""
        k1, phi = self.level.predict(self.kind), arm.noise.phi
        extra = self._extra(tick, arm, ours.n, k1)
        table = evalue.harm(self.kind, ours.n, theirs.n, k1, self.allowed(arm.noise.rho, extra))
        arm.odds.update(table, ours.bad.allowed, theirs.bad.usual, phi, tick.dt)
        if arm.proof and self._cold(tick) < WARM:
            base = self.base.predict(self.kind)
            same = self.late.predict(self.kind) if self.metric.level else base
            row = evalue.safety(self.kind, ours.n, theirs.n, same, base, self._harm())
            arm.proof.update(row, ours.bad.harm, theirs.bad.reached, phi)

    def _before(self, arm: Arm, ours: Counted, tick: Tick) -> None:
        """Against the same hosts before the change."""
        was = arm.past
        level, phi = (was.level, was.phi) if was else (self.level.predict(self.kind), 1.0)
        extra = self._extra(tick, arm, ours.n, level)
        table: evalue.Table = ()
        if was:
            table = evalue.over(self.kind, ours.n, self.allowed(1.0, extra).at(self.drift * was.high))
        arm.odds.update(table, ours.bad.allowed, 0.0, phi, tick.dt)
        if arm.proof and self._cold(tick) < WARM:
            same = self.late.predict(self.kind) if self.metric.level else max(level, 1e-4)
            low = arm.base.low if arm.base else 0.0
            row = evalue.safety(self.kind, ours.n, 0.0, same, low, self._harm())
            arm.proof.update(row, ours.bad.harm, 0.0, phi)

    @property
    def decidable(self) -> bool:
        """Could health be proven at all? Without a control the median may move to anything by itself."""
        base = self.arms[0].base
        return self.beside or self.kind == "rate" or base is None or self._harm().at(base.low) < 1.0

    def _ceiling(self, odds: Odds | None, seen: Counted, phi: float, dt: float) -> None:
        """Against the user's limit."""
        if odds is not None and self.bound is not None:
            table = evalue.over(self.kind, seen.n, self.bound) if seen.n > 0 else ()
            odds.update(table, seen.bad.ceiling, 0.0, phi, dt)

    def _watch_control(self, theirs: Counted, dt: float) -> None:
        """Is the whole fleet worse than before the change, or above the limit?"""
        self.others.add(theirs.n, theirs.bad.usual, theirs.bad.ceiling, dt)
        was = self.control_past
        self._ceiling(self.others_over, theirs, was.phi if was else 1.0, dt)
        if was and not self.config.judged:  # hosts that were judged before are held against their past themselves
            table = evalue.over(self.kind, theirs.n, GUARD.at(was.high)) if theirs.n > 0 else ()
            self.guard.update(table, theirs.bad.before, 0.0, was.phi, dt)

    def _learn(self, tick: Tick, theirs: Counted) -> None:
        """What the control did, for the ticks to come."""
        self.taught(theirs, tick.dt)
        if self.metric.level and self.quantile.learn(tick.t, values(tick, self.control)):
            self.level.bad = self.quantile.above * self.level.n
            self.base.bad = self.quantile.reached * self.base.n

    def taught(self, theirs: Counted, dt: float) -> None:
        """One tick of the control: its three levels."""
        self.level.learn((theirs.n, theirs.bad.usual), dt)
        self.late.learn((theirs.n, theirs.bad.harm), dt)
        self.base.learn((theirs.n, theirs.bad.reached), dt)

    def marks(self, late: float = 0.0) -> Marks:
        """Of a canary. late: milliseconds that the measuring machine may have added now; beside a control it added them
        there, too."""
        metric, q = self.metric, self.quantile.value
        alone = 0.0 if self.beside else late
        return Marks(metric.allowed.at(q) + alone, metric.harm.at(q) + alone, self._limit + late)

    def marks_of_control(self, late: float = 0.0) -> Marks:
        """The same of the control."""
        q = self.quantile.value
        harm = self.metric.harm.at(q) + (0.0 if self.beside else late)
        return Marks(math.inf, harm, self._limit + late, q, below(q), self.first_q + late)

    @property
    def _limit(self) -> float:
        """The user's, infinite without one."""
        return math.inf if self.metric.ceiling is None else self.metric.ceiling

    def allowed(self, rho: float, extra: float = 0.0) -> Line:
        """Of bad events; the margin of a latency lies in its marks."""
        if self.metric.level:
            return Line(rho, 0.0)
        return Line(self.metric.allowed.r * rho, self.metric.allowed.a + extra)

    def _harm(self) -> Line:
        """Without a control what the level may do by itself is no harm."""
        line = Line(1.0, 0.0) if self.metric.level else self.metric.harm
        return line if self.beside else Line(max(line.r, self.drift), line.a)

    def _cold(self, tick: Tick) -> float:
        """What an emptied cache may still add to the share of misses."""
        if not self.metric.forgets or not self.config.warm_extra:
            return 0.0
        left: float = self.config.warm_extra * 0.5 ** (max(0.0, tick.t) / self.config.warm_half_life)
        return left

    def _extra(self, tick: Tick, arm: Arm, exposure: float, level: float) -> float:
        """The same in bad events per event, or per exposure."""
        extra = self._cold(tick)
        if self.kind == "rate" and extra:
            seen = [tick.hosts[name].counts.get("error_rate", (0.0, 0.0)) for name in arm.names if name in tick.hosts]
            extra *= max(1.0, sum(n for n, _ in seen) / exposure, COLD * level)
        return round(extra, 2)


def trials(config: GateConfig) -> list[Trial]:
    """One for each metric. In the last of several waves no control is left: then every host is held against its own
    past, and the new ones beside those that were judged before (half of the weight each). Health is proven beside
    them, because a level that moved by itself since the past says nothing."""
    if not config.canary:
        return []
    new = tuple(name for name in config.canary if name not in config.judged)
    if config.control or not config.judged or not new:
        return [Trial(metric, config) for metric in config.metrics]
    alone, beside = replace(config, judged=()), replace(config, canary=new, control=config.judged)
    found = []
    for metric in config.metrics:
        if metric.fleet:
            found.append(Trial(metric, alone))
            continue
        half = replace(metric, weight=metric.weight / 2.0)
        found += [Trial(replace(half, required=False), alone), Trial(replace(half, ceiling=None), beside)]
    return found


def below(q: float) -> float:
    """The mark that q itself is above."""
    return math.nextafter(q, -math.inf)


def values(tick: Tick, names: Sequence[str]) -> list[float]:
    """All latencies of these hosts in one tick."""
    return [ms for name in names if (seen := tick.hosts.get(name)) for ms in seen.lat]
