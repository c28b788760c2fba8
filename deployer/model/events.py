"""What the engine reports while it works. It never prints: `console/` decides how an event looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deployer.model.outcome import HostEnd
from deployer.model.plan import Plan
from deployer.model.sample import Sample
from deployer.model.verdict import Reading, Verdict
from deployer.model.warming import WarmResult

HostPoint = HostEnd | Literal["staged", "checked"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A new chapter: survey, plan, stage, wave, confirm, revert, read back, ledger. text: one line."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Planned:
    plan: Plan


@dataclass(frozen=True, slots=True)
class HostChanged:
    """One host reached a new point. detail: one line, may be empty."""

    host: str
    state: HostPoint
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WaveStarted:
    """number from 1."""

    number: int
    of: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbered:
    """The deploy has its id."""

    deploy: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One tick of the baseline. done, of: ticks."""

    sample: Sample
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The baseline is over: its ticks as they are judged."""

    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """One tick of the bake. most: seconds after which there is no verdict any more; 0: nobody says."""

    sample: Sample
    reading: Reading
    bake: float
    most: float = 0.0

    @property
    def over(self) -> bool:
        """Is the bake over, without a verdict so far?"""
        return self.sample.t > self.bake and self.reading.state == "continue"

    @property
    def of(self) -> float:
        """Seconds that it can last from here."""
        return max(self.bake, self.most) if self.over else self.bake


@dataclass(frozen=True, slots=True)
class Warmed:
    """Some more answers while a cache is warmed. of: URLs in a pass."""

    result: WarmResult
    of: int


@dataclass(frozen=True, slots=True)
class Judged:
    wave: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know: level info, warning or alarm."""

    level: Literal["info", "warning", "alarm"]
    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A ledger record was written, or (pending=True) put aside until git can be reached."""

    record: str
    number: int
    pending: bool = False


Event = (
    Phase
    | Planned
    | HostChanged
    | WaveStarted
    | Numbered
    | Measured
    | Settled
    | Watched
    | Warmed
    | Judged
    | Notice
    | Recorded
)
