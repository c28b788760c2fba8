"""`deploy push`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared()
@click.option("-r", "--revision", default="HEAD", show_default=True, metavar="REV", help="Branch, tag or commit.")
@click.option("-m", "--message", default="", metavar="WHY", help="Why; kept in the ledger.")
@click.option("--allow-quarantined", is_flag=True, help="Push a release that was reverted before.")
@click.option("--allow-exec", is_flag=True, help="Let health checks run commands here (exec: on: deployer).")
def push(options: Options, revision: str, message: str, allow_quarantined: bool, allow_exec: bool) -> int:
    """Bring a git revision to the fleet: stage and check everywhere, then wave by wave; undo what regresses.

    \b
    Examples:
      deploy push nginx -e production
      deploy push nginx -e production -r v1.4 -m "longer TTLs" --yes
      deploy plan nginx -o plan.json && deploy push plan.json
    """
    from deployer.adapters.local.plan_file import read_plan
    from deployer.wiring.context import build
    from deployer.wiring.given import refuse_contradiction
    from deployer.wiring.pushing import Wish, pushed
    from deployer.wiring.report import report

    options.require_consent("push")
    saved = None
    if options.playbook and options.playbook.endswith(".json"):
        saved = read_plan(Path(options.playbook))
        refuse_contradiction(options.playbook, revision=saved.revision, environment=saved.environment)
        options = replace(options, playbook=saved.playbook, environment=saved.environment)
        revision = saved.revision
    context = build(options)
    outcome = pushed(context, Wish(revision, message, allow_quarantined, allow_exec, saved))
    return report(options, context.runs, outcome)
