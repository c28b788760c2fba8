"""The end of a command: the run on disk, JSON or the closing sentence on stdout, the exit code."""

from __future__ import annotations

import json
import sys

import click

from deployer.adapters.runs import Runs
from deployer.commands.options import Options
from deployer.console.errors import fitted, width
from deployer.console.sentence import closing
from deployer.model.outcome import Outcome


def report(options: Options, runs: Runs, outcome: Outcome) -> int:
    """Say how it ended."""
    if outcome.deploy:
        runs.write_run(outcome.deploy, outcome.to_json())
    if options.json:
        click.echo(json.dumps(outcome.to_json()))
    else:
        click.echo(fitted(closing(outcome), width(sys.stdout)))
    return outcome.exit_code
