"""The gate and the probes of a push, from the playbook's health checks."""

from __future__ import annotations

from collections.abc import Callable

import click

from deployer.adapters.probe_ssh import SshProber
from deployer.adapters.probes import HttpProbes
from deployer.adapters.ssh import Completed
from deployer.commands.context import Context
from deployer.engine.ports import Ports
from deployer.engine.request import Policy
from deployer.gate import Gate
from deployer.gate.judge import make_gate
from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.plan import Plan
from deployer.model.verdict import Verdict
from deployer.remote.verbs import Command


def unjudged(context: Context) -> list[str]:
    """What the files ask for and this version does not do; said, never silently skipped."""
    check, found = context.check, []
    if check.sources:
        found.append("sources: are not read by this version; the probes alone are measured")
    return found


def probes_for(context: Context, notice: Callable[[str], None]) -> HttpProbes:
    """Raises InputError for a playbook that would measure nothing: no data is never healthy."""
    if not context.check.probes:
        raise InputError(
            f"playbook {context.playbook.name} has no probes: without data no verdict is healthy",
            hint="add a health check with probes to health_checks: in the playbook",
        )
    return HttpProbes(context.check, notice, prober(context))


def prober(context: Context) -> SshProber:
    """Sends requests from the hosts themselves, over the connections that are open."""

    def run(host: Host, line: str, deadline: float) -> Completed:
        return context.transport.run(host, Command(line, b"", deadline))

    return SshProber(run)


def policy_for(context: Context, ports: Ports, expected: Plan | None) -> Policy:
    """One gate per wave; a person is asked where one is there."""
    from deployer.commands.warming import loses_cache, warm_wave

    check, playbook = context.check, context.playbook

    def gate(canary: tuple[str, ...], control: tuple[str, ...], share: float, cold: bool) -> Gate:
        return make_gate(check, canary, control, playbook.bake, share=share, warm=1.0 if cold else 0.0)

    def go_on(verdict: Verdict) -> bool:
        if check.inconclusive == "continue":
            return True
        asks = check.inconclusive == "pause" and context.options.interactive
        return asks and click.confirm(f"No verdict: {verdict.because}. Go on?", default=False, err=True)

    return Policy(
        gate,
        approve=lambda plan: approve(context, plan),
        go_on=go_on,
        warm=warm_wave(context, ports),
        loses_cache=lambda host: loses_cache(context, host),
        expected=expected,
    )


def approve(context: Context, plan: Plan) -> bool:
    """The one question before anything changes."""
    if context.options.yes:
        return True
    what = "Roll back" if plan.command == "rollback" else "Deploy"
    change = f"{plan.previous or 'different releases'} -> {plan.release}"
    question = f"{what} {plan.playbook} {change} on {len(plan.hosts)} hosts in {plan.environment.upper()}?"
    return click.confirm(question, default=False, err=True)
