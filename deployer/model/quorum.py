"""What hosts are believed about more than themselves. Pure.

A host that lies counts as one host. What one host alone says steers that host and nothing else; what two say, or the
only one that was asked, is taken for what happened.

- A deploy number counts when the ledger knows it, when a second host has seen one as high, or when it is within REACH
  of those: limited rollbacks with git out of reach make small steps, and no host is left behind for one. A host that
  claims more gets a number of its own for its own verbs; the others never hear of it.
- A line of a history counts when a second host has it, too.
- For where a rollback goes, a host may know alone what it did (a canary, a limited push), but not against itself, nor
  as the author of numbers that nobody else came near.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from deployer.model.state import Confirmed, HostState

T = TypeVar("T")
REACH = 1000  # deploys
WITNESSES = 2
AS_FOUND = "0000000000-"  # how the names of adopted releases begin: each host's own, one for the fleet


@dataclass(frozen=True, slots=True)
class Numbering:
    """number: of the next deploy, above all that counts. apart: hosts that claim to have seen a deploy far above it ->
    the number that each of them alone is given."""

    number: int
    apart: Mapping[str, int] = field(default_factory=dict)


def number_deploy(known: int, fences: Mapping[str, int]) -> Numbering:
    """known: the highest number that the ledger knows, 0 where it cannot be read. fences: host -> highest it has seen.

    Of two hosts and no ledger the lower of two distant numbers counts. That harms neither: each is asked with a number
    that it takes."""
    ranked = sorted(fences.values(), reverse=True)
    vouched = max([known, *ranked[needed(len(ranked)) - 1 :]])
    counting = [fence for fence in fences.values() if fence <= vouched + REACH]
    apart = {host: fence + 1 for host, fence in sorted(fences.items()) if fence > vouched + REACH}
    return Numbering(max([known, *counting]) + 1, apart)


def needed(asked: int) -> int:
    """How many of so many hosts are believed about the fleet."""
    return min(WITNESSES, max(1, asked))


def agreed(claims: Mapping[str, Iterable[T]]) -> frozenset[T]:
    """What enough hosts claim, each counted once; of a single host all that it claims."""
    counted = Counter(claim for own in claims.values() for claim in set(own))
    return frozenset(claim for claim, hosts in counted.items() if hosts >= needed(len(claims)))


def of_the_fleet(lines: Iterable[Confirmed]) -> tuple[Confirmed, ...]:
    """A history as it compares with another host's: adopted releases are one."""
    return tuple(replace(x, release=AS_FOUND) if x.release.startswith(AS_FOUND) else x for x in lines)


def credible(states: Mapping[str, HostState]) -> dict[str, HostState]:
    """The hosts whose memory may say where the fleet goes; all of them where none is left.

    Left out is a host whose newest line is not what it calls good, and, of three or more, one whose number is apart."""
    apart = number_deploy(0, {name: state.fence for name, state in states.items()}).apart if len(states) > 2 else {}
    left = {name: state for name, state in states.items() if name not in apart and consistent(state)}
    return left or dict(states)


def consistent(state: HostState) -> bool:
    """Does the history end with what is good, in the order of its numbers, none above the fence?"""
    numbers = [line.number for line in state.history]
    kept = [line.release for line in state.history if line.command != "away"]
    ends = not kept or kept[-1] == state.good
    return ends and numbers == sorted(numbers) and (not numbers or numbers[-1] <= state.fence)
