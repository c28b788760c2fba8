"""The lock is an open INTENT. Its owner shows signs of life; a dead one's lock is taken from it without a person, a
live one never loses it: not by a wrong clock (what counts is whether its signs change while we look), and not while
hosts still hold its change. A host that alone says so is believed for one lease beyond the owner's silence: a live
owner whose lock is taken then cannot decide, and goes back.
"""

from __future__ import annotations

from deployer.engine.deploy.record import append
from deployer.engine.deploy.request import Request
from deployer.engine.fanout import heed, successes
from deployer.engine.ports import Ledger, Ports
from deployer.engine.survey import survey
from deployer.model.errors import LockedError
from deployer.model.events import Notice, Phase
from deployer.model.ledger import HEARTBEAT, Ended, Entry, Intent, lock_holder, same_deploy
from deployer.model.quorum import needed
from deployer.model.state import HostState

SILENT = 30.0  # seconds beyond confirm_timeout without a sign of life after which an owner may be dead
LOOK = 2.5 * HEARTBEAT  # seconds in which a live owner shows another one


def free_lock(request: Request, ports: Ports, ledger: Ledger) -> tuple[Entry, ...]:
    """The chain, on which nobody holds the lock of the request's playbook: the lock of a dead owner is closed first.

    Raises LockedError naming the holder, since when, why and until when."""
    chain = ledger.read()
    holder = lock_holder(chain, request.playbook.name, ports.clock.now())
    if holder is None:
        return chain
    if why := held(holder, request, ports, ledger):
        raise locked(holder, why, ports.clock.now())
    because = f"its owner {holder.who} gave no sign of life; closed by {request.who}"
    ports.emit(Notice("warning", f"taking over the lock of deploy {holder.deploy}: {because}"))
    append(ledger, closing(holder, request.who, because, ports.clock.now()), ports)
    ledger.forget(holder.alive)
    return ledger.read()


def held(holder: Intent, request: Request, ports: Ports, ledger: Ledger) -> str:
    """How we know that the owner of an open INTENT lives, or may; "" when it is dead. An owner that shows no signs at
    all may always live."""
    if not holder.alive:
        return f"the lock ends by itself in {int(holder.expires - ports.clock.now())} s"
    before = ledger.sign_of(holder.alive)
    age = ports.clock.now() - before.at
    limit = request.playbook.confirm_timeout + SILENT
    if 0 <= age < limit:
        return f"seen alive {int(age)} s ago"
    text = f"deploy {holder.deploy} by {holder.who} holds the lock: looking for a sign of life for {LOOK:.0f} s"
    ports.emit(Phase("lock", text))
    ports.clock.sleep(LOOK)
    heed(ports)  # a look that was cut short has seen nothing
    if ledger.sign_of(holder.alive).mark != before.mark:
        return "it is alive, though its clock and this one differ"
    states = successes(survey(ports, request.hosts))
    lease = request.playbook.confirm_timeout
    pending = {name: min(state.left, int(lease)) for name, state in states.items() if holds(holder, name, state)}
    if not pending or (len(pending) < needed(len(states)) and age >= limit + lease):
        return ""
    return f"{', '.join(sorted(pending))} still held by it, for at most {max(pending.values())} s"


def holds(holder: Intent, name: str, state: HostState) -> bool:
    """Does this host say that it has the very change of `holder`, and was it to have it?"""
    return state.in_flight and (state.deploy, state.target) == (holder.deploy, holder.release) and name in holder.hosts


def locked(holder: Intent, why: str, now: float) -> LockedError:
    """What the loser is told."""
    reason = f" ({holder.why})" if holder.why else ""
    return LockedError(
        f"cannot deploy {holder.playbook} on {holder.environment}: deploy {holder.deploy} by {holder.who} holds the "
        f"lock since {int(now - holder.at)} s{reason}: {why}",
        hint="wait for it, or run deploy lock release",
    )


def closing(holder: Intent, by: str, because: str, at: float) -> Ended:
    """The OUTCOME that closes somebody else's INTENT: its DECISION is refused from now on."""
    return same_deploy(Ended, holder, who=by, at=at, result="released", because=because)
