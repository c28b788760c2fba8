"""Ill before any change: what is wrong already is said before the push, and never blamed on it."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.gate import wording as say
from deployer.gate.config import GateConfig
from deployer.gate.counts import Tick
from deployer.gate.stats import intervals
from deployer.gate.trial.arm import Marks, count
from deployer.gate.trial.attendance import STREAK, Roll
from deployer.gate.trial.baseline import earlier
from deployer.gate.trial.trial import Trial

PROOF = 1e-4  # chance at most that a host exactly at its limit is called broken, for each look
DIFFERS = 100.0  # odds at which the canary already differs from the control
LOOKS = (0, 60)  # ticks, 0 is all of them: an illness that came late; a hiccup of seconds is none


def suspicion(config: GateConfig, roll: Roll, ticks: Sequence[Tick], trials: Sequence[Trial]) -> str:
    """This machine too busy, over a limit, a required probe failing, silent, not to be judged at all, or different
    already; "" else."""
    return (
        busy(roll)
        or failing_probe(roll)
        or next((found for trial in trials for name in roll.hosts if (found := over_limit(trial, name, ticks))), "")
        or unmeasured(config, roll, trials)
        or differs(trials, ticks)
    )


def busy(roll: Roll) -> str:
    """This machine had so much else to do that a host was not heard at all: nothing is known of any."""
    return roll.busy if any(not host.n["error_rate"] for host in roll.hosts.values()) else ""


def failing_probe(roll: Roll) -> str:
    """A required probe that fails without a success, on any host."""
    for name, host in roll.hosts.items():
        for probe, streak in sorted(host.failing.items()):
            if streak.ticks >= STREAK:
                return f"probe {probe} on {name} failed without a success for {streak.ticks} ticks ({streak.reason})"
    return ""


def unmeasured(config: GateConfig, roll: Roll, trials: Sequence[Trial]) -> str:
    """What would end the bake without a verdict is better said before it."""
    hosts = roll.hosts
    silent = [name for name in hosts if hosts[name].silent]
    if silent:
        return f"no data from {say.listed(silent)}" + say.reason(roll.why(silent))
    if config.refetch:
        mute = [name for name in hosts if hosts[name].untold and not hosts[name].n["refetch_miss"]]
        if mute:
            return say.mute(mute)
    for probe in config.probes:
        never = [name for name in hosts if hosts[name].named and probe not in hosts[name].passed]
        if never:
            return f"probe {probe} has not succeeded on {say.listed(never)}" + say.reason(roll.why(never))
    for trial in trials:
        if trial.metric.fleet and not trial.metric.shadow and not trial.measured:
            return f"{trial.metric.name} gave nothing" + say.reason(roll.fleet_why.get(trial.metric.name, ""))
    return ""


def over_limit(trial: Trial, name: str, ticks: Sequence[Tick]) -> str:
    """Proven by an exact binomial tail, over all ticks or the last minute, with bad events in three of them."""
    metric, limit, allowed = trial.metric, trial.metric.ceiling, trial.bound
    if limit is None or allowed is None or metric.kind == "rate":
        return ""
    for look in LOOKS:
        part = [count(metric, tick, (name,), Marks(ceiling=limit)) for tick in ticks[-look:]]
        n, bad = sum(seen.n for seen in part), sum(seen.bad.ceiling for seen in part)
        spread = sum(seen.bad.ceiling > 0 for seen in part)
        if n > 0 and spread >= STREAK and bad > allowed * n and intervals.tail(n, bad, allowed) <= PROOF:
            if metric.level:
                slow = f"{bad:.0f} of {n:.0f} answers were slower than the limit of {limit:.0f} ms"
                return f"{metric.name} on {name}: {slow}"
            what = f"{bad:.0f} of {n:.0f} {say.WHAT[metric.name]}"
            return f"{metric.name} on {name}: {what} ({say.percent(bad / n)}), limit {say.percent(limit)}"
    return ""


def differs(trials: Sequence[Trial], ticks: Sequence[Tick]) -> str:
    """The odds that the canary is worse already. Marks the arms to which that is due."""
    total, worst, where = 0.0, 0.0, ""
    for trial in trials:
        for arm in trial.arms:
            if not arm.weight:
                continue
            share = arm.weight * earlier(trial, arm, ticks)
            total += share
            arm.ill = share >= DIFFERS / 10.0
            if share > worst:
                worst, where = share, f"{trial.metric.name} on {say.listed(arm.names)}"
    if total < DIFFERS:
        return ""
    return f"the canary already differs from the control before any change: {where}"
