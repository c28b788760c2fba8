"""Where `deploy rollback` goes: ONE release for the fleet, worked out from what the hosts themselves remember.

Hosts remember what they confirmed (`NUMBER push|rollback|adopt RELEASE`), which release a rollback called bad when it
began (`NUMBER away RELEASE`), and their last deploy, in flight or ended. The decision with the highest number counts:

- a push that is in flight, or that not every host has: back to the release before it (`undo`);
- a rollback, in flight or ended anyhow: to the release that it named (`finish`); all hosts there: `stay`;
- a push that went back by itself decided nothing: what was decided before it stands; all hosts there: `stay`;
- a push that every host confirmed: to the newest release that was good before it (`back`).

Two rollbacks at once: the second finds hosts pending with the first one's deploy, or with its lines in their history,
so it names the same release. It keeps what is pending there instead of taking it back, and walks the other hosts under
a higher number. Where both began at the same moment they have the same number, and each host takes whichever comes
first and refuses the other as stale. Whoever is refused reads that host back, and is done where it has the release.

What no host that answers knows is not counted. A push that goes back is told to the hosts that it never touched; one
whose deployer died is known to the hosts that it touched, and to the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

from deployer.model.errors import DeployError
from deployer.model.quorum import shared
from deployer.model.release import ReleaseId, one_name, shown
from deployer.model.stand import standing
from deployer.model.state import Confirmed, HostState, number_of

Kind = Literal["undo", "finish", "stay", "back", "named"]
Word = Literal["rollback", "away", "push", "reverted"]
WORDS: dict[str, Word] = {"rollback": "rollback", "away": "away"}


@dataclass(frozen=True, slots=True)
class Aim:
    """release: where every host goes (ADOPTED: each to its own). kind: why, see above; `named`: a person said so.
    leaves: the release that is called bad by it, "" for none. number: of the deploy that decided it, 0 where there is
    none. further: with `stay`, the release one step on, "" where there is none."""

    release: str
    kind: Kind
    leaves: str = ""
    number: int = 0
    further: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one host knows of deploy `number`. word: `reverted` is a push that went back."""

    number: int
    word: Word
    release: str
    confirmed: bool = False


def aim_for(states: Iterable[HostState], to: str | None = None) -> Aim:
    """See the module. to: a person named the release. Raises DeployError where nothing is before it."""
    states = tuple(states)
    aim = decided(states)
    if to is None and aim is None:
        raise nothing_before(states)
    if to is None and aim is not None:
        return replace(aim, kind="stay") if at_rest(states, aim.release) else replace(aim, further="")
    return Aim(to or "", "named", left_by(states, aim, to or ""))


def further(aim: Aim) -> Aim:
    """One step on from where the last decision left all hosts: a person said that this release is bad, too."""
    return Aim(aim.further, "named", aim.release)


def left_by(states: Sequence[HostState], aim: Aim | None, to: str) -> str:
    """What going to a named release calls bad: what all hosts are on, else what a rollback would leave."""
    common = shared(one_name(state.current) for state in states)
    leaves = common if common and not any(s.in_flight for s in states) else aim.leaves if aim else ""
    return "" if leaves == one_name(to) else leaves


def decided(states: Sequence[HostState]) -> Aim | None:
    """What the newest decision means for a rollback; None where there is no release to go to."""
    lines = {line for state in states for line in state.history}
    last, undone = newest([fact for state in states for fact in facts(state)])
    if last is None:
        stack = standing(lines)
        return Aim(stack[-1], "finish", further="".join(stack[-2:-1])) if stack and undone else None
    older = {line for line in lines if line.number < last.number}
    if last.word == "push" and undone and last.confirmed:
        stack = standing(lines)
        return Aim(stack[-1], "finish", "", last.number, "".join(stack[-2:-1]))
    if last.word == "push":
        stack = [name for name in standing(older) if name != last.release]
        kind: Kind = "back" if at_rest(states, last.release) else "undo"
        return Aim(stack[-1], kind, last.release, last.number) if stack else None
    away = {line for line in lines if line.number == last.number and line.command == "away"}
    release = last.release if last.word == "rollback" else "".join(standing(older | away)[-1:])
    before = [line.release for line in away] or standing(older)
    after = standing({*older, *away, Confirmed(last.number, "rollback", release)})
    leaves = "" if not before or before[-1] == release else before[-1]
    return Aim(release, "finish", leaves, last.number, "".join(after[-2:-1])) if release else None


def newest(found: Sequence[Fact]) -> tuple[Fact | None, bool]:
    """The newest decision, and whether a push after it went back by itself. Where hosts name several releases for one
    number (two deploys began at once), a rollback counts before a push, then what most of them say."""
    undone = False
    for number in sorted({fact.number for fact in found}, reverse=True):
        for word in ("rollback", "away", "push"):
            same = [fact for fact in found if (fact.number, fact.word) == (number, word)]
            if same:
                named = [fact.release for fact in same]
                release = max(sorted(set(named)), key=named.count)
                return replace(same[0], release=release, confirmed=any(f.confirmed for f in same)), undone
        undone = True
    return None, undone


def facts(state: HostState) -> list[Fact]:
    """What one host knows. An adoption says nothing."""
    lines = [line for line in state.history if line.command != "adopt"]
    found = [Fact(line.number, WORDS.get(line.command, "push"), one_name(line.release), True) for line in lines]
    last = latest(state)
    return [*found, last] if last else found


def latest(state: HostState) -> Fact | None:
    """What it knows of its last deploy beside its history, in flight or gone back. A rollback that never arrived (its
    tombstone names the release that is good) says nothing."""
    number = number_of(state.deploy) or state.fence
    rollback = state.command == "rollback" or Confirmed(number, "away", state.good) in state.history
    named = one_name(state.target or state.current)
    if state.in_flight:
        return Fact(number, "rollback" if rollback else "push", named)
    if state.outcome == "reverted" and not rollback:
        return Fact(number, "reverted", named)
    if state.outcome == "reverted" and named != one_name(state.good):
        return Fact(number, "rollback", named)
    return None


def at_rest(states: Iterable[HostState], release: str) -> bool:
    """Every host is verified on it (its own, where it is what was adopted)."""
    return all(state.verified_on(on_host(state, release)) for state in states)


def nothing_before(states: Iterable[HostState]) -> DeployError:
    """There is nowhere to go."""
    stack = standing(line for state in states for line in state.history)
    on = shown(stack[-1]) if stack else "nothing"
    return DeployError(
        f"cannot roll back: no earlier confirmed release than {on} on these hosts",
        hint="deploy status shows what they run; deploy push a good revision instead",
    )


def on_host(state: HostState, target: str) -> str:
    """What `target` means on this host: what was found there before anything was pushed, or the release itself."""
    release = ReleaseId(target)
    if not release.adopted or (release.whole and release in state.releases):
        return release
    first = [line.release for line in takewhile(lambda line: line.command == "adopt", state.history)]
    own = first or [line.release for line in state.history if line.command == "adopt"]
    return own[-1] if own else target
