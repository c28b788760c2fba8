"""A question to a person while a deploy is under way."""

from __future__ import annotations

import click

from deployer.adapters.signals import SIGNALS


def yes_to(question: str) -> bool:
    """A Ctrl-C at it, and an end of input, are no answer: no. The Ctrl-C is counted, and the engine looks at it."""
    try:
        with SIGNALS.throwing():
            return click.confirm(question, default=False, err=True)
    except (click.Abort, KeyboardInterrupt):
        return False
