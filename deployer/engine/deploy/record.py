"""Write down what happened. The lock, the decision and the outcome are records of one chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from deployer.engine.deploy.bake import longest, window
from deployer.engine.deploy.request import Request
from deployer.engine.deploy.rollout import Ending
from deployer.engine.ports import Ledger, Ports
from deployer.model.errors import DeployError, LedgerMoved, LedgerUnavailable, LockClosed
from deployer.model.events import Notice, Recorded
from deployer.model.ledger import Entry, closed_by
from deployer.model.plan import Plan

TRIES = 20  # other playbooks of the environment append to the same chain
LATER = "the outcome is recorded by the next command that reaches git"
MARGIN = 600.0  # seconds beyond what a deploy must take
PER_HOST = 10.0  # seconds: hosts are worked on one after the other in the worst case


def intent(request: Request, plan: Plan, deploy: str, ports: Ports, hosts: dict[str, str], alive: str) -> Entry:
    """The INTENT of `plan`: while it is open and unexpired it is the lock. alive: see Entry."""
    at = ports.clock.now()
    return Entry(
        record="INTENT",
        deploy=deploy,
        environment=plan.environment,
        playbook=plan.playbook,
        command=plan.command,
        release=plan.release,
        previous=plan.previous,
        revision=plan.revision,
        who=request.who,
        why=request.why,
        at=at,
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
        if entry.record == "DECISION":
            refuse_closed(chain, entry)
        try:
            written = ledger.append(entry, len(chain))
        except LedgerMoved:
            continue
        ports.emit(Recorded(entry.record, written.number))
        return written
    raise LedgerMoved(f"cannot append to the ledger: it moved {TRIES} times in a row")


def refuse_closed(chain: tuple[Entry, ...], entry: Entry) -> None:
    """The INTENT behind `entry` must be open."""
    if reason := closed_by(chain, entry.deploy):
        raise LockClosed(reason)


def decision(request: Request, plan: Plan, deploy: str, result: str, at: float) -> Entry:
    """commit or abort."""
    return Entry(
        record="DECISION",
        deploy=deploy,
        environment=plan.environment,
        playbook=plan.playbook,
        command=plan.command,
        release=plan.release,
        previous=plan.previous,
        who=request.who,
        at=at,
        result=result,
    )


def outcome_entry(request: Request, plan: Plan, deploy: str, ending: Ending, at: float) -> Entry:
    """What each host said it runs at the end. verdict `failed` marks a release that is to blame without a gate."""
    ruling = ending.verdict.ruling if ending.verdict else ("failed" if ending.fault else "")
    return replace(
        decision(request, plan, deploy, ending.result, at),
        record="OUTCOME",
        revision=plan.revision,
        because=ending.because or (ending.verdict.because if ending.verdict else ""),
        verdict=ruling,
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
