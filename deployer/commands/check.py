"""`deploy check`."""

from __future__ import annotations

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared()
def check(options: Options) -> int:
    """Ask once for all that a push is judged by: probes, logs, figures; change nothing. Exit 1 when some is missing.

    \b
    Examples:
      deploy check
      deploy check nginx -e production
      deploy check nginx -e production -l web01 --json
    """
    from deployer.console.pages.check import page
    from deployer.console.pages.page import show
    from deployer.model.missing import fold
    from deployer.wiring.context import build
    from deployer.wiring.evidence import evidence_there

    context = build(options)
    said: list[str] = []
    try:
        evidence = evidence_there(context, context.chosen, said.append)
        with evidence.probes:
            found = evidence.ready.missing(context.chosen)
    finally:
        context.transport.close()
    warned, ready = fold((*said, *found.warned), context.fleet.hosts), evidence.ready
    return show(page(ready.results, ready.place, found.refused, warned, ready.failing()), options.json)
