"""About how long a push takes, said before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deployer.engine.deploy.bake import window
from deployer.gate.config import bakes, warm_up
from deployer.model.forecast import Forecast

AROUND = 6.0  # seconds: survey, evidence, staging, checks, the ledger, confirming and reading back
ACTIVATING = 2.0  # seconds a wave
WAVERING = 2.0  # times that a proof may take on real hosts what it takes on even ones, behind a machine with time
SOME = 5.0  # times as many visitors as decide at all


def told(bake: float, cold: Sequence[bool], found: Forecast, visitors: float) -> str:
    """`about 50 to 70 s`, and a second line: `Where visitors decide: about 2 to 3 min at 5/s a host, ... at 1/s`.

    visitors: requests a second and host from which on they are judged and not the probes; 0 where none can be seen."""
    quick, slow = (max(each.values(), default=0.0) for each in (found.raised_seconds, found.seconds))
    text = about(*takes(bake, cold, quick))
    if not visitors or not found.rate:
        return text
    some, few = (about(*takes(bake, cold, found.rate * slow / rate)) for rate in (SOME * visitors, visitors))
    if some == few == text:
        return text
    rates = f"{some} at {SOME * visitors:g}/s a host, {few} at {visitors:g}/s"
    return f"{text}\nWhere visitors decide: {rates}"


def takes(bake: float, cold: Sequence[bool], proof: float) -> tuple[float, float]:
    """Seconds: at the least, and where each wave is watched for its whole bake, or hosts waver. cold: for each wave,
    does it watch an emptied cache? proof: seconds until even hosts are proven healthy."""
    around = AROUND + window(bake) + len(cold) * ACTIVATING + sum(map(bool, cold)) * warm_up()
    earliest, latest = bakes(bake)
    least, most = max(earliest, min(proof, latest)), max(bake, min(WAVERING * proof, latest))
    return around + len(cold) * least, around + len(cold) * most


def about(least: float, most: float) -> str:
    """`about 40 to 110 s`, `about 2 to 4 min`, `about 9 min`."""
    unit, name = (60.0, "min") if most >= 120.0 else (10.0, "s")
    low, high = (max(1, math.floor(seconds / unit + 0.5)) for seconds in (least, most))
    low, high = (low * 10, high * 10) if name == "s" else (low, high)
    return f"about {high} {name}" if low >= high else f"about {low} to {high} {name}"
