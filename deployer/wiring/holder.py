"""Who holds the lock of a playbook, and whether anybody is at work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from deployer.console.pages.lock import alive
from deployer.model.errors import DeployError
from deployer.model.ledger import lock_holder

if TYPE_CHECKING:
    from deployer.adapters.git.ledger import GitLedger
    from deployer.model.ledger import Entry, Intent, Sign
    from deployer.wiring.context import Context


def holder_of(context: Context) -> Intent | None:
    """Read the ledger now."""
    return lock_holder(context.ledger.read(), context.playbook.name, time.time())


def sign_of(ledger: GitLedger, entry: Intent) -> Sign | None:
    """The last sign of life of a deploy's owner; None for one that never shows any. Raises DeployError."""
    return ledger.sign_of(entry.alive) if entry.alive else None


def seen(ledger: GitLedger, entry: Intent) -> Sign | None:
    """The same; None, too, where that is not known now."""
    try:
        return sign_of(ledger, entry)
    except DeployError:
        return None


def lock_line(context: Context) -> tuple[str, tuple[Entry, ...], bool]:
    """Who holds the lock, or that git cannot say so in seconds; the chain; is its owner at work? What was put aside is
    written on the way, and told."""
    ledger, busy, lock = context.glance, False, "none"
    try:
        written = ledger.back_fill()
        chain, now = ledger.read(), time.time()
        holder = lock_holder(chain, context.playbook.name, now)
        if holder:
            sign = sign_of(ledger, holder)
            lock = f"deploy {holder.deploy} by {holder.who}, {alive(holder, sign, now)}"
            busy = sign is not None and sign.fresh(now)
    except DeployError as error:
        pending = len(context.memory.pending(context.environment))
        wait = f"; {pending} record(s) wait to be written" if pending else ""
        return f"lock: unknown: {error.message}{wait}", (), False
    late = f"; recorded late: {', '.join(e.deploy for e in written)}" if written else ""
    return f"lock: {lock}{late}", chain, busy


def give_back(context: Context, holder: Intent, by: str) -> None:
    """An OUTCOME closes the deploy: its DECISION is refused from now on."""
    from deployer.engine.deploy.lock import closing

    entry = closing(holder, by, "lock released by hand", time.time())
    context.ledger.append(entry, len(context.ledger.read()))
    context.ledger.forget(holder.alive)
