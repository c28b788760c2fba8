"""What was observed: a row for every metric and arm, and the clause with both sides' figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from deployer.gate import wording as say
from deployer.gate.counts import Tick
from deployer.gate.stats import intervals
from deployer.gate.stats.intervals import Interval
from deployer.gate.trial.arm import Arm
from deployer.gate.trial.trial import Trial
from deployer.model.verdict import Evidence, Ruling

KEPT = 4000  # latencies of each host, the latest, from which quantiles are shown
ENOUGH = 5  # events below which a row is never healthy
DOUBT = 10.0  # odds that hold health back

Latencies = dict[str, deque[float]]


def keep(latencies: Latencies, tick: Tick) -> None:
    """Remember a tick's latencies for the figures."""
    for name, seen in tick.hosts.items():
        latencies.setdefault(name, deque(maxlen=KEPT)).extend(seen.lat)


def observed(trial: Trial, arm: Arm, latencies: Latencies) -> tuple[float | None, Interval | None, float]:
    """(value, its 95 % interval, events behind it): a share, a rate, or milliseconds at the quantile."""
    if trial.metric.level:
        return _quantile(trial, arm.names, latencies)
    n, bad = arm.total.n, arm.total.bad
    if n <= 0:
        return None, None, 0.0
    interval = intervals.rate(n, bad) if trial.kind == "rate" else intervals.share(n, bad)
    if trial.metric.name == "hit_ratio":
        return 1.0 - bad / n, (1.0 - interval[1], 1.0 - interval[0]), n
    return bad / n, interval, n


def beside(trial: Trial, arm: Arm, latencies: Latencies) -> float | None:
    """What the control had in the same time, or the same hosts before the change."""
    metric = trial.metric
    if trial.beside:
        value = _quantile(trial, trial.control, latencies)[0] if metric.level else trial.others.level
    elif metric.level:
        value = trial.quantile_before
    else:
        value = arm.past.level if arm.past else None
    return _shown(trial, value)


def control_before(trial: Trial) -> float | None:
    """What the control had before the change."""
    if trial.metric.level:
        return trial.quantile_before
    return _shown(trial, trial.control_past.level if trial.control_past else None)


def _shown(trial: Trial, value: float | None) -> float | None:
    """Misses are shown as hits."""
    return 1.0 - value if value is not None and trial.metric.name == "hit_ratio" else value


def _quantile(trial: Trial, names: Sequence[str], latencies: Latencies) -> tuple[float | None, Interval | None, float]:
    known = sorted(ms for name in names for ms in latencies.get(name, ()))
    if not known:
        return None, None, 0.0
    level = trial.metric.level
    return intervals.quantile(known, level), intervals.quantile_interval(known, level), float(len(known))


def clause(trial: Trial, arm: Arm, latencies: Latencies) -> str:
    """`error_rate: 3.3 % on web1 vs 0.05 % on 3 unchanged hosts in the same 33 s (22 of 660 requests failed)`."""
    metric, total = trial.metric, arm.total
    value, other = observed(trial, arm, latencies)[0], beside(trial, arm, latencies)
    against = f"{say.written(metric, other)} "
    if trial.beside:
        against += f"on {trial.them} in the same {total.seconds:.0f} s"
    else:
        against += f"before the change, in {total.seconds:.0f} s"
    counts = shares(trial, arm, value, other)
    if metric.name in say.WHAT:
        counts = f" ({total.bad:.0f} of {total.n:.0f} {say.WHAT[metric.name]})"
    elif trial.kind == "rate":
        counts = f" ({total.bad:.0f} requests to the origin for {total.n:.0f} of visitors)" if not metric.fleet else ""
    return f"{metric.name}: {say.written(metric, value)} on {say.together(arm.names)} vs {against}{counts}"


def shares(trial: Trial, arm: Arm, value: float | None, other: float | None) -> str:
    """The shares behind the test, where the quantiles do not show it (a cache answers in 0 ms); "" else."""
    metric, ours, theirs = trial.metric, arm.total.level, trial.others.level
    if not metric.level or value is None or other is None or value > metric.allowed.at(other):
        return ""
    if not trial.beside or ours is None or theirs is None:
        return ""
    beyond = f"{say.percent(ours)} of its answers were slower than is allowed"
    return f" ({beyond}, {say.percent(theirs)} of theirs slower than their quantile)"


def brief(trial: Trial, arm: Arm, latencies: Latencies) -> str:
    """`hit_ratio 86 % vs 95 %`."""
    value, other = observed(trial, arm, latencies)[0], beside(trial, arm, latencies)
    return f"{trial.metric.name} {say.written(trial.metric, value)} vs {say.written(trial.metric, other)}"


def rows(trials: Sequence[Trial], latencies: Latencies, named: Arm | None, harm: Ruling) -> tuple[Evidence, ...]:
    """Every metric that gave data, on every arm. named: the arm that decided, with `harm`."""
    found = []
    for trial in trials:
        for arm in trial.arms:
            value, interval, n = observed(trial, arm, latencies)
            if value is None and not trial.measured:
                continue
            margin = trial.metric.margin
            if not trial.beside:
                margin += f", from {trial.drift:g} x what it was"
            if trial.metric.ceiling is not None:
                margin += f"; {say.limit(trial.metric)}"
            found.append(
                Evidence(
                    trial.metric.name,
                    arm.host or "fleet",
                    value,
                    beside(trial, arm, latencies),
                    margin,
                    harm if arm is named else ruling(trial, arm, n),
                    int(n),
                    round(arm.total.seconds, 1),
                    interval,
                    trial.metric.shadow,
                )
            )
    return tuple(found)


def ruling(trial: Trial, arm: Arm, n: float) -> Ruling:
    """Of a row that decided nothing."""
    over = arm.ceiling.value if arm.ceiling else 1.0
    if arm.odds.value >= trial.config.limit or over >= trial.config.limit:
        return "regressed" if not arm.ill else "inconclusive"
    doubtful = n < ENOUGH or arm.odds.value >= DOUBT or over >= DOUBT
    unproven = arm.proof is not None and trial.metric.required and trial.decidable and not arm.proven
    return "inconclusive" if doubtful or unproven else "healthy"
