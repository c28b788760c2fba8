"""`deploy lock status` and `deploy lock release`."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from deployer.commands.options import Options, shared

if TYPE_CHECKING:
    from deployer.commands.context import Context
    from deployer.model.ledger import Entry


@click.group()
def lock() -> None:
    """Show or release the lock: the open, unexpired INTENT of a playbook.

    \b
    Examples:
      deploy lock status nginx -e production
      deploy lock release nginx -e production
      deploy lock status --json
    """


def holder_of(context: Context) -> Entry | None:
    """Read the ledger now."""
    from deployer.model.ledger import lock_holder

    return lock_holder(context.ledger.read(), context.playbook.name, time.time())


@lock.command()
@shared()
def status(options: Options) -> int:
    """Who holds the lock, since when, why, until when."""
    from deployer.adapters.runs import entry_to_json
    from deployer.commands.context import build

    context = build(options)
    holder = holder_of(context)
    if options.json:
        click.echo(json.dumps({"lock": entry_to_json(holder) if holder else None}))
    elif holder is None:
        click.echo("lock: none")
    else:
        now = time.time()
        since, left = int(now - holder.at), int(holder.expires - now)
        click.echo(f"lock: deploy {holder.deploy} by {holder.who} since {since} s, {left} s left")
    return 0


@lock.command()
@shared()
def release(options: Options) -> int:
    """Release a lock whose deploy is gone. What it left pending is reverted by the hosts, or by deploy abort."""
    from deployer.commands.context import build, operator

    options.require_consent("release the lock")
    context = build(options)
    holder = holder_of(context)
    if holder is not None:
        if not options.yes:
            click.confirm(f"Release the lock of deploy {holder.deploy} by {holder.who}?", abort=True, err=True)
        give_back(context, holder, operator())
    if options.json:
        click.echo(json.dumps({"released": holder.deploy if holder else None}))
    elif holder is None:
        click.echo("lock: none")
    else:
        click.echo(f"lock released: deploy {holder.deploy} can no longer commit")
    return 0


def give_back(context: Context, holder: Entry, by: str) -> None:
    """An OUTCOME closes the deploy: its DECISION is refused from now on."""
    closing = replace(holder, record="OUTCOME", result="released", who=by, at=time.time(), hosts={})
    entry = replace(closing, because=f"lock released by {by}")
    context.ledger.append(entry, len(context.ledger.read()))
