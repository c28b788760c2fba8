"""The sentences and the evidence: every ruling with its figures, its hosts and what the unchanged hosts had."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.gate.finding import DOUBT, POOLED, Breach, arms
from deployer.gate.tally import Metric, Tally, Window, tail
from deployer.model.verdict import Evidence, Ruling

ENOUGH = 5  # samples below which a row of evidence is never "healthy"
WHAT = {
    "error_rate": "requests failed",
    "refetch_miss": "immediate re-fetches did not come from the cache",
}


def percent(share: float) -> str:
    """0.0214 -> `2.1 %`; three digits at most."""
    value = share * 100
    return f"{value:.0f} %" if value >= 10 or value == int(value) else f"{value:.2g} %"


def listed(names: Sequence[str], most: int = 5) -> str:
    """`a, b and 3 more`."""
    rest = len(names) - most
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:most])} and {rest} more"


def figure(tally: Tally, metric: Metric, names: Sequence[str], ticks: int) -> float | None:
    """What was observed: a share, or milliseconds; None without data."""
    if metric.level:
        return tally.quantile(names, metric.level, ticks)
    window = tally.window(names, metric.name, ticks)
    return window.share if window.n else None


def written(metric: Metric, value: float | None) -> str:
    """With its unit."""
    if value is None:
        return "no data"
    return f"{value:.0f} ms" if metric.level else percent(value)


def margin(metric: Metric) -> str:
    """The limit, as the user knows it."""
    if metric.limit is None:
        return "no limit"
    return f"limit {metric.limit * 1000:.0f} ms" if metric.level else f"limit {percent(metric.limit)}"


def span(window: Window, ticks: int) -> str:
    """`in the last 10 s`, or since the beginning."""
    return f"in {'the last ' if ticks else ''}{window.seconds:.0f} s"


def where(breach: Breach) -> str:
    """The hosts of a breach."""
    return f"{listed(breach.names)} together" if breach.host == POOLED and len(breach.names) > 1 else breach.host


def count(tally: Tally, breach: Breach) -> str:
    """`15 of 15 requests failed (100 %) in 3 s, limit 5 %`."""
    metric, window = breach.judged, breach.window
    if metric is None:
        return f"failed without a success for {window.seconds:.0f} s ({breach.reason})"
    bad = f"{window.bad} of {window.n}"
    if not metric.level:
        return f"{bad} {WHAT[metric.name]} ({percent(window.share)}) {span(window, breach.ticks)}, {margin(metric)}"
    value = written(metric, figure(tally, metric, breach.names, breach.ticks))
    return f"{value} {span(window, breach.ticks)}, {margin(metric)} ({bad} answers were slower)"


def beside(tally: Tally, breach: Breach, control: Sequence[str]) -> str:
    """What the unchanged hosts had in the same ticks; "" without any."""
    if not control:
        return ""
    who = control[0] if len(control) == 1 else f"{len(control)} unchanged hosts"
    if breach.judged is None:
        probe = breach.metric.removeprefix("probe ")
        failing = [name for name in control if probe in tally.series[name].failing]
        return f"it also fails on {listed(failing)}" if failing else f"it does not fail on {who}"
    value = figure(tally, breach.judged, control, breach.ticks)
    return f"{written(breach.judged, value)} on {who} in the same time"


def broken(tally: Tally, breach: Breach, control: Sequence[str]) -> str:
    """A limit that is proven broken, in one sentence."""
    compared = beside(tally, breach, control)
    return f"{breach.metric} on {where(breach)}: {count(tally, breach)}" + (f"; {compared}" if compared else "")


def as_bad(tally: Tally, breach: Breach, control: Sequence[str]) -> str:
    """The same harm everywhere: over the limit, and no proof that the release did it."""
    return f"{broken(tally, breach, control)}: the unchanged hosts are as bad"


def suspect(tally: Tally, breach: Breach) -> str:
    """Over its limit, but not proven."""
    return f"{breach.metric} on {where(breach)}: {count(tally, breach)}; too little to be sure"


def blind(tally: Tally, names: Sequence[str]) -> str:
    """Hosts that gave nothing for too long."""
    seconds = min(tally.since(name, "error_rate") for name in names)
    return f"no data from {listed(names)} for {seconds:.0f} s: no data is never healthy"


def mute(names: Sequence[str]) -> str:
    """Hosts whose answers do not tell a hit from a miss."""
    return (
        f"refetch_miss cannot be measured: answers of {listed(names)} do not say whether they came from the cache; "
        "let the server add Cache-Status, X-Cache or Age, or drop `cacheable` from the probe"
    )


def gaps(metric: str, name: str, usable: int, ticks: int) -> str:
    """A metric with too many holes."""
    return f"{metric} on {name} had data in {usable} of {ticks} ticks: no data is never healthy"


def healthy(tally: Tally, canary: Sequence[str]) -> str:
    """Every figure with its limit."""
    parts = []
    for metric in tally.metrics:
        value = figure(tally, metric, canary, 0)
        if value is not None:
            parts.append(f"{metric.name} {written(metric, value)} ({margin(metric)})")
    n = sum(tally.window((name,), "error_rate", 0).n for name in canary)
    seconds = tally.window(canary, "error_rate", 0).seconds
    return f"no limit was exceeded on {listed(canary)} in {seconds:.0f} s and {n} requests: {', '.join(parts)}"


def evidence(
    tally: Tally, canary: Sequence[str], control: Sequence[str], found: Sequence[Breach], ruling: Ruling
) -> tuple[Evidence, ...]:
    """A row for every metric and canary host, and for all of them together. A broken limit is shown with the window
    that proves it, everything else since activation. ruling: what a proven breach amounts to."""
    proven = {(breach.metric, breach.host): breach for breach in found}
    rows = [
        Evidence(b.metric, b.host, None, None, "required", ruling, b.window.n, b.window.seconds)
        for b in found
        if b.judged is None
    ]
    for metric in tally.metrics:
        for host, members in arms(canary, pooled=True):
            breach = proven.get((metric.name, host))
            ticks = breach.ticks if breach else 0
            window = tally.window(members, metric.name, ticks)
            seen = figure(tally, metric, members, ticks)
            beside_it = figure(tally, metric, control, ticks) if control else None
            end = ruling if breach else row_ruling(metric, window)
            n, seconds = window.n, round(window.seconds, 1)
            rows.append(Evidence(metric.name, host, seen, beside_it, margin(metric), end, n, seconds))
    return tuple(rows)


def row_ruling(metric: Metric, window: Window) -> Ruling:
    """Of a metric that is not proven broken."""
    doubtful = window.bad > 1 and window.share > metric.allowed
    if window.n < ENOUGH or doubtful or tail(window.n, window.bad, metric.allowed) <= DOUBT:
        return "inconclusive"
    return "healthy"
