"""`deploy lock status` and `deploy lock release`."""

from __future__ import annotations

import time

import click

from deployer.wiring.options import Options, shared


@click.group()
def lock() -> None:
    """Show or release the lock: the open, unexpired INTENT of a playbook.

    \b
    Examples:
      deploy lock status nginx -e production
      deploy lock release nginx -e production
      deploy lock status --json
    """


@lock.command()
@shared()
def status(options: Options) -> int:
    """Who holds the lock, since when, why, until when."""
    from deployer.console.pages import lock as pages
    from deployer.console.pages.page import show
    from deployer.wiring.context import build
    from deployer.wiring.holder import holder_of, sign_of

    context = build(options)
    holder = holder_of(context)
    sign = sign_of(context.ledger, holder) if holder and not options.json else None
    return show(pages.status(holder, sign, time.time()), options.json)


@lock.command()
@shared()
def release(options: Options) -> int:
    """Release a lock whose deploy is gone. What it left pending is reverted by the hosts, or by deploy abort."""
    from deployer.console.pages import lock as pages
    from deployer.console.pages.page import show
    from deployer.wiring.consent import sure
    from deployer.wiring.context import build, operator
    from deployer.wiring.holder import give_back, holder_of

    options.require_consent("release the lock")
    context = build(options)
    holder = holder_of(context)
    if holder is not None:
        sure(options, f"Release the lock of deploy {holder.deploy} by {holder.who}?")
        give_back(context, holder, operator())
    return show(pages.released(holder), options.json)
