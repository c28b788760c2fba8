"""What a bake can prove at a rate of probes: the gate itself, told of hosts on which nothing ever happens.

Real hosts waver and the machine that measures is busy at times, so a real bake takes longer; it never takes less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import NormalDist

from deployer.gate.config import GateConfig
from deployer.gate.sequential import Gate
from deployer.model.forecast import Forecast
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import HealthCheck

MEDIAN, SIGMA = 20.0, 0.6  # milliseconds and shape of the latencies of a page (log-normal)
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0  # its multiples are spread evenly over 0 to 1 (Weyl)
BEFORE = 30  # ticks before the change; more of them do not make a proof quicker
CANARY, CONTROL = 4, 8  # hosts of each side that are played; more of them only help
ROOM = 4.0  # how much longer than even hosts wavering ones take, behind a machine that is busy
SOON = 5.0  # seconds; no proof is asked for sooner, however short the bake
ALTOGETHER = 200.0  # probes a second that this machine is made to send


def forecast(check: HealthCheck, config: GateConfig, bake: float, hosts: int) -> Forecast:
    """What the gate `config` can prove by the probes of `check`. The rate is raised, up to max_rate, until every proof
    takes at most a part of the bake. bake: seconds. hosts: all that are asked."""
    judged = [p for p in check.probes if p.level == "required"] or list(check.probes)
    rate, again = sum(p.rate for p in judged), sum(p.rate for p in check.probes if p.cacheable)
    whole = sum(p.rate for p in check.probes)
    if not rate:
        return Forecast()
    most = max(1.0, min(check.max_rate, ALTOGETHER / max(1, hosts)) / whole)
    steps = [1.0, *(factor for factor in (2.0, 4.0, 8.0, 16.0) if factor < most), *([most] if most > 1.0 else [])]
    found = first = foresee(config, rate, again, config.max_bake)
    factor, soon = 1.0, max(SOON, bake / ROOM)
    for factor in steps:
        longest = config.max_bake if factor in (1.0, most) else soon
        found = foresee(config, factor * rate, factor * again, longest) if factor > 1.0 else first
        if max(found.values(), default=0.0) <= soon:
            break
    return Forecast(rate, factor * rate, first, found)


def foresee(config: GateConfig, rate: float, again: float, longest: float) -> Mapping[str, float]:
    """Seconds after which each metric that health needs is proven; infinite where `longest` is over before.

    rate: judged probes a second and host. again: those of them that are asked twice at once."""
    canary, control = config.canary[:CANARY], config.control[:CONTROL]
    gate = Gate(replace(config, canary=canary, control=control, probes=(), judged=()))
    ticks = {name: _healthy(rate, again, place * GOLDEN) for place, name in enumerate((*canary, *control))}
    found: dict[str, float] = {}
    for t in range(-BEFORE, 0):
        gate.pre(_sample(t, ticks))
    for t in range(int(longest)):
        gate.observe(_sample(t, ticks))
        proofs = gate.proven()
        for name in (name for name, proven in proofs.items() if proven):
            found.setdefault(name, t + 1.0)
        if all(proofs.values()):
            break
    return {name: found.get(name, math.inf) for name in gate.proven()}


def _sample(t: int, ticks: Mapping[str, Iterator[HostSample]]) -> Sample:
    return Sample(float(t), {name: next(one) for name, one in ticks.items()})


def _healthy(rate: float, again: float, turn: float) -> Iterator[HostSample]:
    """Ticks of one host: as many probes as the rate says, none of them failed, their latencies spread as a page's."""
    latency, due, twice = NormalDist(math.log(MEDIAN), SIGMA), 0.0, 0.0
    while True:
        due, twice = due + rate, twice + again
        n, rehit = int(due + 1e-9), int(twice + 1e-9)
        due, twice = due - n, twice - rehit
        lat = []
        for _ in range(n):
            turn = (turn + GOLDEN) % 1.0
            lat.append(math.exp(latency.inv_cdf(min(max(turn, 1e-6), 1.0 - 1e-6))))
        told = (rehit, 0) if again else (None, None)
        yield HostSample(n=n, lat=tuple(lat), rehit_n=told[0], rehit_bad=told[1])
