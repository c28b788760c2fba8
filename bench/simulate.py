"""One simulated deploy: the product's own gate, or the anchors, on one stream."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from bench.anchors import anchors
from bench.traffic import COLD, NOTHING, Effect, Stream
from deployer.gate.config import GateConfig, make_gate_config
from deployer.gate.sequential import Gate
from deployer.model.schema.health import HealthCheck, Probe

BEFORE = 180  # seconds measured before the change
ENDLESS = 900.0  # a bake in which health is not called before: delays of detection


@dataclass(frozen=True)
class Setting:
    """What is simulated. endless: health is never called, so the delay of every detection is seen. warm: the gate is
    told that the activation empties the cache."""

    effect: Effect = NOTHING
    model: str = "iid"
    controls: int = 3
    rate: int = 20
    endless: bool = False
    warm: bool = False
    seconds: int = 901


@dataclass(frozen=True)
class Result:
    """suspect: refused before the change. seconds: of the terminal reading, counted from 1; or the horizon."""

    state: str
    metric: str
    seconds: float
    suspect: bool


def config(setting: Setting) -> GateConfig:
    """The gate of a playbook with `bake: 2m` and the default health check; no probe is required, so that the
    statistics alone are measured."""
    probe = Probe(name="page", url="/", rate=float(setting.rate), level="advisory", cacheable=True)
    controls = tuple(f"k{number}" for number in range(1, setting.controls + 1))
    made = make_gate_config(HealthCheck(probes=(probe,)), ("c1",), controls, 120.0, warm=1.0 if setting.warm else 0.0)
    return replace(made, min_bake=ENDLESS, max_bake=ENDLESS) if setting.endless else made


def deploy(setting: Setting, seed: str) -> Result:
    """Until the gate rules."""
    stream = Stream(random.Random(seed), setting.model, setting.controls, setting.rate)
    gate = Gate(config(setting))
    for t in range(-BEFORE, 0):
        gate.pre(stream.tick(float(t)))
    suspect = bool(gate.suspicion())
    for t in range(setting.seconds):
        reading = gate.observe(stream.tick(float(t), setting.effect))
        if reading.state != "continue":
            return Result(reading.state, reading.metric, t + 1.0, suspect)
    return Result("continue", "", float(setting.seconds), suspect)


def others(setting: Setting, seed: str) -> dict[str, float | None]:
    """Seconds until each anchor rolls back; None within the horizon."""
    stream = Stream(random.Random(seed), setting.model, setting.controls, setting.rate)
    rules = {rule.name: rule for rule in anchors()}
    found: dict[str, float | None] = dict.fromkeys(rules)
    for t in range(setting.seconds):
        if not rules:
            break
        sample = stream.tick(float(t), setting.effect)
        for name, rule in list(rules.items()):
            at = rule.observe(t, sample)
            if at is not None:
                found[name] = at
                del rules[name]
    return found


__all__ = ["COLD", "Result", "Setting", "deploy", "others"]
