"""The end of a command: the run on disk, JSON or the closing sentence on stdout, the exit code."""

from __future__ import annotations

import sys
from dataclasses import replace

from deployer.adapters.local.runs import Runs
from deployer.console.errors import width
from deployer.console.pages.closing import page
from deployer.console.pages.page import show
from deployer.model.outcome import Outcome
from deployer.wiring.options import Options


def report(options: Options, runs: Runs, outcome: Outcome) -> int:
    """Say how it ended."""
    outcome = replace(outcome, hint=options.repeating(outcome.hint))
    if outcome.deploy:
        runs.write_run(outcome.deploy, outcome.to_json())
    code = show(page(outcome, width(sys.stdout)), options.json)
    options.finish(outcome)
    return code
