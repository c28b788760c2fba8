"""A command's words, where perhaps nobody reads any more (a closed pipe, a terminal that is gone): what was done, and
the exit code that says so, do not depend on it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click


def say(text: str, err: bool = False, end: str = "\n") -> None:
    """Print and flush."""
    try:
        click.echo(f"{text}{end}", err=err, nl=False)
    except (OSError, ValueError):  # ValueError: a closed file
        nobody_reads(sys.stderr if err else sys.stdout)


def nobody_reads(stream: TextIO) -> None:
    """From now on to nowhere, so that the interpreter's own last flush does not fail, either."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
