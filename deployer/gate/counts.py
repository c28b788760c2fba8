"""One tick, made sane: whatever a source gives, counts are finite, bad events are never more than events, and time
never goes back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deployer.model.sample import HostSample, Sample

LEAST = 1e-3  # seconds or requests; over less, a rate is no figure
MOST = 10**9  # a source that counts more than this in a tick is broken; arithmetic must still hold
KEPT = 100  # latencies of one host and tick; more are thinned out evenly
FLEET = ""  # the name under which the counts of the whole fleet are kept; no host is called so

Kind = Literal["share", "latency", "rate"]  # of a metric: bad events per event, or (rate) events per exposure
Count = tuple[float, float]  # events or exposure, bad events


@dataclass(slots=True)
class Seen:
    """One host. counts: by metric, only those with events. lat: milliseconds, ascending."""

    counts: dict[str, Count] = field(default_factory=dict)
    lat: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Tick:
    """t: seconds since activation. dt: seconds it stands for. hosts: only those that gave data. late, starved: see
    model.sample."""

    t: float
    dt: float
    hosts: dict[str, Seen]
    late: float = 0.0
    starved: bool = False


def share(n: float | None, bad: float | None) -> Count | None:
    """`bad` of `n`, sane; None without events."""
    if n is None or bad is None:
        return None
    n = _finite(n)
    return (n, min(n, _finite(bad))) if n > 0 else None


def rate(count: float | None, exposure: float | None) -> Count | None:
    """(exposure, count), sane; None without exposure."""
    if count is None or exposure is None:
        return None
    exposure = _finite(exposure)
    return (exposure, _finite(count)) if exposure >= LEAST else None


def _finite(value: float) -> float:
    """Not negative, not above MOST; what is not a number is nothing."""
    return 0.0 if not value > 0 else float(min(value, MOST))


def see(sample: HostSample) -> Seen:
    """One host's data of one tick."""
    found = {
        "error_rate": share(sample.n, sample.err),
        "refetch_miss": share(sample.rehit_n, sample.rehit_bad),
        "fresh_miss": share(sample.fresh_n, sample.fresh_bad),
        "hit_ratio": share(sample.look, sample.miss),
        "origin_ratio": rate(sample.orig, sample.n if sample.orig_s is None else sample.orig_s),
    }
    return Seen({name: count for name, count in found.items() if count}, latencies(sample.lat))


def latencies(values: Sequence[float]) -> list[float]:
    """Ascending; thinned out evenly, which keeps every share (whatever order a source gave them in)."""
    known = sorted(_finite(value) for value in values if not math.isnan(value))
    step = math.ceil(len(known) / KEPT)
    return known[step // 2 :: step] if step > 1 else known


def counted(fleet: Mapping[str, tuple[float, float]]) -> Seen:
    """What only the whole fleet has."""
    found = {name: rate(count, exposure) for name, (count, exposure) in fleet.items()}
    return Seen({name: count for name, count in found.items() if count})


class Clock:
    """Turns samples into ticks."""

    def __init__(self) -> None:
        self._last: float | None = None

    def tick(self, sample: Sample) -> Tick:
        """The next one. A time that is not finite or goes back counts as the last one."""
        last = self._last
        t = sample.t if math.isfinite(sample.t) else (last or 0.0)
        t = t if last is None else max(t, last)
        dt = 1.0 if last is None else t - last
        self._last = t
        hosts = {name: see(given) for name, given in sample.hosts.items() if given is not None}
        if sample.fleet:
            hosts[FLEET] = counted(sample.fleet)
        return Tick(t, dt, hosts, _finite(sample.late), bool(sample.starved))
