"""`deploy unadopt`."""

from __future__ import annotations

import click

from deployer.console.say import say
from deployer.wiring.options import Options, shared


@click.command()
@shared()
def unadopt(options: Options) -> int:
    """Give back what deploy adopt took: a plain directory with what is live. The service is not touched.

    Where nothing was deployed since (or all was rolled back) it is the very directory that was there before: content,
    modes, owners, times and links. Else it has what is live now, and what did not change is as it was before.

    \b
    Examples:
      deploy unadopt nginx -e production
      deploy unadopt nginx -e production -l web01 --yes
      deploy unadopt varnish -e staging --json
    """
    from deployer.console.pages.adopting import told
    from deployer.engine.deploy.unadopt import unadopt as run
    from deployer.wiring.consent import sure
    from deployer.wiring.context import build
    from deployer.wiring.report import report

    options.require_consent("unadopt")
    context = build(options)
    say(told("unadopt", context.playbook.name, context.site(context.fleet.hosts[min(context.limit)]).layout), err=True)
    sure(options, f"Do this on {len(context.limit)} hosts in {context.environment}?")
    with context.ports() as ports:
        context.ledger.back_fill()
        outcome = run(context.request(), ports, context.ledger)
    return report(options, context.runs, outcome)
