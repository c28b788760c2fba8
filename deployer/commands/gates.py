"""What `push` decides with: the gate of every wave, and the questions that only a person can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from deployer.adapters.recorder import Recorder
from deployer.commands.context import Context
from deployer.engine.request import Policy
from deployer.gate import Gate
from deployer.gate.limits import limit_gate
from deployer.model.health import Compare, HealthCheck
from deployer.model.plan import Plan
from deployer.model.verdict import Verdict


def unjudged(context: Context) -> list[str]:
    """What the files ask for and this version does not do; said, never silently skipped."""
    found = []
    if context.check.compare != Compare():
        found.append("compare: is not judged by this version; the limits and the probes decide")
    if context.playbook.warm:
        found.append("warm: is not done by this version; caches are as the reload leaves them")
    return found


def gate_to_json(
    check: HealthCheck, canary: tuple[str, ...], control: tuple[str, ...], bake: float
) -> dict[str, object]:
    """All that a gate is made from, as plain values."""
    return {"canary": canary, "control": control, "bake": bake, "check": check.model_dump(mode="json")}


def gate_from_json(config: Mapping[str, Any]) -> Gate:
    """The gate of one wave. Raises KeyError, TypeError, ValueError."""
    check = HealthCheck.model_validate(config["check"])
    return limit_gate(check, tuple(config["canary"]), tuple(config["control"]), float(config["bake"]))


def policy_for(context: Context, expected: Plan | None, recorder: Recorder, judged_by: Callable[[], str]) -> Policy:
    """One gate per wave; a person is asked where one is there."""
    check, bake = context.check, context.playbook.bake

    def gate(canary: tuple[str, ...], control: tuple[str, ...]) -> Gate:
        config = gate_to_json(check, canary, control, bake)
        recorder.gate(config)
        return gate_from_json(config)

    def go_on(verdict: Verdict) -> bool:
        if check.inconclusive == "continue":
            return True
        asks = check.inconclusive == "pause" and context.options.interactive
        return asks and click.confirm(f"No verdict: {verdict.because}. Go on?", default=False, err=True)

    return Policy(gate, lambda plan: approve(context, plan), go_on, expected, judged_by)


def approve(context: Context, plan: Plan) -> bool:
    """The one question before anything changes."""
    if context.options.yes:
        return True
    what = "Roll back" if plan.command == "rollback" else "Deploy"
    change = f"{plan.previous or 'different releases'} -> {plan.release}"
    question = f"{what} {plan.playbook} {change} on {len(plan.hosts)} hosts in {plan.environment.upper()}?"
    return click.confirm(question, default=False, err=True)
