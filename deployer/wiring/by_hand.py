"""What `abort` and `confirm` share: ask, settle, close the deploy in the ledger."""

from __future__ import annotations

from typing import Literal

from deployer.wiring.options import Options


def run(options: Options, word: Literal["abort", "confirm"]) -> int:
    """abort or confirm whatever is pending."""
    from deployer.engine.deploy.by_hand import abort, confirm
    from deployer.engine.deploy.record import close
    from deployer.wiring.consent import sure
    from deployer.wiring.context import build
    from deployer.wiring.report import report

    options.require_consent(word)
    context = build(options)
    sure(options, f"{word.capitalize()} what is pending on {len(context.limit)} hosts in {context.environment}?")
    with context.ports() as ports:
        verb = abort if word == "abort" else confirm
        outcome, entries = verb(context.request(), ports, context.recall)
        for entry in entries:
            close(context.ledger, entry, ports)
    code = report(options, context.runs, outcome)
    return 0 if word == "abort" and outcome.result == "reverted" else code
