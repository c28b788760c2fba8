"""A verdict with its evidence, figure by figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(title: str, verdict: Mapping[str, Any]) -> list[str]:
    """The ruling, and two lines for each comparison. verdict: as JSON has it."""
    found = [f"{title}: {verdict['ruling']}: {verdict['because']}"]
    for row in verdict.get("evidence", []):
        seen, control = row["observed"], row["control"]
        words = f"{row['metric']:<14} {row['host']:<10} observed {figure(seen)}{between(row)} control {figure(control)}"
        shadow = ", shadow: shown, never acts" if row.get("shadow") else ""
        found.append(f"    {words} allowed {row['margin']}")
        found.append(f"        {row['ruling']} ({row['samples']} in {row['seconds']:.0f} s{shadow})")
    return found


def figure(value: float | None) -> str:
    """Four digits; `-` where there is none."""
    return "-" if value is None else f"{value:.4g}"


def between(row: Mapping[str, Any]) -> str:
    """The 95 % interval."""
    low, high = row.get("interval") or (None, None)
    return "" if low is None else f" ({figure(low)} to {figure(high)})"
