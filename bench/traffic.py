"""Streams of samples as a small fleet would give them: one canary (c1), some controls, every request simulated.

Base level of every host: 0.1 % errors (a failed request counts with its time-out of 2 s), 0.5 % of the re-fetches (and
of the one page a second that is new) and 5 % of the look-ups miss, 5 origin requests a second (of all visitors),
latency log-normal around 18 ms (sigma 0.63).

iid      nothing else
ar       log odds (errors, misses), log rate (origin) and log latency waver: each host by itself (AR(1), time constant
         10 s; standard deviation 0.40, 0.25, 0.25, 0.12) and all together (100 s; 0.50, 0.30, 0.30, 0.15)
hosts    ar, and every host differs for good by 5 to 10 % in each of them, up or down
bursts   ar, and every host has about every 10 minutes 1 to 5 s with 30 % errors and fivefold latency
ramp     ar, and within 10 minutes latency rises by 65 % and the origin's load doubles, on all hosts
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

from deployer.model.sample import HostSample, Sample

MODELS = ("iid", "ar", "hosts", "bursts", "ramp")
ERR, REFETCH, MISS, ORIG, MEDIAN, SIGMA, TIMEOUT = 0.001, 0.005, 0.05, 5.0, 18.0, 0.63, 2000.0
OWN = {"err": 0.40, "miss": 0.25, "orig": 0.25, "lat": 0.12}
COMMON = {"err": 0.50, "miss": 0.30, "orig": 0.30, "lat": 0.15}


@dataclass(frozen=True)
class Effect:
    """What a release does to its hosts from `start` seconds on. err, refetch, fresh, miss: shares; orig, lat: factors.
    cold: half-life in seconds of an emptied cache. fleet: the controls suffer as well. silent: no data at all."""

    name: str
    err: float | None = None
    refetch: float | None = None
    fresh: float | None = None
    miss: float | None = None
    orig: float = 1.0
    lat: float = 1.0
    start: float = 0.0
    cold: float = 0.0
    fleet: bool = False
    silent: bool = False


NOTHING = Effect("no change")


@dataclass
class Wave:
    """An AR(1) process of unit step and the given standard deviation."""

    rng: random.Random
    tau: float
    sd: float
    value: float = 0.0

    def __post_init__(self) -> None:
        self._keep = math.exp(-1.0 / self.tau)
        self._step = self.sd * math.sqrt(1.0 - self._keep**2)
        self.value = self.rng.gauss(0.0, self.sd)

    def next(self) -> float:
        """One second later."""
        self.value = self._keep * self.value + self._step * self.rng.gauss(0.0, 1.0)
        return self.value


@dataclass
class Stream:
    """seconds: `tick(t)` must be asked for ascending t. rate: requests a second and host."""

    rng: random.Random
    model: str
    controls: int = 3
    rate: int = 20
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = ["c1", *(f"k{number}" for number in range(1, self.controls + 1))]
        wavers = self.model != "iid"
        self._common = {key: Wave(self.rng, 100.0, sd) for key, sd in COMMON.items()} if wavers else {}
        self._own = {
            name: {key: Wave(self.rng, 10.0, sd) for key, sd in OWN.items()} if wavers else {} for name in self.names
        }
        self._standing = {
            name: {key: self._difference() if self.model == "hosts" else 0.0 for key in OWN} for name in self.names
        }
        self._burst = dict.fromkeys(self.names, -math.inf)

    def _difference(self) -> float:
        return math.log1p(self.rng.choice((-1, 1)) * self.rng.uniform(0.05, 0.10))

    def tick(self, t: float, effect: Effect = NOTHING) -> Sample:
        """All hosts in one second."""
        common = {key: wave.next() for key, wave in self._common.items()}
        hosts = {}
        for name in self.names:
            shift = {
                key: wave.next() + common[key] + self._standing[name][key] for key, wave in self._own[name].items()
            }
            ill = effect.name != NOTHING.name and t >= effect.start and (name == "c1" or effect.fleet)
            hosts[name] = self._host(name, t, shift, effect if ill else NOTHING)
        return Sample(t, hosts)

    def _host(self, name: str, t: float, shift: dict[str, float], effect: Effect) -> HostSample | None:
        rng, n = self.rng, self.rate
        up = max(0.0, t) / 600.0 if self.model == "ramp" else 0.0
        err = moved(effect.err if effect.err is not None else ERR, shift.get("err", 0.0))
        miss = moved(effect.miss if effect.miss is not None else MISS, shift.get("miss", 0.0))
        refetch = effect.refetch if effect.refetch is not None else REFETCH
        fresh = effect.fresh if effect.fresh is not None else refetch
        orig = ORIG * effect.orig * math.exp(shift.get("orig", 0.0)) * 2.0**up
        lat = effect.lat * math.exp(shift.get("lat", 0.0)) * 1.65**up
        if effect.cold:
            empty = 0.5 ** ((t - effect.start) / effect.cold)
            miss, orig = max(miss, empty), orig + ORIG / MISS * empty
        if self.model == "bursts":
            if self._burst[name] < t and rng.random() < 1.0 / 600.0:
                self._burst[name] = t + rng.randint(1, 5) - 1
            if self._burst[name] >= t:
                err, lat = max(err, 0.3), lat * 5.0
        if effect.silent:
            return None
        failed = binomial(rng, n, err)
        gauss, centre = rng.gauss, math.log(MEDIAN * lat)
        values = [math.exp(gauss(centre, SIGMA)) for _ in range(n - failed)] + [TIMEOUT] * failed
        return HostSample(
            n=n,
            err=failed,
            lat=tuple(values),
            rehit_n=n - failed,
            rehit_bad=binomial(rng, n - failed, refetch),
            fresh_n=1,
            fresh_bad=binomial(rng, 1, fresh),
            look=n,
            miss=binomial(rng, n, miss),
            orig=poisson(rng, orig),
            orig_s=1.0,
        )


def moved(p: float, by: float) -> float:
    """The share whose log odds are `by` higher."""
    if not by or p in (0.0, 1.0):
        return p
    odds = p / (1.0 - p) * math.exp(by)
    return odds / (1.0 + odds)


def binomial(rng: random.Random, n: int, p: float) -> int:
    """One draw."""
    if p <= 0.0 or n <= 0:
        return 0
    if p < 0.01 and rng.random() < (1.0 - p) ** n:
        return 0
    if p >= 0.01:
        return sum(rng.random() < p for _ in range(n))
    while True:  # the rest of the distribution: given that it is not zero
        found = sum(rng.random() < p for _ in range(n))
        if found:
            return found


def poisson(rng: random.Random, mean: float) -> int:
    """One draw (Knuth)."""
    if mean > 200.0:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


EFFECTS = (
    Effect("errors 0.1 -> 1 %", err=0.01),
    Effect("errors 0.1 -> 5 %", err=0.05),
    Effect("errors 0.1 -> 100 %", err=1.0),
    Effect("re-fetch miss 0.5 -> 98 %", refetch=0.98),
    Effect("latency x1.2", lat=1.2),
    Effect("latency x1.5", lat=1.5),
    Effect("latency x2", lat=2.0),
    Effect("latency x10", lat=10.0),
    Effect("hit ratio .95 -> .90", miss=0.10),
    Effect("hit ratio .95 -> .50", miss=0.50),
    Effect("hit ratio .95 -> 0", miss=1.0),
    Effect("origin x1.5", orig=1.5),
    Effect("origin x20", orig=20.0),
    Effect("new pages missed 0.5 -> 100 %", fresh=1.0),
)
BYPASS = Effect("full bypass", refetch=1.0, miss=1.0, orig=20.0)
LATE = replace(BYPASS, name="late full bypass", start=300.0)
COLD = Effect("cold restart", cold=30.0)
COLD_BYPASS = replace(BYPASS, name="bypass in a cold restart", cold=30.0)
