"""Healthy only with data, with proof for every required metric, and without a doubt."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.gate import wording as say
from deployer.gate.ruling import evidence
from deployer.gate.ruling.case import Case, Finding, Suspect
from deployer.gate.ruling.evidence import DOUBT
from deployer.gate.ruling.harm import figures, guard_odds
from deployer.gate.trial.attendance import BY_CACHE, Doubt
from deployer.gate.trial.trial import Trial


def blind(case: Case) -> Finding | None:
    """A host that gave nothing for too long ends the bake."""
    names = case.roll.blind()
    if not names:
        return None
    seconds = min(case.roll.since(name, "error_rate") for name in names)
    return Finding("inconclusive", "error_rate", say.blind(names, seconds, case.roll.why(names)))


def mute(case: Case) -> Finding | None:
    """What nobody can tell any more is known at once, not when the bake is over."""
    names = case.roll.untold()
    return Finding("inconclusive", "refetch_miss", say.mute(names, "no longer ")) if names else None


def health(case: Case, t: float, found: Sequence[Suspect]) -> Finding:
    """Nothing is proven against the release: healthy, not yet, or no verdict."""
    config, against = case.config, doubt(case, found)
    if t < config.min_bake or (against and t < config.max_bake):
        return Finding("continue", *(against or ()))
    if not against:
        return Finding("healthy", "", sentence(case, t))
    return Finding("inconclusive", against.metric, f"no verdict after {t:.0f} s: {case.roll.busy or against.text}")


def doubt(case: Case, found: Sequence[Suspect]) -> Doubt | None:
    """The first thing that stands against health."""
    odds = sum(s.part for s in found)
    if odds >= DOUBT:
        top = max(found, key=lambda s: s.part)
        excuse = f": {top.excuse}" if top.excuse else "; too little to be sure"
        return Doubt(top.trial.metric.name, f"{figures(case, top)}{excuse}")
    if guard_odds(case) >= DOUBT:
        return Doubt("", "the unchanged hosts are worse than before the change")
    if gap := case.roll.gap():
        return gap
    for trial in case.trials:
        for arm in trial.arms:
            if above(trial, arm.total.over, arm.total.n):
                suspect = Suspect(trial, arm, 0.0, "limit", "")
                return Doubt(trial.metric.name, f"{figures(case, suspect)}; too little to be sure")
    wanted = [trial for trial in case.trials if needed(case, trial)]
    waiting = [trial.metric.name for trial in wanted if not trial.arms[0].proven]
    if waiting:
        return Doubt(waiting[0], f"not enough evidence of health for: {', '.join(waiting)}")
    return next((Doubt(trial.metric.name, text) for trial in wanted if (text := stale(case, trial))), None)


def stale(case: Case, trial: Trial) -> str:
    """Proof whose source went silent since; "" where data still come."""
    metric = trial.metric
    text = trial.coverage.gap(case.config.every.get(metric.name, 1.0))
    return f"{metric.name} {text}{say.reason(case.roll.fleet_why.get(metric.name, ''))}" if text else ""


def above(trial: Trial, over: float, n: float) -> bool:
    """More above the user's limit than it allows, and not once only."""
    bound = trial.bound
    return bound is not None and over >= 2 and over > bound * n


def needed(case: Case, trial: Trial) -> bool:
    """Health needs proof of this metric: it is required, measured or asked for, and there is a line of harm."""
    metric = trial.metric
    if metric.name in BY_CACHE and all(case.roll.told_elsewhere(name) for name in case.config.canary):
        return False
    asked = metric.name == "error_rate" or metric.fleet or (metric.name == "refetch_miss" and case.config.refetch)
    return metric.required and not metric.shadow and (asked or trial.measured) and trial.decidable


def sentence(case: Case, t: float) -> str:
    """With every figure that was needed."""
    shown = [evidence.clause(trial, trial.arms[0], case.latencies) for trial in case.trials if needed(case, trial)]
    hosts = say.listed(case.config.canary)
    return f"no metric is worse than allowed after {t:.0f} s on {hosts}: {'; '.join(shown)}"
