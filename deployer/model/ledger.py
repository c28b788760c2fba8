"""The records of a chain and what follows from them: who holds the lock, what is quarantined, what stood when.

Pure: the chain comes in as a tuple, oldest first. INTENT, DECISION and OUTCOME are three separate facts about
one deploy; the number of its INTENT is the deploy's fencing token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, ClassVar, Literal, TypeVar

from deployer.model.quorum import agreed, of_the_fleet
from deployer.model.release import one_name
from deployer.model.state import Confirmed, number_of

LATE = 50  # records that hosts are believed to have missed at once; the newest
HEARTBEAT = 10.0  # seconds between two signs of life of whoever holds the lock
FRESH = 60.0  # seconds: an owner whose last sign of life is older is not believed to be at work
ENDED = ("deployed", "stranded", "reverted")  # results of an OUTCOME that say something about releases
LOST = re.compile(r"[\w., -]+ (?:did not answer for \d+ s|refused its lease renewal: )")
Record = Literal["INTENT", "DECISION", "OUTCOME"]
Command = Literal["push", "rollback", "adopt"]


@dataclass(frozen=True, slots=True)
class Head:
    """What every record says. deploy: `<number of INTENT>-<nonce>`. at: seconds since the epoch. number: position in
    the chain, from 1 (0 before it is appended). previous, revision, why, expires: of the deploy, where they are known;
    an INTENT is the lock until `expires` (seconds since the epoch)."""

    record: ClassVar[Record]
    deploy: str
    environment: str
    playbook: str
    command: Command
    release: str
    who: str
    at: float
    number: int = 0
    previous: str = ""
    revision: str = ""
    why: str = ""
    expires: float = 0.0


@dataclass(frozen=True, slots=True)
class Intent(Head):
    """What is about to be done. hosts: name -> the release it shall run. alive: the name under which its owner shows
    signs of life ("": none, its lock ends by time)."""

    record: ClassVar[Record] = "INTENT"
    hosts: Mapping[str, str] = field(default_factory=dict)
    alive: str = ""


@dataclass(frozen=True, slots=True)
class Decision(Head):
    """There is no way back from here. result: `commit` or `abort`."""

    record: ClassVar[Record] = "DECISION"
    result: str = ""


@dataclass(frozen=True, slots=True)
class Ended(Head):
    """The OUTCOME. result: of the closing JSON object; `released` where somebody took the lock away. An unadoption is
    one of `adopt` with the result `unadopted`: versions that do not know it refuse other words of command, and with
    them the chain. verdict: the gate's, or `failed` for a release that is to blame without one. hosts: name -> the
    release that it says it runs (unadopted: that it had)."""

    record: ClassVar[Record] = "OUTCOME"
    result: str = ""
    because: str = ""
    verdict: str = ""
    hosts: Mapping[str, str] = field(default_factory=dict)


Entry = Intent | Decision | Ended
R = TypeVar("R", Intent, Decision, Ended)


def same_deploy(kind: type[R], head: Head, **more: Any) -> R:
    """A record of another kind about the deploy of `head`, with what it says unless `more` does."""
    return kind(**{**{field.name: getattr(head, field.name) for field in fields(Head)}, **more})


def hosts_of(entry: Entry) -> Mapping[str, str]:
    """A decision says nothing of them: it is about those of its INTENT."""
    return {} if isinstance(entry, Decision) else entry.hosts


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of life of a lock's owner. mark: another one each time; "" for none at all. at: seconds since the epoch
    by the owner's clock, which may be wrong."""

    mark: str = ""
    at: float = 0.0

    def fresh(self, now: float) -> bool:
        """Is it one of somebody at work?"""
        return bool(self.mark) and now - self.at < FRESH


def lock_holder(chain: tuple[Entry, ...], playbook: str, now: float) -> Intent | None:
    """The newest INTENT of `playbook` that has no OUTCOME yet and has not expired: it is the lock."""
    closed = {entry.deploy for entry in chain if isinstance(entry, Ended)}
    for entry in reversed(chain):
        if not isinstance(entry, Intent) or entry.playbook != playbook or entry.deploy in closed:
            continue
        if now < entry.expires:
            return entry
    return None


def ends(chain: Iterable[Entry], playbook: str) -> Iterator[Ended]:
    """Of `playbook`, oldest first."""
    return (entry for entry in chain if isinstance(entry, Ended) and entry.playbook == playbook)


def closed_by(chain: tuple[Entry, ...], deploy: str) -> str:
    """Who closed `deploy` and why, as a sentence; "" while it is open."""
    found = (entry for entry in chain if isinstance(entry, Ended) and entry.deploy == deploy)
    return next((f"deploy {deploy} was closed by {end.who}: {end.because or end.result}" for end in found), "")


