"""Is the release to blame? The odds of the whole gate, and what excuses it."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.gate import wording as say
from deployer.gate.ruling import evidence
from deployer.gate.ruling.case import Case, Finding, Suspect
from deployer.gate.ruling.effect import clearest, seen_on, size
from deployer.gate.ruling.evidence import DOUBT
from deployer.gate.trial.attendance import STREAK
from deployer.gate.trial.trial import Trial

ALSO = 2  # metrics beside the worst that the sentence names


def suspects(trials: Sequence[Trial]) -> list[Suspect]:
    """Every process with its part of the odds: a weighted mean, valid whatever the metrics have in common."""
    found = []
    for trial in trials:
        others_over = trial.beside and trial.others_over.value >= DOUBT
        for arm in trial.arms:
            ill = "it was so before the change" if arm.ill else ""
            if arm.weight:
                found.append(Suspect(trial, arm, arm.weight * arm.odds.value, "control", ill))
            if arm.ceiling:
                as_bad = others_over and arm.odds.value < DOUBT
                excuse = ill or ("the unchanged hosts are as bad" if as_bad else "")
                found.append(Suspect(trial, arm, arm.ceiling_weight * arm.ceiling.value, "limit", excuse))
    return found


def harm(case: Case, found: Sequence[Suspect]) -> Finding | None:
    """Regressed when the odds reach the limit; what shows it best gives the name. Inconclusive when that
    does so for which the release is not to blame."""
    limit = case.config.limit
    ours = [s for s in found if not s.excuse]
    odds = sum(s.part for s in ours)
    if odds >= limit:
        top = clearest(case, ours, limit)[0]
        reason = f"{figures(case, seen_on(case, top))}{also(case, ours, top)}"
        return Finding("regressed", top.trial.metric.name, reason, top.arm)
    if sum(s.part for s in found if s.excuse) >= limit:
        top = max((s for s in found if s.excuse), key=lambda s: s.part)
        return Finding("inconclusive", top.trial.metric.name, f"{figures(case, top)}: {top.excuse}", top.arm)
    return None


def figures(case: Case, suspect: Suspect) -> str:
    """Both sides, and what they are held against."""
    trial, metric = suspect.trial, suspect.trial.metric
    if suspect.against == "limit":
        allowed = say.limit(metric)
    else:
        allowed = f"allowed: {metric.margin}" + ("" if trial.beside else f", from {trial.drift:g} x what it was")
    return f"{evidence.clause(trial, suspect.arm, case.latencies)}, {allowed}"


def also(case: Case, found: Sequence[Suspect], top: Suspect) -> str:
    """The next metrics that are worse beyond doubt: a regression is seldom seen by one alone. "" where it is."""
    worse = {topic(top): top}
    for suspect in clearest(case, found, DOUBT):
        if suspect.value >= DOUBT and size(case, suspect) > 1.0 and len(worse) <= ALSO:
            worse.setdefault(topic(suspect), suspect)
    others = [evidence.brief(s.trial, s.arm, case.latencies) for s in list(worse.values())[1:]]
    return f"; worse, too: {', '.join(others)}" if others else ""


def topic(suspect: Suspect) -> str:
    """All latencies are one."""
    return "latency" if suspect.trial.metric.level else suspect.trial.metric.name


def probe(case: Case) -> Finding | None:
    """A required probe that keeps failing on a canary host is a regression, and inconclusive where it keeps failing
    on every unchanged host too."""
    found = case.roll.broken_probe()
    if not found:
        return None
    name, host, streak, everywhere = found.probe, found.host, found.streak, found.everywhere
    seconds, control = case.roll.t - streak.since + 1.0, case.config.control
    text = f"probe {name} on {host}: failed without a success for {seconds:.0f} s ({streak.reason})"
    if control:
        failing = {other: their.ticks for other in control if (their := case.roll.hosts[other].failing.get(name))}
        also = [other for other, ticks in failing.items() if ticks >= STREAK - 1]  # once is no more than a hiccup
        if also or not failing:
            where = f"also fails on {say.listed(also)}" if also else f"does not fail on {say.unchanged(control)}"
            text += f"; it {where}"
    return Finding("inconclusive" if everywhere else "regressed", f"probe {name}", text)


def guard_odds(case: Case) -> float:
    """That the unchanged hosts are much worse than before the change."""
    return sum(trial.metric.weight * trial.guard.value for trial in case.trials if not trial.metric.shadow)


def guard(case: Case) -> Finding | None:
    """Then differences no longer tell anything: a bypass may have slowed the database for all."""
    if guard_odds(case) < case.config.limit:
        return None
    acting = [trial for trial in case.trials if not trial.metric.shadow]
    worst = max(acting, key=lambda trial: trial.metric.weight * trial.guard.value)
    metric = worst.metric
    now = evidence.beside(worst, worst.arms[0], case.latencies)
    then = evidence.control_before(worst)
    change = f"{metric.name} {say.written(metric, now)} vs {say.written(metric, then)} before"
    where = f"on {worst.them}, which still have the old release"
    return Finding("inconclusive", metric.name, f"fleet degraded since activation: {change} {where}")
