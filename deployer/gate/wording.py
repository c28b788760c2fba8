"""The sentences: every ruling with its figures, its hosts and what the unchanged hosts had."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.gate.metrics import Metric

WHAT = {
    "error_rate": "requests failed",
    "refetch_miss": "immediate re-fetches did not come from the cache",
    "fresh_miss": "pages never asked for before were not kept in the cache",
    "hit_ratio": "look-ups missed",
}


def percent(share: float) -> str:
    """0.0214 -> `2.1 %`; two digits, more from 10 % on."""
    value = share * 100
    return f"{value:.0f} %" if value >= 10 or value == int(value) else f"{value:.2g} %"


def listed(names: Sequence[str], most: int = 5) -> str:
    """`a, b and 3 more`."""
    known = [name or "the fleet" for name in names]
    rest = len(known) - most
    return ", ".join(known) if rest <= 0 else f"{', '.join(known[:most])} and {rest} more"


def together(names: Sequence[str]) -> str:
    """The hosts of an arm."""
    return f"{listed(names)} together" if len(names) > 1 else listed(names)


def reason(why: str) -> str:
    """Appended where a source said why it gave nothing."""
    return f": {why}" if why else ""


def unchanged(control: Sequence[str]) -> str:
    """The control, briefly."""
    return control[0] if len(control) == 1 else f"{len(control)} unchanged hosts"


def written(metric: Metric, value: float | None) -> str:
    """With its unit."""
    if value is None:
        return "no data"
    if metric.level:
        return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"
    return f"{value:.3g}" if metric.kind == "rate" else percent(value)


def limit(metric: Metric) -> str:
    """The ceiling, as the user knows it."""
    return "no limit" if metric.ceiling is None else f"limit {written(metric, metric.ceiling)}"


def mute(names: Sequence[str], since: str = "do not ") -> str:
    """Hosts whose answers do not tell a hit from a miss; since: `no longer ` where they did before the change."""
    return (
        f"refetch_miss cannot be measured: answers of {listed(names)} {since}say whether they came from the cache; "
        "let the server add Cache-Status, X-Cache or Age, or drop `cacheable` from the probe"
    )


def blind(names: Sequence[str], seconds: float, why: str) -> str:
    """Hosts that gave nothing for too long."""
    return f"no data from {listed(names)} for {seconds:.0f} s{reason(why)}: no data is never healthy"
