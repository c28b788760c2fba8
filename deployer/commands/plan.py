"""`deploy plan`."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.model.sh import sh
from deployer.wiring.options import Options, shared


@click.command()
@shared()
@click.option("-r", "--revision", default="HEAD", show_default=True, metavar="REV", help="Branch, tag or commit.")
@click.option("-o", "--out", metavar="FILE", help="Save the plan; push FILE applies exactly that or refuses.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
def plan(options: Options, revision: str, out: str | None, detailed_exitcode: bool) -> int:
    """Show who would get what, in which waves; change nothing.

    \b
    Examples:
      deploy plan nginx -e production
      deploy plan nginx -e production -r v1.4 -o plan.json
      deploy plan nginx -e production --detailed-exitcode
    """
    from deployer.adapters.local.plan_file import write_plan
    from deployer.console.pages.page import show
    from deployer.console.pages.plan import Beside, page
    from deployer.wiring.context import build
    from deployer.wiring.forecast import duration, evidence
    from deployer.wiring.planning import planned
    from deployer.wiring.revision import diff

    context = build(options)
    release, found, forecast, visitors = planned(context, revision)
    if out:
        write_plan(Path(out), found)
    took = duration(context, found, forecast, visitors)
    beside = Beside(release.subject, diff(context, found), evidence(forecast), took, next_step(options, revision))
    return show(page(found, beside, forecast.to_json(), detailed_exitcode), options.json)


def next_step(options: Options, revision: str) -> str:
    """The push of what was planned: the same hosts, the same revision."""
    return options.repeating("deploy push") + ("" if revision == "HEAD" else sh(" -r {}", revision))
