"""`deploy adopt`."""

from __future__ import annotations

import click

from deployer.console.say import say
from deployer.wiring.options import Options, shared


@click.command()
@shared()
def adopt(options: Options) -> int:
    """Take what is on the hosts today, hand edits included, as the first release. The service is not touched.

    \b
    Examples:
      deploy adopt nginx -e production
      deploy adopt nginx -e production -l web01 --yes
      deploy adopt varnish -e staging --json
    """
    from deployer.console.pages.adopting import told
    from deployer.engine.deploy.adopt import adopt as run
    from deployer.wiring.consent import sure
    from deployer.wiring.context import build
    from deployer.wiring.report import report

    options.require_consent("adopt")
    context = build(options)
    say(told("adopt", context.playbook.name, context.site(context.fleet.hosts[min(context.limit)]).layout), err=True)
    dest, many = context.playbook.dest, len(context.limit)
    sure(options, f"Put {dest} of {many} hosts in {context.environment} under deployer?")
    with context.ports() as ports:
        context.ledger.back_fill()
        outcome = run(context.request(), ports, context.ledger)
    return report(options, context.runs, outcome)
