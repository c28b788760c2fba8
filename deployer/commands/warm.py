"""`deploy warm`."""

from __future__ import annotations

import click

from deployer.model.errors import UsageError
from deployer.wiring.options import Options, shared


@click.command()
@shared()
@click.option(
    "--urls", metavar="FILE", help="Paths, one a line, beside the playbook (instead of the playbook's warm:)."
)
@click.option("--top", metavar="N", type=click.IntRange(1, 99999), help="The N most requested of each host's own log.")
@click.option("--rate", metavar="N/s", help="Requests a second per host.")
def warm(options: Options, urls: str | None, top: int | None, rate: str | None) -> int:
    """Ask every host for the URLs of `warm:` until its cache answers most of them. Exit 1 when one stays cold.

    \b
    Examples:
      deploy warm nginx -e production
      deploy warm nginx -e production -l web01 --rate 20/s
      deploy warm nginx -e production --top 200
      deploy warm nginx -e production --urls top.txt --json
    """
    from deployer.console.pages.page import show
    from deployer.console.pages.warm import page
    from deployer.engine.warm import warm as run
    from deployer.wiring.context import build
    from deployer.wiring.warming import settings_for, urls_for, warmer_for

    if urls and top:
        raise UsageError("--urls and --top exclude each other", hint="pass one of them", consequence="nothing was sent")
    options.require_consent("warm")
    context = build(options)
    settings = settings_for(context.playbook, urls or "", top or 0, rate)
    wanted = urls_for(context, settings)
    with context.ports() as ports, warmer_for(context, settings) as warmer:
        results = run(ports, warmer, context.chosen, wanted, settings.until, lambda: "")
    return show(page(results), options.json)
