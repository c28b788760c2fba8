"""`deploy lock status` and `deploy lock release`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from deployer.console.say import say, say_json
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.adapters.git.ledger import GitLedger
    from deployer.model.ledger import Entry
    from deployer.wiring.context import Context


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
    from deployer.adapters.local.runs import entry_to_json
    from deployer.wiring.context import build

    context = build(options)
    holder = holder_of(context)
    if options.json:
        say_json({"lock": entry_to_json(holder) if holder else None})
    elif holder is None:
        say("lock: none")
    else:
        since = int(time.time() - holder.at)
        say(f"lock: deploy {holder.deploy} by {holder.who} since {since} s, {sign(context.ledger, holder)}")
    return 0


SILENT = 60.0  # seconds without a sign of life after which nobody is believed to be at work


def at_work(ledger: GitLedger, holder: Entry) -> bool:
    """Did its owner show a sign of life lately?"""
    seen = ledger.sign_of(holder.alive) if holder.alive else None
    return bool(seen and seen.mark and time.time() - seen.at < SILENT)


def sign(ledger: GitLedger, holder: Entry) -> str:
    """When its owner was last seen alive, or when the lock ends by itself."""
    if not holder.alive:
        return f"{int(holder.expires - time.time())} s left"
    seen = ledger.sign_of(holder.alive)
    return (
        f"seen alive {int(time.time() - seen.at)} s ago" if seen.mark else "its owner has gone: the next push takes it"
    )


@lock.command()
@shared()
def release(options: Options) -> int:
    """Release a lock whose deploy is gone. What it left pending is reverted by the hosts, or by deploy abort."""
    from deployer.wiring.consent import forget_typed
    from deployer.wiring.context import build, operator

    options.require_consent("release the lock")
    context = build(options)
    holder = holder_of(context)
    if holder is not None:
        if not options.yes:
            forget_typed()
            click.confirm(f"Release the lock of deploy {holder.deploy} by {holder.who}?", abort=True, err=True)
        give_back(context, holder, operator())
    if options.json:
        say_json({"released": holder.deploy if holder else None})
    elif holder is None:
        say("lock: none")
    else:
        say(f"lock released: deploy {holder.deploy} can no longer commit")
    return 0


def give_back(context: Context, holder: Entry, by: str) -> None:
    """An OUTCOME closes the deploy: its DECISION is refused from now on."""
    from deployer.engine.deploy.lock import closing

    entry = closing(holder, by, "lock released by hand", time.time())
    context.ledger.append(entry, len(context.ledger.read()))
    context.ledger.forget(holder.alive)
