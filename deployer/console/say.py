"""The one way in which a command prints."""

from __future__ import annotations

import click


def say(text: str, err: bool = False, end: str = "\n") -> None:
    """Print and flush. The streams see to what happens where nobody reads (console/hiding.py)."""
    click.echo(f"{text}{end}", err=err, nl=False)
