"""The questions to a person while a deploy is under way, and what counts as an answer."""

from __future__ import annotations

import sys
import termios

import click

from deployer.adapters.local.signals import SIGNALS
from deployer.model.plan import Plan
from deployer.wiring.context import Context


def yes_to(question: str) -> bool:
    """A Ctrl-C at it, and an end of input, are no answer: no. The Ctrl-C is counted, and the engine looks at it."""
    forget_typed()
    try:
        with SIGNALS.throwing():
            return click.confirm(question, default=False, err=True)
    except (click.Abort, KeyboardInterrupt):
        return False


def forget_typed() -> None:
    """What was typed before a question stood there is no answer to it."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def approve(context: Context, plan: Plan) -> bool:
    """The one question before anything changes."""
    if context.options.yes:
        return True
    what = "Roll back" if plan.command == "rollback" else "Deploy"
    change = f"{plan.previous or 'different releases'} -> {plan.release}"
    question = f"{what} {plan.playbook} {change} on {len(plan.hosts)} hosts in {plan.environment.upper()}?"
    return yes_to(question)
