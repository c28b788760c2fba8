"""Everything a gate knows at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from deployer.gate.config import GateConfig
from deployer.gate.ruling.evidence import Latencies
from deployer.gate.trial.arm import Arm
from deployer.gate.trial.attendance import Roll
from deployer.gate.trial.trial import Trial
from deployer.model.verdict import ReadingState


@dataclass(slots=True)
class Finding:
    """What one look found. metric, reason: "" where there is nothing to say. arm: the one that decided."""

    state: ReadingState
    metric: str = ""
    reason: str = ""
    arm: Arm | None = None


@dataclass(slots=True)
class Case:
    """config, one trial for each metric, who gave data, and the latest latencies."""

    config: GateConfig
    trials: list[Trial]
    roll: Roll
    latencies: Latencies = field(default_factory=dict)


@dataclass(slots=True)
class Suspect:
    """One process that speaks for harm. part: its share of the odds of the gate. against: the control (or the past),
    or the user's limit. excuse: why the release is not to blame for it; "" where it is."""

    trial: Trial
    arm: Arm
    part: float
    against: Literal["control", "limit"]
    excuse: str

    @property
    def value(self) -> float:
        """Its odds, whatever its weight."""
        odds = self.arm.ceiling if self.against == "limit" else self.arm.odds
        return odds.value if odds else 0.0