def quarantined(chain: tuple[Entry, ...], playbook: str) -> dict[str, str]:
    """Release -> why, for releases that were found to be at fault, or that a person rolled back from, and were not
    deployed since. A verdict `inconclusive`, an interruption and lost contact are no fault of a release."""
    bad: dict[str, str] = {}
    for entry in ends(chain, playbook):
        if entry.result not in ENDED:
            continue
        because = f": {entry.because}" if entry.because else ""
        if at_fault(entry):
            bad[entry.release] = f"reverted by deploy {entry.deploy}{because}"
        elif entry.result != "reverted":
            if entry.result == "deployed" or entry.command == "rollback" or entry.verdict == "healthy":
                bad.pop(entry.release, None)  # not by a push of which some host could not be undone
            if entry.command == "rollback" and entry.previous not in ("", entry.release):
                bad[entry.previous] = f"left by rollback {entry.deploy} of {entry.who}{because}"
    return bad


def at_fault(entry: Ended) -> bool:
    """A push that was undone because of its release, whether every host is back (`reverted`) or not (`stranded`).
    Older records called it regressed, too, where hosts were only not heard of any more."""
    return entry.command == "push" and entry.verdict in ("regressed", "failed") and not LOST.match(entry.because)


def stood(chain: tuple[Entry, ...], playbook: str, release: str) -> tuple[float, float] | None:
    """From when to when the fleet was on `release`, the last time: seconds since the epoch; None if it never was."""
    span: tuple[float, float] | None = None
    on = ""
    for entry in ends(chain, playbook):
        if entry.result in ("deployed", "stranded"):
            if on == one_name(release) and span:
                span = (span[0], entry.at)
            if entry.result == "deployed" and one_name(entry.release) == one_name(release):
                span = (entry.at, entry.at) if on != one_name(release) or span is None else span
            on = one_name(entry.release)
    return span


def unrecorded(
    chain: tuple[Entry, ...],
    environment: str,
    playbook: str,
    histories: Mapping[str, tuple[Confirmed, ...]],
    now: float,
) -> list[Ended]:
    """Rollbacks that hosts remember and the chain does not (git was gone, and so is the machine they were run on), as
    OUTCOME records to be appended, oldest first, LATE at most. Only what enough hosts agree on (model/quorum.py): that
    there was one, and what was rolled back from."""
    compared = {host: of_the_fleet(lines) for host, lines in histories.items()}
    left = agreed({host: pairwise(lines) for host, lines in compared.items()})
    late = []
    for line in sorted(agreed(compared) & set(forgotten(chain, playbook, compared)), key=lambda x: x.number)[-LATE:]:
        hosts = {n: histories[n][lines.index(line)].release for n, lines in compared.items() if line in lines}
        before = {earlier.release for earlier, later in left if later == line}
        entry = Ended(
            deploy=f"{line.number}-0000",
            environment=environment,
            playbook=playbook,
            command="rollback",
            release=min(hosts.values()),
            previous=before.pop() if len(before) == 1 else "",
            who="unknown (from the hosts' own history)",
            at=now,
            result="deployed",
            because="rolled back while the ledger could not be reached",
            hosts=hosts,
        )
        late.append(entry)
    return late


def forgotten(
    chain: tuple[Entry, ...], playbook: str, histories: Mapping[str, tuple[Confirmed, ...]]
) -> dict[Confirmed, list[str]]:
    """Rollback -> hosts that remember it, where the chain does not."""
    known = {number_of(entry.deploy) for entry in chain if entry.playbook == playbook}
    found: dict[Confirmed, list[str]] = {}
    for host, lines in histories.items():
        for line in set(lines[1:]):  # the first has nothing before it that was rolled back from
            if line.command == "rollback" and line.number not in known:
                found.setdefault(line, []).append(host)
    return found


def above_chain(
    chain: tuple[Entry, ...], fences: Mapping[str, int], histories: Mapping[str, tuple[Confirmed, ...]]
) -> dict[str, int]:
    """Host -> fence, where a host has seen a deploy that the chain cannot know: it was shortened, or it is another one.

    A push is numbered by the position of its INTENT. Rollbacks and adoptions can be done with git out of reach: their
    numbers are in late records, or in the histories: one explains the fence of the host that has it, and what enough
    hosts agree on explains all."""
    own = {host: {line.number for line in lines if line.command != "push"} for host, lines in histories.items()}
    known = max([known_number(chain), *agreed(own)])
    explained = {host: max([known, *own.get(host, ())]) for host in fences}
    return {host: fence for host, fence in sorted(fences.items()) if fence > explained[host]}


def known_number(chain: tuple[Entry, ...]) -> int:
    """The highest deploy number that the chain knows, or could."""
    return max([len(chain), *(number_of(entry.deploy) for entry in chain)])
