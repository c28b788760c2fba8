"""`deploy adopt`."""

from __future__ import annotations

import click

from deployer.commands.options import Options, shared


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
    from deployer.commands.context import build
    from deployer.commands.report import report
    from deployer.engine.adopt import adopt as run

    options.require_consent("adopt")
    context = build(options)
    if not options.yes:
        question = f"Put {context.playbook.dest} of {len(context.limit)} hosts in {context.environment} under deployer?"
        click.confirm(question, abort=True, err=True)
    with context.ports() as ports:
        context.ledger.back_fill()
        outcome = run(context.request(), ports, context.ledger)
    return report(options, context.runs, outcome)
