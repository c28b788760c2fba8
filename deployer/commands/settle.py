"""What `abort` and `confirm` share: ask, settle, close the deploy in the ledger."""

from __future__ import annotations

import click

from deployer.commands.options import Options


def run(options: Options, word: str) -> int:
    """abort or confirm whatever is pending."""
    from deployer.commands.context import build
    from deployer.commands.report import report
    from deployer.engine.record import close
    from deployer.engine.settle import abort, confirm

    options.require_consent(word)
    context = build(options)
    if not options.yes:
        question = f"{word.capitalize()} what is pending on {len(context.limit)} hosts in {context.environment}?"
        click.confirm(question, abort=True, err=True)
    with context.ports(plain=True) as ports:
        verb = abort if word == "abort" else confirm
        outcome, entries = verb(context.request(), ports, context.recall)
        for entry in entries:
            close(context.ledger, entry, ports)
    code = report(options, context.runs, outcome)
    return 0 if word == "abort" and outcome.result == "reverted" else code
