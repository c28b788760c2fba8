"""The gate: harm first, then a fleet that is ill as a whole, then blindness, and health last of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from deployer.gate.config import GateConfig
from deployer.gate.counts import Clock
from deployer.gate.ruling import evidence, harm, health
from deployer.gate.ruling.before import busy, suspicion
from deployer.gate.ruling.case import Case, Finding, Suspect
from deployer.gate.trial.attendance import Roll
from deployer.gate.trial.baseline import prepare
from deployer.gate.trial.trial import trials
from deployer.model.sample import Sample
from deployer.model.verdict import NO_DATA, Reading, Ruling, Verdict


class Gate:
    """Satisfies `gate.Gate`. A terminal reading is final: later samples change nothing."""

    def __init__(self, config: GateConfig) -> None:
        self.config = config
        self._early: list[Sample] = []
        self._case = Case(config, [], Roll(config))
        self._clock = Clock()
        self._ready = False
        self._suspicion = self._busy = ""
        self._final: Finding | None = None
        self._reading = Reading("continue")

    def pre(self, sample: Sample) -> None:
        """One tick of hosts with the old release; not heard once there was one after the change."""
        if not self._case.roll.ticks:
            self._early.append(sample)
            self._ready = False

    def suspicion(self) -> str:
        """From the ticks before any change; "" when there is nothing to say."""
        self._prepare()
        return self._suspicion

    def busy(self) -> str:
        """See gate.Gate."""
        self._prepare()
        return self._busy

    def _prepare(self) -> None:
        """Learn from the ticks before the change, once."""
        if self._ready:
            return
        self._ready = True
        clock, roll, config = Clock(), Roll(self.config), self.config
        ticks = [clock.tick(replace(sample, t=t)) for sample, t in zip(self._early, joined(self._early), strict=True)]
        found = trials(config)
        self._case.trials = found
        baseline = sum(sample.t < 0 for sample in self._early)  # the rest: an earlier wave, without all hosts
        for trial in found:
            prepare(trial, ticks, baseline)
        for number, (sample, tick) in enumerate(zip(self._early, ticks, strict=True)):
            roll.add(sample, tick)
            if number + 1 == baseline:
                self._case.roll.expect(roll)
        if ticks:
            unmeasured = any(not sample.hosts for sample in self._early)
            self._busy = busy(roll)
            self._suspicion = NO_DATA if unmeasured else suspicion(config, roll, ticks, found)

    def observe(self, sample: Sample) -> Reading:
        """One tick after activation."""
        self._prepare()
        if self._final is None:
            case, tick = self._case, self._clock.tick(sample)
            case.roll.add(sample, tick)
            evidence.keep(case.latencies, tick)
            for trial in case.trials:
                trial.tick(tick)
            found = harm.suspects(case.trials)
            finding = self._judge(tick.t, found)
            odds = sum(s.part for s in found if not s.excuse)
            self._reading = Reading(finding.state, finding.metric, finding.reason, odds, tick.t)
            self._final = finding if finding.state != "continue" else None
        return self._reading

    def _judge(self, t: float, found: list[Suspect]) -> Finding:
        """The order matters."""
        case = self._case
        if not case.config.canary:
            return Finding("inconclusive", "", "no host is watched: no data is never healthy")
        probe = harm.probe(case)
        if probe and probe.state == "regressed":
            return probe
        ended = harm.harm(case, found) or probe or harm.guard(case) or health.blind(case) or health.mute(case)
        return ended or health.health(case, t, found)

    def proven(self) -> dict[str, bool]:
        """Of every metric that health needs: whether it is proven by now."""
        return {t.metric.name: t.arms[0].proven for t in self._case.trials if health.needed(self._case, t)}

    def verdict(self) -> Verdict:
        """The ruling so far with a row of evidence for every metric and arm."""
        self._prepare()
        final, case = self._final, self._case
        ruling: Ruling = "inconclusive"
        if final and final.state != "continue":
            ruling = final.state
        rows = evidence.rows(case.trials, case.latencies, final.arm if final else None, ruling)
        return Verdict(ruling, final.reason if final else "no verdict yet: the bake is not over", rows)


def joined(samples: Sequence[Sample]) -> list[float]:
    """When each of them began, in seconds before the change, as if they had followed one another whenever they were
    taken. The last one, and the last of an earlier wave, count as a second long."""
    lengths = [after.t - one.t if 0 < after.t - one.t < math.inf else 1.0 for one, after in pairwise(samples)]
    lengths += [1.0] * bool(samples)
    return [total - sum(lengths) for total in accumulate(lengths[:-1], initial=0.0)] if samples else []
