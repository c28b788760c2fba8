"""`deploy rollback`: until the last host is back it has imported neither git, httpx, numpy nor rich."""

from __future__ import annotations

from functools import partial

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared(plain=True)
@click.option("--to", metavar="RELEASE", help="This release instead of the last good one (deploy history lists them).")
def rollback(options: Options, to: str | None) -> int:
    """Bring every host to the last good release; prove it; then probe and record. Needs SSH and nothing else.

    \b
    Examples:
      deploy rollback
      deploy rollback nginx -e production --yes
      deploy rollback nginx --to 3f9c1e2aa0-9b1d22c4
    """
    from deployer.engine.deploy.rollback import Consent
    from deployer.engine.deploy.rollback import rollback as run
    from deployer.model.errors import UsageError
    from deployer.model.release import ReleaseId
    from deployer.wiring.afterwards import one_further, probe, record
    from deployer.wiring.consent import approve
    from deployer.wiring.context import build
    from deployer.wiring.report import report
    from deployer.wiring.revision import packages_of

    options.require_consent("roll back")
    if to is not None and not ReleaseId(to).whole:
        raise UsageError(f"{to!r} is not a release", hint="deploy history lists them, such as 3f9c1e2aa0-9b1d22c4")
    context = build(options)
    with context.ports() as ports:
        consent = Consent(partial(approve, options), partial(one_further, context, ports))
        outcome, entries = run(context.request(), ports, to, consent, partial(packages_of, context), context.recall)
        for entry in entries:
            record(context, ports, entry)
        if outcome.result != "unchanged":
            probe(context, ports)
    return report(options, context.runs, outcome)
