"""The gate of a wave: from the health check and the turn, or as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.engine.deploy.request import Turn
from deployer.gate import Gate
from deployer.gate.config import GateConfig, config_from_json, make_gate_config, with_fleet, with_judged
from deployer.gate.sequential import Gate as SequentialGate
from deployer.model.schema.health import HealthCheck


def gate_config(check: HealthCheck, turn: Turn, bake: float) -> GateConfig:
    """The gate of one wave, with what the sources count for the whole fleet."""
    warm = 1.0 if turn.cold else 0.0
    config = with_judged(make_gate_config(check, turn.touched, turn.control, bake, turn.share, warm), turn.judged)
    figures = check.sources.figures
    shadow = frozenset(name for name, figure in figures.items() if figure.shadow)
    return with_fleet(config, {name: figure.max_increase for name, figure in figures.items()}, shadow)


def gate_from_json(body: Mapping[str, Any]) -> Gate:
    """The gate that was recorded. Raises KeyError, TypeError, ValueError."""
    return SequentialGate(config_from_json(body))
