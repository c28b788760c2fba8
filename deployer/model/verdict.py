"""Verdict and its evidence: healthy, regressed or inconclusive; no data is never healthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ruling = Literal["healthy", "regressed", "inconclusive"]
ReadingState = Literal["continue", "healthy", "regressed", "inconclusive"]

NO_DATA = "nothing measures these hosts: the playbook names no health check with a probe, and no data is never healthy"


CLAUSE = 200  # characters of one that somebody else's text may have


def first_clause(text: str) -> str:
    """What a sentence says before its first `; `, for where the whole of it stands elsewhere."""
    first = text.partition("; ")[0]
    return first if len(first) <= CLAUSE else f"{first[: CLAUSE - 3].rpartition(' ')[0]}..."


@dataclass(frozen=True, slots=True)
class Reading:
    """What a gate says after one sample. odds: evidence against health (an e-value, or 0 where the gate has
    none). seconds: since activation."""

    state: ReadingState
    metric: str = ""
    reason: str = ""
    odds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """One metric on one host ("canary": all of them together; "fleet"): what was observed, what the control had, or
    the same hosts before the change (None without either), the margin it was held against, from how many samples over
    how many seconds. interval: 95 % confidence interval of `observed`. shadow: judged and shown, never acted upon."""

    metric: str
    host: str
    observed: float | None
    control: float | None
    margin: str
    ruling: Ruling
    samples: int
    seconds: float
    interval: tuple[float, float] | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """because: one sentence with the figures and the hosts."""

    ruling: Ruling
    because: str
    evidence: tuple[Evidence, ...] = ()
