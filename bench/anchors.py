"""The default rules of Flagger, Argo Rollouts and Kayenta on the same streams, re-implemented from their code and
documentation (flagger 15bd6ad, argo-rollouts 9f8d111, kayenta a69573b). Only the canary has absolute limits; where a
tool has no default for a metric, one was set: hit ratio >= .85, re-fetches from cache >= .90, origin <= 2 x its base.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.traffic import ORIG
from deployer.model.sample import HostSample, Sample

METRICS = ("err", "refetch", "miss", "orig", "lat")


@dataclass
class Sums:
    """One stretch of time of one host."""

    n: int = 0
    err: int = 0
    rehit_n: int = 0
    rehit_bad: int = 0
    look: int = 0
    miss: int = 0
    orig: int = 0
    seconds: int = 0
    lat: list[float] = field(default_factory=list)

    def add(self, one: HostSample) -> None:
        """A second more."""
        self.n += one.n
        self.err += one.err
        self.rehit_n += one.rehit_n or 0
        self.rehit_bad += one.rehit_bad or 0
        self.look += one.look or 0
        self.miss += one.miss or 0
        self.orig += one.orig or 0
        self.seconds += 1
        self.lat.extend(one.lat)


def fails(seconds: Sequence[HostSample], success: float) -> bool:
    """Any absolute limit broken over these seconds: success rate, p99 <= 500 ms, and the three set here."""
    total = Sums()
    for one in seconds:
        total.add(one)
    if not total.n:
        return True
    p99 = sorted(total.lat)[min(len(total.lat) - 1, math.ceil(0.99 * len(total.lat)) - 1)]
    return (
        1 - total.err / total.n < success
        or p99 > 500.0
        or (total.look > 0 and total.miss / total.look > 0.15)
        or (total.rehit_n > 0 and total.rehit_bad / total.rehit_n > 0.10)
        or total.orig / total.seconds > 2.0 * ORIG
    )


@dataclass
class Counting:
    """Flagger and Argo: a measurement each `interval` over the last `window` seconds; more than `most` failed ones
    (never reset by a success) end the deploy, `late` seconds after the last of them."""

    name: str
    interval: int
    window: int
    most: int
    success: float
    first: int
    late: int

    def __post_init__(self) -> None:
        self._last: deque[HostSample] = deque(maxlen=self.window)
        self._failed = 0

    def observe(self, t: int, sample: Sample) -> float | None:
        """Seconds at which the deploy is rolled back; None while it is not."""
        one = sample.hosts["c1"]
        if one is not None:
            self._last.append(one)
        now = t + 1
        if now < self.first or (now - self.first) % self.interval:
            return None
        self._failed += fails(self._last, self.success)
        return float(now + self.late) if self._failed > self.most else None


@dataclass
class Kayenta:
    """NetflixACAJudge every 10 minutes on a growing window of 10-second points against the mean of the controls: a
    metric is High when the lower end of the 98 % Mann-Whitney interval of the shift exceeds a quarter of the shift and
    the ratio of the means 1.0. Any High metric fails the deploy here (the score's thresholds are the pipeline's)."""

    name: str = "Kayenta 10m"

    def __post_init__(self) -> None:
        self._points: dict[str, tuple[list[float], list[float]]] = {key: ([], []) for key in METRICS}
        self._now: dict[str, Sums] = {}

    def observe(self, t: int, sample: Sample) -> float | None:
        """As Counting.observe."""
        for name, one in sample.hosts.items():
            if one is not None:
                self._now.setdefault(name, Sums()).add(one)
        if (t + 1) % 10 == 0:
            for key in METRICS:
                values = {name: value(key, sums) for name, sums in self._now.items()}
                others = [v for name, v in values.items() if name != "c1"]
                self._points[key][0].append(values["c1"])
                self._points[key][1].append(sum(others) / len(others))
            self._now = {}
        if (t + 1) % 600:
            return None
        return float(t + 1) if any(high(*self._points[key]) for key in METRICS) else None


def value(key: str, sums: Sums) -> float:
    """One point of a metric."""
    if key == "lat":
        return sum(sums.lat) / max(1, len(sums.lat))
    return {
        "err": sums.err / max(1, sums.n),
        "refetch": sums.rehit_bad / max(1, sums.rehit_n),
        "miss": sums.miss / max(1, sums.look),
        "orig": sums.orig / max(1, sums.seconds),
    }[key]


def high(canary: list[float], control: list[float]) -> bool:
    """Hodges-Lehmann shift and its Mann-Whitney interval (normal approximation)."""
    n, m = len(canary), len(control)
    shifts = sorted(a - b for a in canary for b in control)
    if shifts[0] == shifts[-1] == 0.0:
        return False
    rank = math.floor(n * m / 2 - 2.326 * math.sqrt(n * m * (n + m + 1) / 12))
    low, middle = shifts[max(0, rank)], shifts[len(shifts) // 2]
    means = sum(control) / m
    return low > 0.25 * abs(middle) and means > 0 and sum(canary) / n / means >= 1.0


def anchors() -> list[Counting | Kayenta]:
    """Fresh ones. Documentation examples unless the name says otherwise."""
    return [
        Counting("Flagger 60s x10", 60, 60, 9, 0.99, 60, 60),
        Counting("Flagger 10s x10", 10, 60, 9, 0.99, 10, 10),
        Counting("Argo 5m fail>3", 300, 60, 3, 0.95, 10, 0),
        Counting("Argo 60s fail>0", 60, 60, 0, 0.95, 10, 0),
        Kayenta(),
    ]
