"""`deploy history`."""

from __future__ import annotations

import time

import click

from deployer.commands.options import Options, shared
from deployer.console.say import say, say_json


@click.command()
@shared()
@click.option("-n", "--count", type=click.IntRange(1, 10000), default=20, show_default=True, help="Newest so many.")
def history(options: Options, count: int) -> int:
    """List what happened, newest first, from the ledger. `deploy show ID` has all of one.

    \b
    Examples:
      deploy history
      deploy history nginx -e production -n 50
      deploy history --json
    """
    from deployer.adapters.runs import entry_to_json
    from deployer.commands.context import build
    from deployer.model.verdict import first_clause

    context = build(options)
    name = context.playbook.name
    entries = [e for e in context.ledger.read() if e.record == "OUTCOME" and e.playbook == name][-count:]
    if options.json:
        say_json({"environment": context.environment, "deploys": [entry_to_json(e) for e in entries]})
        return 0
    for entry in reversed(entries):
        when = time.strftime("%b %d %H:%M", time.localtime(entry.at))
        first = f"{entry.deploy:<10} {when}  {entry.command:<8} {entry.result:<11} {entry.release or '-':<20}"
        say(f"{first} {entry.who}  {first_clause(entry.because)}".rstrip())
    if not entries:
        say(f"nothing has happened to {name} in {context.environment} yet")
    return 0
