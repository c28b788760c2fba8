"""Verdict and its evidence: healthy, regressed or inconclusive; no data is never healthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ruling = Literal["healthy", "regressed", "inconclusive"]
ReadingState = Literal["continue", "healthy", "regressed", "inconclusive"]

NO_DATA = "nothing measures these hosts: the playbook names no health check with a probe, and no data is never healthy"


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
    """One metric on one host (or "canary" pooled): what was observed, what the control had (None without one),
    the margin it was held against, from how many samples over how many seconds."""

    metric: str
    host: str
    observed: float | None
    control: float | None
    margin: str
    ruling: Ruling
    samples: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """because: one sentence with the figures and the hosts. judged_by: real traffic or probes, and why."""

    ruling: Ruling
    because: str
    evidence: tuple[Evidence, ...] = ()
    judged_by: str = ""
