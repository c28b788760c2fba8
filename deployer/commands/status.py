"""`deploy status`."""

from __future__ import annotations

from functools import partial

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared(plain=True)
@click.option("--repair", is_flag=True, help="Bring hosts that missed a deploy to the release the ledger says.")
def status(options: Options, repair: bool) -> int:
    """Show the hosts as they are now, and the lock. Exit 0 when every host is verified on one release, else 4.

    \b
    Examples:
      deploy status
      deploy status nginx -e production --json
      deploy status --repair      # a host was unreachable in a push or rollback, and is back
    """
    from deployer.console.pages.page import show
    from deployer.console.pages.status import page
    from deployer.engine.standing import standing
    from deployer.engine.survey import survey
    from deployer.wiring.context import build
    from deployer.wiring.holder import lock_line

    if repair:
        return mend(options)
    context = build(options)
    name = context.playbook.name
    with context.ports() as ports:
        states = survey(ports, context.chosen)
    lock, chain, busy = lock_line(context)
    found = standing(states, chain, name, busy)
    hint = options.repeating(f"hint: deploy status --repair brings {', '.join(found.lagging)} there")
    return show(page(context.environment, name, found, lock, hint), options.json)


def mend(options: Options) -> int:
    """`--repair`: the walk, its record, the closing sentence."""
    from deployer.engine.deploy.repair import repair
    from deployer.wiring.consent import approve
    from deployer.wiring.context import build
    from deployer.wiring.report import report
    from deployer.wiring.revision import packages_of

    options.require_consent("repair")
    context = build(options)
    with context.ports() as ports:
        context.ledger.back_fill()
        outcome = repair(
            context.request(),
            ports,
            context.ledger,
            partial(approve, options),
            partial(packages_of, context),
        )
    return report(options, context.runs, outcome)
