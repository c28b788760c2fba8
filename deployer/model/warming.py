"""WarmResult: how far one host's cache has been warmed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

End = Literal["", "warm", "untold", "cold", "stopped", "failing"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some requests: asked of them, failed, told (the answer said whether it came from the cache), hits."""

    asked: int = 0
    failed: int = 0
    told: int = 0
    hits: int = 0


@dataclass(frozen=True, slots=True)
class WarmResult:
    """number: the pass, from 1; asked, failed, told, hits: of this pass; total: requests in all. end: how it ended, ""
    while it goes on; why: the same in words."""

    host: str
    number: int = 1
    asked: int = 0
    failed: int = 0
    told: int = 0
    hits: int = 0
    total: int = 0
    why: str = ""
    end: End = ""

    @property
    def hit_ratio(self) -> float:
        """Of the answers that told, in this pass; 0.0 without any."""
        return self.hits / self.told if self.told else 0.0

    def plus(self, batch: Batch) -> WarmResult:
        """After some more requests."""
        return replace(
            self,
            asked=self.asked + batch.asked,
            failed=self.failed + batch.failed,
            told=self.told + batch.told,
            hits=self.hits + batch.hits,
            total=self.total + batch.asked,
        )

    def next_pass(self, number: int) -> WarmResult:
        """The counts of a pass begin at 0."""
        return WarmResult(self.host, number, total=self.total)

    def ended(self, end: End, why: str) -> WarmResult:
        """With the reason."""
        return replace(self, end=end, why=why)

    @property
    def enough(self) -> bool:
        """Is it as warm as asking can make it? Answers that tell nothing are asked for once."""
        return self.end in ("warm", "untold")
