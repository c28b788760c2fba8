"""Durations, shares, rates and percentages as people write them, parsed without surprises.

Every function takes what YAML gave as text and raises ValueError with a message that names the allowed forms.
"""

from __future__ import annotations

import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> float:
    """`90s`, `2m`, `1h`, `250ms` -> seconds. A bare number is refused: its unit is a guess."""
    if isinstance(value, float):  # already parsed (a default, or a round trip)
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", str(value))
    if not match:
        raise ValueError(f"{value!r} is not a duration; write a number with ms, s, m or h, such as 90s or 2m")
    return float(match[1]) * UNITS[match[2]]


def parse_serial(value: object) -> tuple[str, ...]:
    """`1`, `25%` or a list of them -> ("1", "25%")."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError("serial is empty; write for example [1, 25%, 100%]")
    return tuple(_serial_item(str(item)) for item in items)


def _serial_item(item: str) -> str:
    match = re.fullmatch(r"(\d+)(%?)", item)
    if not match or int(match[1]) == 0 or (match[2] and int(match[1]) > 100):
        raise ValueError(f"{item!r} is not a wave size; write a count (1, 5) or a percentage (1% to 100%)")
    return item


def parse_share(value: object) -> float:
    """`2%` -> 0.02. A bare number is refused: 2 and 0.02 are both plausible."""
    if isinstance(value, float):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value))
    if not match or float(match[1]) > 100:
        raise ValueError(f"{value!r} is not a percentage; write 0% to 100%, such as 2% or 0.5%")
    return float(match[1]) / 100


def parse_rate(value: object) -> float:
    """`5/s`, `30/m` -> per second; 100/s at most."""
    if isinstance(value, float):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*(s|m)", str(value))
    rate = float(match[1]) / UNITS[match[2]] if match else 0.0
    if not 0 < rate <= 100:
        raise ValueError(f"{value!r} is not a rate; write for example 5/s or 30/m (100/s at most)")
    return rate


def parse_margin(value: object) -> str:
    """A margin keeps its kind: `20%` (relative) or `5 points` / `0.5 points` (absolute, of a share)."""
    text = str(value).strip()
    if not re.fullmatch(r"\d+(\.\d+)?\s*(%|points?)", text):
        raise ValueError(f"{value!r} is not a margin; write 20% (relative) or 5 points (absolute)")
    return text
