"""`deploy history`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from deployer.commands.lock import SILENT
from deployer.console.say import say, say_json
from deployer.model.errors import DeployError
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.adapters.git.ledger import GitLedger
    from deployer.model.ledger import Entry, Sign
    from deployer.model.past import Row


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
    from deployer.model.past import rows
    from deployer.wiring.context import build

    context = build(options)
    name = context.playbook.name
    found = rows(context.ledger.read(), name)[-count:]
    if options.json:
        deploys = [row_json(row, context.ledger) for row in found]
        say_json({"environment": context.environment, "deploys": deploys})
        return 0
    for row in reversed(found):
        entry = row.entry
        result = "open" if row.open else entry.result
        because = under_way(entry, seen(context.ledger, entry)) if row.open else because_of(row)
        first = f"{entry.deploy:<10} {when(entry.at)}  {entry.command:<8} {result:<11} {entry.release or '-':<20}"
        say(f"{first} {entry.who}  {because}".rstrip())
    if not found:
        say(f"nothing has happened to {name} in {context.environment} yet")
    return 0


def when(epoch: float) -> str:
    """`Nov 29 14:03`, by the clock of this machine."""
    return time.strftime("%b %d %H:%M", time.localtime(epoch))


def because_of(row: Row) -> str:
    """Why it ended so, and who else closed it; why they did so, unless that is said already."""
    if row.closed is None:
        return row.entry.because
    why = "" if row.closed.because in row.entry.because else f": {row.closed.because}"
    return f"{row.entry.because} (closed by {row.closed.who} at {when(row.closed.at)}{why})".lstrip()


def seen(ledger: GitLedger, entry: Entry) -> Sign | None:
    """The last sign of life of an open deploy's owner; None where that is not known now, or it shows none."""
    try:
        return ledger.sign_of(entry.alive) if entry.alive else None
    except DeployError:
        return None


def under_way(entry: Entry, sign: Sign | None) -> str:
    """Of a deploy without an end: is anybody at work?"""
    now = time.time()
    if sign and sign.mark and now - sign.at < SILENT:
        return f"under way since {when(entry.at)}, seen alive {max(0, int(now - sign.at))} s ago"
    if sign and sign.mark:
        return f"owner silent since {when(sign.at)}"
    if sign or now > entry.expires:
        return f"owner silent: it began at {when(entry.at)} and wrote down no end"
    return f"under way since {when(entry.at)}; whether its owner lives is not known"


def row_json(row: Row, ledger: GitLedger) -> dict[str, object]:
    """The record, and: `closed`, somebody else's; `seen`, of an open one: when its owner last showed that it lives."""
    from deployer.adapters.local.runs import entry_to_json

    sign = seen(ledger, row.entry) if row.open else None
    return {
        **entry_to_json(row.entry),
        "open": row.open,
        "seen": sign.at if sign and sign.mark else None,
        "closed": entry_to_json(row.closed) if row.closed else None,
    }
