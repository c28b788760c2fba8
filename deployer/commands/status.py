"""`deploy status`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from deployer.console.say import say, say_json
from deployer.model.errors import EXIT_HUMAN, DeployError, HostError
from deployer.model.release import one_name, shown
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.model.ledger import Entry
    from deployer.model.state import HostState
    from deployer.wiring.context import Context


@click.command()
@shared(plain=True)
@click.option("--repair", is_flag=True, help="Bring hosts that missed a deploy to the release the ledger says.")
def status(options: Options, repair: bool) -> int:
    """Show the hosts as they are now, and the lock. Exit 0 when every host is verified on one release, else 4.

    \b
    Examples:
      deploy status
      deploy status nginx -e production --json
      deploy status --repair      # a host was unreachable in a push or rollback, and is back
    """
    from deployer.engine.deploy.repair import lagging
    from deployer.engine.survey import survey
    from deployer.model.desired import desired
    from deployer.wiring.context import build

    if repair:
        return mend(options)
    context = build(options)
    with context.ports() as ports:
        states = survey(ports, [host for host in context.hosts if host.name in context.limit])
    lock, chain, busy = ledger_line(context)
    behind = {} if busy else lagging(desired(chain, context.playbook.name), states)  # it is being changed right now
    releases = {one_name(s.current) for s in states.values() if not isinstance(s, HostError)}
    good = len(releases) == 1 and all(not isinstance(s, HostError) and verified(s) for s in states.values())
    if options.json:
        hosts = {n: {"error": str(s)} if isinstance(s, HostError) else asdict(s) for n, s in states.items()}
        words = {"environment": context.environment, "playbook": context.playbook.name, "verified": good, "lock": lock}
        say_json({**words, "lagging": behind, "hosts": hosts})
    else:
        names = ", ".join(shown(release) for release in sorted(releases)) or "no release"
        say(f"{context.environment}  {context.playbook.name}  {names}")
        for name, state in states.items():
            say(f"  {name:<24} {line(state)}" + (f"  should run {behind[name]}" if name in behind else ""))
        say(lock)
        if behind:
            say(options.repeating(f"hint: deploy status --repair brings {', '.join(behind)} there"))
    return 0 if good else EXIT_HUMAN


def mend(options: Options) -> int:
    """`--repair`: the walk, its record, the closing sentence."""
    from deployer.commands.rollback import ask, packages
    from deployer.engine.deploy.repair import repair
    from deployer.wiring.context import build
    from deployer.wiring.report import report

    options.require_consent("repair")
    context = build(options)
    with context.ports() as ports:
        context.ledger.back_fill()
        outcome = repair(
            context.request(),
            ports,
            context.ledger,
            lambda plan: ask(options, plan),
            lambda wanted: packages(context, wanted),
        )
    return report(options, context.runs, outcome)


def verified(state: HostState) -> bool:
    """Adopted, idle, undrifted, and the process has what the links say."""
    return state.adopted and state.verified_on(state.current) and not state.drift


def line(state: HostState | HostError) -> str:
    """One host in one line."""
    if isinstance(state, HostError):
        return f"unreachable  {state}"
    if not state.adopted:
        return f"not adopted ({state.dest})"
    words = [state.current]
    if state.in_flight:
        words.append(f"{state.phase}: deploy {state.deploy}, back to {state.good} in {state.left} s unless confirmed")
        words.append(f"watchdog {state.watchdog}")
    elif state.loaded != state.current:
        words.append(f"the process runs {state.loaded or 'something unproven'}")
    else:
        words.append("verified")
    if state.outcome == "reverted" and not state.in_flight and state.target != state.good:
        words.append(f"reverted deploy {state.deploy}")
    if state.drift:
        words.append(f"drift: {', '.join(state.drift[:8])}")
    if state.alarm:
        words.append(f"ALARM: {state.alarm}")
    return "  ".join(words)


def ledger_line(context: Context) -> tuple[str, tuple[Entry, ...], bool]:
    """Who holds the lock, or that git cannot say so in seconds; the chain; is its owner at work? What was put aside is
    written on the way."""
    import time

    from deployer.commands.lock import at_work, sign
    from deployer.model.ledger import lock_holder

    ledger, busy = context.glance, False
    chain: tuple[Entry, ...] = ()
    try:
        written = ledger.back_fill()
        chain = ledger.read()
        holder = lock_holder(chain, context.playbook.name, time.time())
        lock = f"deploy {holder.deploy} by {holder.who}, {sign(ledger, holder)}" if holder else "none"
        busy = holder is not None and at_work(ledger, holder)
    except DeployError as error:
        pending = len(context.memory.pending(context.environment))
        wait = f"; {pending} record(s) wait to be written" if pending else ""
        return f"lock: unknown: {error.message}{wait}", chain, False
    late = f"; recorded late: {', '.join(e.deploy for e in written)}" if written else ""
    return f"lock: {lock}{late}", chain, busy
