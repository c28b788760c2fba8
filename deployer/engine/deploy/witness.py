"""What the fleet is believed to have done. What several hosts say counts; what one alone says, of a push, a rollback or
a release that no other host ever heard of, counts when the ledger knows it, too, and is asked there only when it would
change something: a rollback needs no git as long as hosts agree.

Where the ledger cannot be asked, a push that one host alone knows (a canary whose deployer died looks like a lie) keeps
the others where most of them are, never further back, and is named. A rollback that one alone knows is not followed:
the others' own history leads where it would have led.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from deployer.engine.deploy.request import Request
from deployer.engine.deploy.target import Aim, Fact, aim_for, facts, latest, nothing_before
from deployer.engine.ports import Ports
from deployer.model.errors import DeployError
from deployer.model.events import Notice
from deployer.model.ledger import Ended, Entry, Intent
from deployer.model.quorum import REACH, WITNESSES, needed
from deployer.model.release import one_name
from deployer.model.stand import standing
from deployer.model.state import Confirmed, HostState, number_of

Recall = Callable[[], tuple[Entry, ...]]
Known = frozenset[tuple[int, str, str]]  # number, word, release
OVER = ("refused", "reverted", "interrupted", "deployed")  # nothing of such a deploy is in flight any more


def unreadable() -> tuple[Entry, ...]:
    """Where there is no ledger to ask."""
    raise DeployError("no ledger")


@dataclass
class Witness:
    """What hosts said, and the ledger as it is asked about it, once and only where it must be. states: of all that
    answered, those that are not adopted count as well. recall: reads the chain."""

    request: Request
    ports: Ports
    states: Mapping[str, HostState]
    recall: Recall = unreadable
    _read: list[tuple[Entry, ...] | None] = field(default_factory=list)

    def chain(self) -> tuple[Entry, ...] | None:
        """None: it cannot be read now."""
        if not self._read:
            try:
                self._read.append(
                    tuple(entry for entry in self.recall() if entry.playbook == self.request.playbook.name)
                )
            except DeployError:
                self._read.append(None)
        return self._read[0]

    def aim(self, to: str | None = None) -> Aim:
        """Where a rollback of these hosts goes (target.py). Raises DeployError where nothing is before it."""
        states = self.states
        whole, agreed = tried(states, to), believed(states, frozenset())
        sure = tried(agreed, to)
        if whole and sure and (whole.release, whole.leaves) == (sure.release, sure.leaves):
            return sure
        if (whole or sure) and (chain := self.chain()) is not None:
            agreed = believed(states, recorded(chain))
            sure = tried(agreed, to)
            if alone := doubtful(states, agreed):
                self.ports.emit(
                    Notice("alarm", f"not believed, neither the ledger nor another host knows: {said(alone)}")
                )
        elif sure and (alone := doubtful(states, agreed)):
            sure = self.hold(agreed, sure, alone)
        else:
            sure = whole
        if sure is None:
            raise nothing_before(states.values())
        return sure

    def hold(self, agreed: Mapping[str, HostState], sure: Aim, alone: Mapping[str, list[Fact]]) -> Aim:
        """The cautious one of two: see the module."""
        top = standing(line for state in agreed.values() for line in state.history)[-1:]
        newer = [fact for own in alone.values() for fact in own if fact.number > sure.number]
        if sure.kind == "named" or not top or not any(fact.word in ("push", "reverted") for fact in newer):
            self.ports.emit(Notice("alarm", f"not followed, no other host knows: {said(alone)}"))
            return replace(sure, leaves="") if sure.kind == "named" else sure
        text = f"the ledger cannot be read, and one host alone knows: {said(alone)}"
        self.ports.emit(Notice("alarm", f"{text}: the others stay on {top[0]}; --to RELEASE takes them further back"))
        return Aim(top[0], "finish", "", sure.number)

    def open(self, deploy: str) -> bool:
        """Is something of it in flight, as enough hosts say, or one and the ledger?"""
        hosts = sum(state.in_flight and state.deploy == deploy for state in self.states.values())
        chain = self.chain()
        about = [entry for entry in chain or () if entry.deploy == deploy]
        if any(isinstance(entry, Ended) and entry.result in OVER for entry in about):
            return False
        return hosts >= needed(len(self.states)) or any(isinstance(entry, Intent) for entry in about)

    def intent(self, deploy: str) -> Intent | None:
        """As it was written down before anything of it reached a host."""
        return next((e for e in self.chain() or () if isinstance(e, Intent) and e.deploy == deploy), None)


def tried(states: Mapping[str, HostState], to: str | None) -> Aim | None:
    """None where there is nothing to go to."""
    try:
        return aim_for([state for state in states.values() if state.adopted], to)
    except DeployError:
        return None


def recorded(chain: Collection[Entry]) -> Known:
    """What hosts may say of deploys that the ledger has. A repair restates a push, so either word is true of it."""
    refused = {entry.deploy for entry in chain if isinstance(entry, Ended) and entry.result == "refused"}
    known = set()
    for entry in chain:
        number, release = number_of(entry.deploy), one_name(entry.release)
        if entry.deploy not in refused:
            known |= {(number, "push", release), (number, "rollback", release), (number, "reverted", "")}
        if entry.command == "rollback":
            known.add((number, "away", one_name(entry.previous)))
    return frozenset(known)


def claim(fact: Fact) -> tuple[str, str]:
    """What is compared between hosts: a deploy that went back did so whatever its release."""
    return fact.word, "" if fact.word == "reverted" else fact.release


def believed(states: Mapping[str, HostState], known: Known) -> dict[str, HostState]:
    """The hosts' memories, each without what it alone says; numbers as far as another host, or `known`, goes along.
    Of a fleet of one, all of it."""
    if len(states) < WITNESSES:
        return dict(states)
    said: dict[str, dict[tuple[str, str], int]] = {name: {} for name in states}
    for name, state in states.items():
        for fact in facts(state):
            said[name][claim(fact)] = max(fact.number, said[name].get(claim(fact), 0))

    def vouched(fact: Fact, name: str) -> int:
        if (fact.number, *claim(fact)) in known:
            return fact.number
        others = [own[claim(fact)] for other, own in said.items() if other != name and claim(fact) in own]
        return min(fact.number, max(others, default=0))

    return {name: heard(state, partial(vouched, name=name)) for name, state in states.items()}


def heard(state: HostState, vouched: Callable[[Fact], int]) -> HostState:
    """One host's memory with the numbers that are vouched for (0: with nothing of it)."""
    lines = []
    for line in state.history:
        if line.command == "adopt" and one_name(line.release) != line.release:  # where it began is its own
            lines.append(line)
            continue
        for fact in facts(HostState(history=(line,))):
            if number := vouched(fact):
                lines.append(Confirmed(number, line.command, line.release))
    kept, last = replace(state, history=tuple(lines)), latest(state)
    number = vouched(last) if last else 0
    if last and not number:
        return replace(kept, phase="idle", outcome="", deploy="", command="", target="", current=state.good)
    return replace(kept, deploy=f"{number}-0") if last and number != last.number else kept


def doubtful(states: Mapping[str, HostState], agreed: Mapping[str, HostState]) -> dict[str, list[Fact]]:
    """Host -> what it says and is not believed."""
    lost: dict[str, list[Fact]] = {}
    for name, state in states.items():
        kept: dict[tuple[str, str], int] = {}
        for fact in facts(agreed[name]):
            kept[claim(fact)] = max(fact.number, kept.get(claim(fact), 0))
        own = [fact for fact in facts(state) if claim(fact) not in kept or fact.number > kept[claim(fact)] + REACH]
        if own:
            lost[name] = sorted(own, key=lambda fact: fact.number)
    return lost


def said(alone: Mapping[str, list[Fact]]) -> str:
    """`web4: push 99 of cccccccccc-33333333`, the newest of each."""
    return "; ".join(f"{name}: {own[-1].word} {own[-1].number} of {own[-1].release}" for name, own in alone.items())
