"""Forecast: what the probes alone can prove in a bake, and how often they have to be asked for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.model.errors import DeployError


@dataclass(frozen=True)
class Forecast:
    """Of one deploy, judged by its probes alone. rate: of judged probes a second and host, as written; raised: what it
    is raised to where there are no visitors to judge by. seconds, raised_seconds: metric -> until it is proven at each;
    infinite where no bake is long enough."""

    rate: float = 0.0
    raised: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    raised_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def factor(self) -> float:
        """By which every probe is asked more often."""
        return self.raised / self.rate if self.rate else 1.0

    @property
    def unprovable(self) -> tuple[str, ...]:
        """Metrics that no bake of this length can prove, however often is asked."""
        return tuple(name for name, seconds in self.raised_seconds.items() if math.isinf(seconds))

    @property
    def slowest(self) -> str:
        """The metric whose proof takes longest at the rate that is written."""
        return max(self.seconds, key=lambda name: self.seconds[name], default="")

    def to_json(self) -> dict[str, Any]:
        """Plain values; null for what is never proven."""
        return {
            "rate": self.rate,
            "raised": self.raised,
            "seconds": {name: _finite(seconds) for name, seconds in self.seconds.items()},
            "raised_seconds": {name: _finite(seconds) for name, seconds in self.raised_seconds.items()},
        }


def _finite(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds


def raised(forecast: Forecast) -> str:
    """`; asked 20 times a second on each host, not 5 (max_rate)`; "" where the rate stays."""
    if forecast.factor <= 1.0:
        return ""
    return f"; asked {forecast.raised:g} times a second on each host, not {forecast.rate:g} (max_rate)"


def refuse_unprovable(forecast: Forecast, why: str) -> None:
    """Raise DeployError where the probes alone never prove what health needs. why: they are all there is."""
    if not forecast.unprovable:
        return
    names = ", ".join(forecast.unprovable)
    raise DeployError(
        f"cannot judge this push: {names} cannot be proven in its bake at {forecast.raised:g} probe(s)/s ({why})",
        hint="raise rate: or max_rate: in the health check, or bake: in the playbook",
        consequence="nothing was activated",
    )
