"""`deploy history`."""

from __future__ import annotations

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared()
@click.option("-n", "--count", type=click.IntRange(1, 10000), default=20, show_default=True, help="Newest so many.")
def history(options: Options, count: int) -> int:
    """List what happened and what is under way, newest first, from the ledger. `deploy show ID` has all of one.

    \b
    Examples:
      deploy history
      deploy history nginx -e production -n 50
      deploy history --json
    """
    import time

    from deployer.console.pages.history import page
    from deployer.console.pages.page import show
    from deployer.model.ledger import Intent
    from deployer.model.past import rows
    from deployer.wiring.context import build
    from deployer.wiring.holder import seen

    context = build(options)
    ledger, name = context.ledger, context.playbook.name
    found = rows(ledger.read(), name)[-count:]
    signs = {row.entry.deploy: seen(ledger, row.entry) for row in found if isinstance(row.entry, Intent)}
    return show(page(context.environment, name, found, signs, time.time()), options.json)
