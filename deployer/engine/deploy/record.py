"""Write down what happened. The lock, the decision and the outcome are records of one chain."""

from __future__ import annotations

from typing import Any, Literal

from deployer.engine.deploy.bake import longest, window
from deployer.engine.deploy.ending import Ending
from deployer.engine.deploy.request import Request
from deployer.engine.ports import Ledger, Ports
from deployer.model.errors import DeployError, LedgerMoved, LedgerUnavailable, LockClosed
from deployer.model.events import Notice, Recorded
from deployer.model.ledger import Command, Decision, Ended, Entry, Intent, R, closed_by
from deployer.model.plan import Plan

TRIES = 20  # other playbooks of the environment append to the same chain
LATER = "the outcome is recorded by the next command that reaches git"
MARGIN = 600.0  # seconds beyond what a deploy must take
PER_HOST = 10.0  # seconds: hosts are worked on one after the other in the worst case


def record_of(
    kind: type[R], request: Request, deploy: str, command: Command, release: str, at: float, **more: Any
) -> R:
    """Of a deploy of `request`. more: the fields of `kind` beyond these."""
    where = request.environment, request.playbook.name
    return kind(deploy, *where, command, release, request.who, at, **more)


def of_plan(kind: type[R], request: Request, plan: Plan, deploy: str, at: float, **more: Any) -> R:
    """The same of a plan."""
    return record_of(kind, request, deploy, plan.command, plan.release, at, previous=plan.previous, **more)


def intent(request: Request, plan: Plan, deploy: str, ports: Ports, hosts: dict[str, str], alive: str) -> Intent:
    """The INTENT of `plan`: while it is open and unexpired it is the lock. alive: see Intent."""
    at = ports.clock.now()
    return of_plan(
        Intent,
        request,
        plan,
        deploy,
        at,
        revision=plan.revision,
        why=request.why,
        expires=at + window(plan.bake) + longest_deploy(plan),
        hosts=hosts,
        alive=alive,
    )


def longest_deploy(plan: Plan) -> float:
    """Seconds after which no deploy of `plan` is at work any more: its lock ends, and no renewal keeps a host."""
    waves = len(plan.waves) * (longest(plan.bake) + 2 * plan.lease)
    return waves + len(plan.hosts) * PER_HOST + MARGIN


def append(ledger: Ledger, entry: Entry, ports: Ports) -> Entry:
    """Append wherever the chain ends now. Raises LedgerUnavailable, or LedgerMoved after many tries; a DECISION
    is refused when somebody closed our INTENT meanwhile."""
    for _ in range(TRIES):
        chain = ledger.read()
        if isinstance(entry, Decision):
            refuse_closed(chain, entry)
        try:
            written = ledger.append(entry, len(chain))
        except LedgerMoved:
            continue
        ports.emit(Recorded(entry.record, written.number))
        return written
    raise LedgerMoved(f"cannot append to the ledger: it moved {TRIES} times in a row")


def refuse_closed(chain: tuple[Entry, ...], entry: Decision) -> None:
    """The INTENT behind `entry` must be open."""
    if reason := closed_by(chain, entry.deploy):
        raise LockClosed(reason)


def decision(request: Request, plan: Plan, deploy: str, result: str, at: float) -> Decision:
    """commit or abort."""
    return of_plan(Decision, request, plan, deploy, at, result=result)


def outcome_entry(request: Request, plan: Plan, deploy: str, ending: Ending, at: float) -> Ended:
    """What each host said it runs at the end. verdict `failed` marks a release that is to blame without a gate."""
    return of_plan(
        Ended,
        request,
        plan,
        deploy,
        at,
        revision=plan.revision,
        result=ending.result,
        because=ending.because or (ending.verdict.because if ending.verdict else ""),
        verdict=ending.verdict.ruling if ending.verdict else ("failed" if ending.fault else ""),
        hosts={name: end.release for name, end in ending.hosts.items()},
    )


def close(ledger: Ledger, entry: Entry, ports: Ports) -> None:
    """Append an OUTCOME; where that cannot be done it is put aside for the next command that can. The hosts are what
    they are by now: no fault of the ledger, a rewritten one included, changes how the deploy ended."""
    try:
        append(ledger, entry, ports)
    except (LedgerUnavailable, LedgerMoved) as error:
        put_aside(ledger, entry, ports, "warning", f"{error.message}; {LATER}")
    except DeployError as error:
        todo = f"; {error.hint}" if error.hint else ""
        put_aside(ledger, entry, ports, "alarm", f"{error.message}; the outcome is kept here until it can be{todo}")
    except Exception as error:  # a full disk of ours, or a bug: who was stranded must be heard all the same
        put_aside(ledger, entry, ports, "alarm", f"cannot write the ledger: {type(error).__name__}: {error}; {LATER}")
    except BaseException:  # whoever is thrown out here still leaves a record
        ledger.put_aside(entry)
        raise


def put_aside(ledger: Ledger, entry: Entry, ports: Ports, level: Literal["warning", "alarm"], text: str) -> None:
    """Keep the record on this machine and say so."""
    ledger.put_aside(entry)
    ports.emit(Recorded(entry.record, 0, pending=True))
    ports.emit(Notice(level, text))
