"""A question to a person while a deploy is under way."""

from __future__ import annotations

import sys
import termios

import click

from deployer.adapters.signals import SIGNALS


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
