"""Floor 0: the verdict. Pure: no I/O, no clock, no randomness.

Every gate has the streaming interface at the head of GATE.md; the bake knows only this.
"""

from __future__ import annotations

from typing import Protocol

from deployer.model.sample import Sample
from deployer.model.verdict import Reading, Verdict


class Gate(Protocol):
    """pre: one tick of hosts that have the old release. observe: one tick after activation; terminal
    states are healthy, regressed and inconclusive. verdict: the ruling with its evidence; valid at any time
    (inconclusive while undecided)."""

    def pre(self, sample: Sample) -> None: ...

    def observe(self, sample: Sample) -> Reading: ...

    def verdict(self) -> Verdict: ...

    def suspicion(self) -> str:
        """Why the fleet looks ill before any change ("" when it does not), from the `pre` samples alone."""
        ...

    def busy(self) -> str:
        """Why the machine that measures could not: then nothing was learned of any host, and this is the suspicion."""
        ...
