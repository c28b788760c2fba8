"""The one way in which a command prints. What it says may come from a commit, a ledger or a host: nothing of
it is obeyed by a terminal or by a CI service. The streams see to secrets, and to what happens where nobody reads
(console/hiding.py).
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata

import click

from deployer.model.secret import hide_all

WORKFLOW = re.compile(r"^(\s*):(?=:)", re.MULTILINE)  # GitHub takes such a line for a command; `##[` anywhere


def clean(text: str) -> str:
    """Text without control characters: C0, C1, DEL, and what turns the direction of writing or is not seen."""
    kept = "".join(c if c.isprintable() or c in "\n\t" else instead(c) for c in text)
    return WORKFLOW.sub(r"\1: ", kept).replace("##[", "## [")


def instead(character: str) -> str:
    """A blank for a blank of another width, else a question mark."""
    return " " if unicodedata.category(character) == "Zs" else "?"


def one_line(text: str) -> str:
    """The same in one line."""
    return clean(" ".join(text.split("\n")))


def say(text: str, err: bool = False, end: str = "\n", styled: bool = False) -> None:
    """Print and flush. styled: the text holds control sequences of our own, around what was cleaned."""
    click.echo(f"{text if styled else clean(text)}{end}", err=err, nl=False)


def say_json(body: object) -> None:
    """One JSON object on stdout, its texts without the secrets; whole, whatever a secret looks like."""
    write = getattr(sys.stdout, "exact", sys.stdout.write)
    write(json.dumps(hide_all(body)) + "\n")
    sys.stdout.flush()
