"""What `push` decides with: the gate of every wave, and the questions that only a person can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deployer.adapters.recorder import Recorder
from deployer.commands.context import Context
from deployer.commands.question import yes_to
from deployer.engine.ports import Ports
from deployer.engine.request import Policy, Turn
from deployer.gate import Gate
from deployer.gate.config import (
    GateConfig,
    config_from_json,
    config_to_json,
    make_gate_config,
    with_fleet,
    with_judged,
)
from deployer.gate.judge import Gate as SequentialGate
from deployer.model.health import HealthCheck
from deployer.model.plan import Plan
from deployer.model.verdict import Verdict


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


def policy_for(
    context: Context, ports: Ports, expected: Plan | None, recorder: Recorder, judged_by: Callable[[], str]
) -> Policy:
    """One gate per wave; a person is asked where one is there."""
    from deployer.commands.forecast import forecast_of
    from deployer.commands.warming import loses_cache, warm_wave

    check, playbook = context.check, context.playbook

    def gate(turn: Turn) -> Gate:
        config = gate_config(check, turn, playbook.bake)
        recorder.gate(turn.wave, config_to_json(config))
        return SequentialGate(config)

    def go_on(verdict: Verdict) -> bool:
        if check.inconclusive == "continue":
            return True
        asks = check.inconclusive == "pause" and context.options.interactive
        return asks and yes_to(f"No verdict: {verdict.because}. Go on?")

    return Policy(
        gate,
        approve=lambda plan: approve(context, plan),
        go_on=go_on,
        warm=warm_wave(context, ports),
        loses_cache=lambda host: loses_cache(context, host),
        expected=expected,
        judged_by=judged_by,
        forecast=lambda plan: forecast_of(context, plan),
    )


def approve(context: Context, plan: Plan) -> bool:
    """The one question before anything changes."""
    if context.options.yes:
        return True
    what = "Roll back" if plan.command == "rollback" else "Deploy"
    change = f"{plan.previous or 'different releases'} -> {plan.release}"
    question = f"{what} {plan.playbook} {change} on {len(plan.hosts)} hosts in {plan.environment.upper()}?"
    return yes_to(question)
