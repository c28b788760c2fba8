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
from deployer.gate.trial.arm import Arm, Past, Total, arms, count
from deployer.gate.trial.coverage import Coverage

GUARD = Line(3.0, 0.05)  # what the unchanged hosts may become worse by themselves
COLD = 30.0  # an empty cache may multiply requests to the origin by this: by 20 at a hit ratio of 95 %, and some more


Both = tuple[float, list[float], float, list[float]]  # canary, control: exposure, bad events by mark


class Track:
    """tick: one tick after activation. `learn.prepare` teaches it the ticks before. level, base, late: of the
    control's events above the quantile, not below it, and beyond the line of harm."""

    def __init__(self, metric: Metric, config: GateConfig) -> None:
        self.metric, self.config = metric, config
        self.rate = metric.kind == "rate"
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
        metric, q = self.metric, self.quantile.value
        marks = self.marks(tick.late)
        n_k, bad_k = count(metric, tick, self.control, (q, marks[1], marks[2], self.first_q + tick.late, below(q)))
        self.measured = self.measured or n_k > 0
        for arm in self.arms:
            n_c, bad_c = count(metric, tick, arm.names, marks)
            self.measured = self.measured or (n_c > 0 and not self.beside)
            arm.total.add(n_c, bad_c[0], bad_c[2], tick.dt)
            self._ceiling(arm.ceiling, n_c, bad_c[2], arm.past.phi if arm.past else arm.noise.phi, tick.dt)
            if arm is self.arms[0]:
                self.coverage.add(tick.t, self.there(n_c, n_k), tick.starved)
            known = n_c > 0 and not (metric.level and math.isnan(q))
            if self.beside:
                self._compare(arm, (n_c, bad_c, n_k, bad_k) if known and n_k > 0 else None, tick)
            else:
                self._before(arm, (n_c, bad_c) if known else None, tick)
        if self.beside:
            self._watch_control(n_k, bad_k, tick.dt)
            self._learn(tick, n_k, bad_k)

    def there(self, n_c: float, n_k: float) -> bool:
        """Can a tick with so many events on the canary and on the control be judged?"""
        return n_c > 0 and (n_k > 0 or not self.beside)

    def _compare(self, arm: Arm, counts: Both | None, tick: Tick) -> None:
        """Against the control in the same tick."""
        if counts is None:
            arm.odds.update((), 0.0, 0.0, 1.0, tick.dt)
            return
        n_c, bad_c, n_k, bad_k = counts
        k1, phi = self.level.predict(self.rate), arm.noise.phi
        extra = self._extra(tick, arm, n_c, k1)
        table = evalue.harm(self.rate, n_c, n_k, k1, self.allowed(arm.noise.rho, extra))
        arm.odds.update(table, bad_c[0], bad_k[0], phi, tick.dt)
        if arm.proof and self._cold(tick) < WARM:
            base = self.base.predict(self.rate)
            same = self.late.predict(self.rate) if self.metric.level else base
            row = evalue.safety(self.rate, n_c, n_k, same, base, self._harm())
            arm.proof.update(row, bad_c[1], bad_k[4], phi)

    def _before(self, arm: Arm, counts: tuple[float, list[float]] | None, tick: Tick) -> None:
        """Against the same hosts before the change."""
        was = arm.past
        if counts is None or (self.metric.level and was is None):
            arm.odds.update((), 0.0, 0.0, 1.0, tick.dt)
            return
        n_c, bad_c = counts
        level, phi = (was.level, was.phi) if was else (self.level.predict(self.rate), 1.0)
        extra = self._extra(tick, arm, n_c, level)
        table: evalue.Table = ()
        if was:
            table = evalue.over(self.rate, n_c, self.allowed(1.0, extra).at(self.drift * was.high))
        arm.odds.update(table, bad_c[0], 0.0, phi, tick.dt)
        if arm.proof and self._cold(tick) < WARM:
            same = self.late.predict(self.rate) if self.metric.level else max(level, 1e-4)
            low = arm.base.low if arm.base else 0.0
            arm.proof.update(evalue.safety(self.rate, n_c, 0.0, same, low, self._harm()), bad_c[1], 0.0, phi)

    @property
    def decidable(self) -> bool:
        """Could health be proven at all? Without a control the median may move to anything by itself."""
        base = self.arms[0].base
        return self.beside or self.rate or base is None or self._harm().at(base.low) < 1.0

    def _ceiling(self, odds: Odds | None, n: float, over: float, phi: float, dt: float) -> None:
        """Against the user's limit."""
        if odds is not None and self.bound is not None:
            odds.update(evalue.over(self.rate, n, self.bound) if n > 0 else (), over, 0.0, phi, dt)

    def _watch_control(self, n_k: float, bad_k: list[float], dt: float) -> None:
        """Is the whole fleet worse than before the change, or above the limit?"""
        self.others.add(n_k, bad_k[0], bad_k[2], dt)
        was = self.control_past
        self._ceiling(self.others_over, n_k, bad_k[2], was.phi if was else 1.0, dt)
        if was and not self.config.judged:  # hosts that were judged before are held against their past themselves
            table = evalue.over(self.rate, n_k, GUARD.at(was.high)) if n_k > 0 else ()
            self.guard.update(table, bad_k[3], 0.0, was.phi, dt)

    def _learn(self, tick: Tick, n_k: float, bad_k: list[float]) -> None:
        """What the control did, for the ticks to come."""
        self.level.learn((n_k, bad_k[0]), tick.dt)
        self.late.learn((n_k, bad_k[1]), tick.dt)
        self.base.learn((n_k, bad_k[4]), tick.dt)
        if self.metric.level and self.quantile.learn(tick.t, values(tick, self.control)):
            self.level.bad = self.quantile.above * self.level.n
            self.base.bad = self.quantile.reached * self.base.n

    def marks(self, late: float = 0.0) -> tuple[float, float, float]:
        """Milliseconds above which a canary's answer is bad, harmful, above the ceiling. late: what the measuring
        machine may have added now; beside a control it added it there, too."""
        metric, q = self.metric, self.quantile.value
        ceiling = math.inf if metric.ceiling is None else metric.ceiling
        alone = 0.0 if self.beside else late
        return metric.allowed.at(q) + alone, metric.harm.at(q) + alone, ceiling + late

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
        if self.rate and extra:
            seen = [tick.hosts[name].counts.get("error_rate", (0.0, 0.0)) for name in arm.names if name in tick.hosts]
            extra *= max(1.0, sum(n for n, _ in seen) / exposure, COLD * level)
        return round(extra, 2)


def tracks(config: GateConfig) -> list[Track]:
    """One for each metric. In the last of several waves no control is left: then every host is held against its own
    past, and the new ones beside those that were judged before (half of the weight each). Health is proven beside
    them, because a level that moved by itself since the past says nothing."""
    if not config.canary:
        return []
    new = tuple(name for name in config.canary if name not in config.judged)
    if config.control or not config.judged or not new:
        return [Track(metric, config) for metric in config.metrics]
    alone, beside = replace(config, judged=()), replace(config, canary=new, control=config.judged)
    found = []
    for metric in config.metrics:
        if metric.fleet:
            found.append(Track(metric, alone))
            continue
        half = replace(metric, weight=metric.weight / 2.0)
        found += [Track(replace(half, required=False), alone), Track(replace(half, ceiling=None), beside)]
    return found


def below(q: float) -> float:
    """The mark that q itself is above."""
    return math.nextafter(q, -math.inf)


def values(tick: Tick, names: Sequence[str]) -> list[float]:
    """All latencies of these hosts in one tick."""
    return [ms for name in names if (seen := tick.hosts.get(name)) for ms in seen.lat]
