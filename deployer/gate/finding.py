"""What the counts prove, what they only suggest, and whether the unchanged hosts are just as bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.gate.tally import SPREAD, Metric, Tally, Window, tail

WINDOWS = (0, 60, 10, 3)  # ticks; 0 is everything since activation
PROOF = 1e-4  # how often a host exactly at its limit would be called broken at one look
DOUBT = 1e-2  # how unlikely the last seconds must be before they hold a verdict of health back
EQUAL, SLACK = 1.5, 0.02  # the control is "as bad": canary <= 1.5 x control + 2 points
POOLED = "canary"


@dataclass(frozen=True, slots=True)
class Breach:
    """metric: of the limits, or `probe NAME`. host: a name, or POOLED. names: the hosts counted. ticks: the window
    (0: all). reason: of a required probe, why it failed first."""

    metric: str
    host: str
    names: tuple[str, ...]
    ticks: int
    window: Window
    judged: Metric | None = None
    reason: str = ""


def arms(names: Sequence[str], pooled: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Every host by itself and, where there are several, all of them together."""
    single: list[tuple[str, tuple[str, ...]]] = [(name, (name,)) for name in dict.fromkeys(names)]
    return [*single, (POOLED, tuple(name for name, _ in single))] if pooled and len(single) > 1 else single


def breaches(tally: Tally, names: Sequence[str], pooled: bool) -> tuple[Breach, ...]:
    """Everything that is proven: required probes that keep failing, then limits; the surest window of each."""
    found = [
        Breach(
            f"probe {probe}",
            name,
            (name,),
            0,
            Window(f.ticks, f.ticks, SPREAD, tally.times[-1] - f.since + 1.0),
            reason=f.reason,
        )
        for name in dict.fromkeys(names)
        for probe, f in sorted(tally.series[name].failing.items())
        if f.ticks >= SPREAD
    ]
    for metric in tally.metrics:
        for host, members in arms(names, pooled):
            surest, best = None, PROOF
            for ticks in WINDOWS:
                window = tally.window(members, metric.name, ticks)
                if window.spread < SPREAD or window.bad < SPREAD or window.share <= metric.allowed:
                    continue
                chance = tail(window.n, window.bad, metric.allowed)
                if chance < best or (surest is None and chance <= best):
                    surest, best = Breach(metric.name, host, members, ticks, window, metric), chance
            if surest:
                found.append(surest)
    return tuple(found)


def suspects(tally: Tally, names: Sequence[str]) -> tuple[Breach, ...]:
    """Everything that holds a verdict of health back without proving harm: a required probe whose last word was a
    failure, a share above its limit over all ticks, the last seconds much worse than allowed."""
    found = [
        Breach(
            f"probe {probe}",
            name,
            (name,),
            0,
            Window(f.ticks, f.ticks, 0, tally.times[-1] - f.since + 1.0),
            reason=f.reason,
        )
        for name in dict.fromkeys(names)
        for probe, f in sorted(tally.series[name].failing.items())
    ]
    for metric in tally.metrics:
        for host, members in arms(names, pooled=True):
            for ticks in WINDOWS:
                window = tally.window(members, metric.name, ticks)
                if window.bad < 2 or window.share <= metric.allowed:
                    continue
                if ticks == 0 or tail(window.n, window.bad, metric.allowed) <= DOUBT:
                    found.append(Breach(metric.name, host, members, ticks, window, metric))
                    break
    return tuple(found)


def fleet_wide(tally: Tally, breach: Breach, control: Sequence[str]) -> bool:
    """The same harm, about as strong, on every unchanged host in the same ticks: not the release's doing alone."""
    if not control:
        return False
    if breach.judged is None:
        probe = breach.metric.removeprefix("probe ")
        streaks = [tally.series[name].failing.get(probe) for name in control]
        return all(streak is not None and streak.ticks >= SPREAD - 1 for streak in streaks)
    each = [tally.window((name,), breach.metric, breach.ticks) for name in control]
    if not all(window.n and window.share > breach.judged.allowed for window in each):
        return False
    together = tally.window(tuple(control), breach.metric, breach.ticks)
    return together.bad >= SPREAD and breach.window.share <= EQUAL * together.share + SLACK
