"""What `push` decides with: the gate of every wave, and the questions that only a person can answer."""

from __future__ import annotations

from collections.abc import Callable

from deployer.adapters.local.samples import Recorder
from deployer.engine.deploy.gates import gate_config
from deployer.engine.deploy.request import Policy, Turn
from deployer.engine.ports import Ports
from deployer.gate import Gate
from deployer.gate.config import config_to_json
from deployer.gate.sequential import Gate as SequentialGate
from deployer.model.plan import Plan
from deployer.model.verdict import Verdict
from deployer.wiring.consent import approve, yes_to
from deployer.wiring.context import Context
from deployer.wiring.forecast import forecast_of


def policy_for(
    context: Context, ports: Ports, expected: Plan | None, recorder: Recorder, judged_by: Callable[[], str]
) -> Policy:
    """One gate per wave; a person is asked where one is there."""
    from deployer.wiring.warming import loses_cache, warm_wave

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
        approve=lambda plan: approve(context.options, plan),
        go_on=go_on,
        warm=warm_wave(context, ports),
        loses_cache=lambda host: loses_cache(context, host),
        expected=expected,
        judged_by=judged_by,
        forecast=lambda plan: forecast_of(context, plan),
    )
