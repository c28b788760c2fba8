"""One tick out of what the probes and the visitors' traffic gave, and by which of them it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployer.adapters.measuring.traffic import Traffic
from deployer.model.sample import HostSample, Sample
from deployer.remote.logs import Counts

LATENCIES = 200  # of one host and tick; more are thinned out
OWN = ("n", "err", "look", "miss", "orig")  # what our own requests add to a server's counters
UNASKED = HostSample(rehit_n=0, rehit_bad=0, required_ok=frozenset())  # no required probe succeeded


@dataclass(frozen=True, slots=True)
class Requests:
    """Of one host in one tick. why: there are none. whole: it is known which of them failed. broken: the source itself
    could not be read."""

    n: int = 0
    why: str = ""
    whole: bool = True
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Both:
    """A tick of the baseline as either source has it."""

    probes: Sample
    traffic: Sample
    bare: Sample  # the probes without what the servers count
    requests: Mapping[str, Requests]
    seconds: float


def by_traffic(both: Both) -> Sample:
    """Requests, errors and latency of visitors."""
    return both.traffic


def by_probes(both: Both) -> Sample:
    """Those of the probes; look-ups, misses and origin requests of visitors."""
    return both.probes


def by_probes_alone(both: Both) -> Sample:
    """Nothing of visitors: too few for a proof that could be had, and a proof that is asked for."""
    return both.bare


def with_cache(sample: HostSample, traffic: Traffic | None) -> HostSample:
    """What only the server knows: look-ups, misses, and origin requests over the client requests they belong to."""
    if traffic is None:
        return sample
    counts, known = traffic.counts, traffic.knows
    if {"look", "miss"} <= known:
        sample = replace(sample, look=counts.look, miss=counts.miss)
    if {"orig", "n"} <= known:
        sample = replace(sample, orig=counts.orig, orig_s=float(counts.n))
    return sample


def with_traffic(sample: HostSample, traffic: Traffic | None) -> HostSample:
    """Real requests instead of probes. None yet (the answer is late): nothing was counted in this tick."""
    if traffic is None:
        return replace(sample, n=0, err=0, lat=())
    sample, counts = with_cache(sample, traffic), traffic.counts
    if {"n", "err"} <= traffic.knows:
        sample = replace(sample, n=counts.n, err=counts.err)
    if "lat" in traffic.knows:
        sample = replace(sample, lat=latencies(counts.lat))
    return sample


def take_off(counts: Counts, owed: Counts, most: Counts) -> tuple[Counts, Counts]:
    """(what is left of `counts` without `owed`, what of `owed` was not there yet: of that, `most` at most)."""
    left, rest = {}, {}
    for name in OWN:
        there, due = getattr(counts, name), getattr(owed, name)
        left[name] = max(0, there - due)
        rest[name] = min(max(0, due - there), getattr(most, name))
    return replace(counts, **left), Counts(**rest)


def latencies(histogram: Sequence[tuple[float, int]], most: int = LATENCIES) -> tuple[float, ...]:
    """Every request's milliseconds, ascending; of more than `most` evenly spaced ones, which keeps every quantile."""
    total = sum(many for _, many in histogram)
    step = max(1.0, total / most)
    seen, due = 0, step / 2
    found: list[float] = []
    for ms, many in sorted(histogram):
        seen += many
        while due <= seen and len(found) < most:
            found.append(ms)
            due += step
    return tuple(found)
