"""The questions to a person while a deploy is under way, and what counts as an answer."""

from __future__ import annotations

import sys
import termios

import click

from deployer.adapters.local.signals import SIGNALS
from deployer.model.plan import Plan
from deployer.model.release import shown
from deployer.wiring.options import Options


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


def sure(options: Options, question: str) -> None:
    """One question, unless --yes. Raises click.Abort for any answer but yes."""
    if not options.yes:
        forget_typed()
        click.confirm(question, abort=True, err=True)


def approve(options: Options, plan: Plan) -> bool:
    """The one question before a plan changes anything, unless --yes."""
    return options.yes or yes_to(asked(plan))


def asked(plan: Plan) -> str:
    """What a push or a way back would do, as a question."""
    many = f"on {len(plan.hosts)} hosts in {plan.environment.upper()}"
    if plan.command == "push":
        return f"Deploy {plan.playbook} {plan.previous or 'different releases'} -> {plan.release} {many}?"
    goal = shown(plan.release) if plan.release else "what the ledger says"
    change = f"from {plan.previous} to {goal}" if plan.previous else f"to {goal}"
    return f"Roll back {plan.playbook} {many} {change}?"
