"""How large a harm is in what the user knows: which of several metrics shows it best, and on which hosts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from deployer.gate.ruling.case import Case, Suspect
from deployer.gate.ruling.evidence import beside, observed
from deployer.gate.trial.arm import Arm, Total
from deployer.gate.trial.trial import Trial

CLEAR = 10.0  # times what is allowed; more than that says no more
# of what is as clear, what is nearest to visitors and to the database
ORDER = ("error_rate", "origin_ratio", "hit_ratio", "refetch_miss", "fresh_miss")


def size(case: Case, suspect: Suspect) -> float:
    """How many times what is allowed the figures that are shown are; 1 and less: they do not show any harm."""
    trial, arm, metric = suspect.trial, suspect.arm, suspect.trial.metric
    if suspect.against == "limit":
        value, bound = _value(trial, arm, case), metric.ceiling
        return _times(value, bound)
    if metric.level:
        other = beside(trial, arm, case.latencies)
        return _times(_value(trial, arm, case), None if other is None else metric.allowed.at(other))
    other = trial.others.level if trial.beside else arm.past.level if arm.past else None
    drift = 1.0 if trial.beside else trial.drift
    return _times(arm.total.level, None if other is None else metric.allowed.at(drift * other))


def _value(trial: Trial, arm: Arm, case: Case) -> float | None:
    return observed(trial, arm, case.latencies)[0] if trial.metric.level else arm.total.level


def _times(value: float | None, allowed: float | None) -> float:
    if value is None or allowed is None or value <= 0.0:
        return 0.0
    return value / allowed if allowed > 0.0 else math.inf


def clearest(case: Case, found: Sequence[Suspect], enough: float) -> list[Suspect]:
    """One suspect for each metric of which the odds are `enough`, the clearest first; the one with the largest part is
    always among them."""
    top = max(found, key=lambda s: s.part)
    ruled = [s for s in found if s is top or s.value >= enough]
    ranked = sorted(ruled, key=lambda s: (-min(CLEAR, size(case, s)), _order(s), -s.part))
    first: dict[str, Suspect] = {}
    for suspect in ranked:
        first.setdefault(suspect.trial.metric.name, suspect)
    return list(first.values())


def _order(suspect: Suspect) -> int:
    name = suspect.trial.metric.name
    return ORDER.index(name) if name in ORDER else len(ORDER)


def seen_on(case: Case, suspect: Suspect) -> Suspect:
    """The same of those hosts alone on which it was seen: what several have together may be one's alone."""
    trial, arm = suspect.trial, suspect.arm
    if len(arm.names) < 2:
        return suspect
    single = [one for one in trial.arms if len(one.names) == 1]
    ill = [one for one in single if size(case, replace(suspect, arm=one)) > 1.0]
    if not ill or len(ill) == len(single):
        return suspect
    total = Total(
        sum(one.total.n for one in ill),
        sum(one.total.bad for one in ill),
        sum(one.total.over for one in ill),
        max(one.total.seconds for one in ill),
    )
    names = tuple(one.names[0] for one in ill)
    return replace(suspect, arm=replace(arm, names=names, total=total, past=ill[0].past if len(ill) == 1 else arm.past))
