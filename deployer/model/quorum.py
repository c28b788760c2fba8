"""What hosts are believed about more than themselves. Pure.

A host that lies counts as one host. What one host alone says steers that host and nothing else; what two say, or the
only one that was asked, is taken for what happened.

- A deploy number counts when the ledger knows it, when a second host has seen one as high, or when it is within REACH
  of those: limited rollbacks with git out of reach make small steps, and no host is left behind for one. A host that
  claims more gets a number of its own for its own verbs; the others never hear of it.
- A line of a history counts when a second host has it, too.
- For where a rollback goes, what a host alone knows (a canary, a limited push) counts when the ledger knows it, too
  (engine/deploy/witness.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from deployer.model.release import one_name
from deployer.model.state import Confirmed

T = TypeVar("T")
REACH = 1000  # deploys
WITNESSES = 2


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
    return tuple(replace(line, release=one_name(line.release)) for line in lines)


def shared(values: Iterable[str]) -> str:
    """The one value that all hosts have, or, of three or more, all but one; "" for none. What a single host says of
    itself does not change what is said of the others."""
    counted = Counter(values)
    (value, hosts), *_ = counted.most_common(1) or [("", 0)]
    total = sum(counted.values())
    return value if hosts == total or (total > WITNESSES and hosts == total - 1) else ""
