"""The bake: measure, ask the gate, show every tick, and stop as soon as there is a ruling.

Healthy comes from the gate alone. What the gate cannot know ends the watch here: a touched host that no longer
answers its lease renewal, nothing that measures at all, and a bake that does not end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from deployer.engine.fanout import heed
from deployer.engine.ports import Ports
from deployer.gate import Gate
from deployer.gate.config import bakes
from deployer.model.events import Measured, Notice, Phase, Settled, Watched
from deployer.model.fleet import Host
from deployer.model.sample import Sample
from deployer.model.verdict import NO_DATA, Verdict

TICK = 1.0  # seconds
BUSY = 10  # ticks that said nothing, after which it is told, once a wave


class Sides(NamedTuple):
    """The hosts that have the new release, and those that still have the old one."""

    canary: Sequence[Host]
    control: Sequence[Host]


def watch(
    gate: Gate, ports: Ports, sides: Sides, bake: float, lost: Callable[[], str], heard: Sequence[Gate] = ()
) -> Verdict:
    """Watch the activated hosts beside the unchanged ones until the gate rules.

    bake: seconds. lost: why a touched host can no longer be held, "" while all can. heard: gates of later waves. A bake
    that goes on past `longest` (the gate never decides, or the clock of the samples stands still) is inconclusive, and
    so is lost contact: it says nothing against the release.
    """
    began = ports.clock.monotonic()
    touched, starved = [host.name for host in sides.canary], 0
    ports.probes.watch([*sides.canary, *sides.control])
    while True:
        t = ports.clock.monotonic() - began
        if t > longest(bake):
            return Verdict(
                "inconclusive", f"no verdict after {t:.0f} s: the watch was stopped", gate.verdict().evidence
            )
        sample = tick(ports, t)
        if not sample.hosts:
            return Verdict("inconclusive", NO_DATA)
        reading = gate.observe(sample)
        ports.emit(Watched(sample, reading, bake, until(bake, t)))
        hand_on(sample, touched, heard)
        starved += bool(sample.starved)
        if sample.starved and starved == BUSY:
            ports.emit(
                Notice("warning", f"this machine is too busy to measure well, a verdict takes longer: {sample.starved}")
            )
        if reading.state != "regressed" and (reason := lost()):
            return Verdict("inconclusive", reason, gate.verdict().evidence)
        if reading.state != "continue":
            return gate.verdict()


def hand_on(sample: Sample, touched: Collection[str], later: Iterable[Gate]) -> None:
    """The gates of later waves learn what the old release does from the hosts that still have it, up to their turn."""
    for gate in later:
        gate.pre(sample.without(touched))


def until(bake: float, t: float) -> float:
    """Seconds after which a bake has no verdict any more. t: into it; beyond the usual end only an emptied cache is
    watched."""
    usual = bakes(bake)[1]
    return usual if t <= usual else bakes(bake, 1.0)[1]


def longest(bake: float) -> float:
    """Seconds after which a bake is stopped whatever the gate says, even that of an emptied cache."""
    return bakes(bake, 1.0)[1] + 60.0


def window(bake: float) -> int:
    """Seconds measured before any change: what is usual here is learned from them. Three minutes for a bake of two or
    more (a shorter window makes false alarms twice to six times as frequent where hosts differ, GATE.md section 4)."""
    return min(180, max(10, math.ceil(1.5 * bake)))


def baseline(ports: Ports, deciding: Sequence[Host], bake: float, spare: Sequence[Host] = ()) -> Sequence[Sample]:
    """Measure before any change: what these hosts are like when nothing happens, so that neither an illness that is
    already there nor a standing difference is blamed on the push. bake: seconds. spare: measured, too; by what all are
    judged is decided by the others."""
    hosts = [*deciding, *spare]
    ticks = window(bake)
    ports.emit(Phase("baseline", f"measuring {len(hosts)} host(s) for {ticks} s before any change"))
    began = []
    ports.probes.baseline(hosts)
    for done in range(1, ticks + 1):
        began.append(ports.clock.monotonic())
        sample = tick(ports, float(done - 1 - ticks))
        ports.emit(Measured(sample, done, ticks))
        if not sample.hosts:  # nothing measures
            break
    end = ports.clock.monotonic()  # a busy machine's ticks are longer than a second, and rarer data are usual then
    settled = ports.probes.settle([host.name for host in deciding])
    settled = [replace(sample, t=start - end) for sample, start in zip(settled, began, strict=True)]
    ports.emit(Settled(tuple(settled)))
    return settled


def tick(ports: Ports, t: float) -> Sample:
    """One sample. The pace of all measuring is kept here: it takes a second even when the probes return at once. Raises
    Interrupted."""
    began = ports.clock.monotonic()
    sample = ports.probes.sample(t)
    left = TICK - (ports.clock.monotonic() - began)
    if left > 0 and sample.hosts:
        ports.clock.sleep(left)
    heed(ports)
    return sample
