"""`deploy rollback`: until the last host is back it has imported neither git, httpx, numpy nor rich."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from deployer.model.state import number_of
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.engine.deploy.target import Aim
    from deployer.engine.ports import Ports
    from deployer.model.ledger import Entry
    from deployer.model.plan import Plan
    from deployer.model.release import Package
    from deployer.wiring.context import Context


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
    from deployer.wiring.context import build
    from deployer.wiring.report import report

    options.require_consent("roll back")
    if to is not None and not ReleaseId(to).whole:
        raise UsageError(f"{to!r} is not a release", hint="deploy history lists them, such as 3f9c1e2aa0-9b1d22c4")
    context = build(options)
    with context.ports() as ports:
        further = partial(one_further, context, ports)
        consent = Consent(lambda plan: ask(options, plan), further)
        outcome, entries = run(
            context.request(),
            ports,
            to,
            consent,
            lambda wanted: packages(context, wanted),
            context.recall,
        )
        for entry in entries:
            record(context, ports, entry)
        if outcome.result != "unchanged":
            probe(context, ports)
    return report(options, context.runs, outcome)


def ask(options: Options, plan: Plan) -> bool:
    """One question, unless --yes."""
    from deployer.model.release import shown
    from deployer.wiring.consent import yes_to

    if options.yes:
        return True
    goal = shown(plan.release) if plan.release else "what the ledger says"
    change = f"from {plan.previous} to {goal}" if plan.previous else f"to {goal}"
    question = f"Roll back {plan.playbook} on {len(plan.hosts)} hosts in {plan.environment.upper()} {change}?"
    return yes_to(question)


def one_further(context: Context, ports: Ports, aim: Aim, apart: Sequence[str]) -> bool:
    """Every host that was read is back already, so git may be asked who did it; one step more is a person's word, never
    --yes. apart: the hosts that are not known to be there."""
    from deployer.model.errors import DeployError
    from deployer.model.events import Notice
    from deployer.model.ledger import stood
    from deployer.model.release import shown
    from deployer.wiring.consent import yes_to

    try:
        chain = context.glance.read()
    except DeployError as error:
        ports.emit(Notice("warning", f"who left the hosts where they are is not known: {error.message}"))
        chain = ()
    name = context.playbook.name
    by = next((e for e in reversed(chain) if e.playbook == name and number_of(e.deploy) == aim.number), None)
    who = f"deploy {by.deploy} by {by.who}, {when(by.at)}" if by else f"deploy {aim.number}" if aim.number else "that"
    hosts = f"every host but {', '.join(apart)}" if apart else "every host"
    ports.emit(Notice("info", f"{hosts} is on {shown(aim.release)}, where {who} left it"))
    if not aim.further or context.options.yes or not context.options.interactive:
        return False
    good = stood(chain, name, aim.further)
    span = f" (good {when(good[0])} to {when(good[1])})" if good else ""
    return yes_to(f"Go one further, to {shown(aim.further)}{span}?")


def when(epoch: float) -> str:
    """`Nov 29 04:12 UTC`."""
    return time.strftime("%b %d %H:%M UTC", time.gmtime(epoch))


def packages(context: Context, wanted: Mapping[str, str]) -> Mapping[str, Package]:
    """See revision.packages_of; git is imported only where a host lacks its release."""
    from deployer.wiring.revision import packages_of

    return packages_of(context, wanted)


def record(context: Context, ports: Ports, entry: Entry) -> None:
    """The ledger, best effort: what cannot be written now is written by the next command that reaches git."""
    from deployer.engine.deploy.record import close
    from deployer.model.errors import DeployError
    from deployer.model.events import Notice

    try:
        close(context.ledger, entry, ports)
    except DeployError as error:
        context.memory.put_aside(entry)
        ports.emit(Notice("warning", f"{error.message}; the rollback is recorded by the next command that reaches git"))


def probe(context: Context, ports: Ports) -> None:
    """The required probes once, for information: the hosts are back either way."""
    from deployer.adapters.measuring.probes import HttpProbes
    from deployer.model.errors import DeployError
    from deployer.model.events import Notice

    if ports.stop.asked():
        ports.emit(Notice("warning", "not probed: interrupted; the rollback itself is over"))
        return
    try:
        with HttpProbes(context.check) as probes:
            results = probes.once([host for host in context.hosts if host.name in context.limit])
    except DeployError as error:
        ports.emit(Notice("warning", f"not probed: {error.message}"))
        return
    bad = [f"{r.host} {r.probe}: {r.failure}" for r in results if r.failure and r.level == "required"]
    text = (
        f"required probes failing after the rollback: {'; '.join(bad)}" if bad else "required probes pass on every host"
    )
    ports.emit(Notice("alarm" if bad else "info", text))
