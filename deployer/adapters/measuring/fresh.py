"""URLs that no cache can have yet, one a second: a warm page goes on coming from a cache that stores nothing any more.

Each is asked twice; the second answer must come from the cache if it did so before the change. New are the URLs of
cacheable probes with a query of their own, or those that a probe lists.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from deployer.adapters.measuring.tally import Asked
from deployer.model.sample import HostSample, Sample
from deployer.model.schema.health import Probe

QUERY = "deployer-probe"  # its name
EVERY = 1.0  # seconds
BEFORE = 10  # URLs of a list that are spent before the change
KEPT = 0.8  # of the new pages of a host at least, before the change: else it is not judged by them


@dataclass
class Spent:
    """What was asked of one probe before the change. why: what the last answer lacked that did not count as kept."""

    asked: int = 0
    why: str = ""


class Fresh:
    """probes: all of them. Not to be shared between threads."""

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = [probe for probe in probes if probe.cacheable and probe.fresh != "none"]
        self._token, self._number, self._credit = secrets.token_hex(4), 0, EVERY
        self._spent = {probe.name: Spent() for probe in self._probes}
        self._asked_at: dict[float, str] = {}

    def due(self, t: float, tick: float) -> Probe | None:
        """What all hosts are asked in this tick, the probes in turn; None for nothing. tick: seconds."""
        due = self._credit >= EVERY and bool(self._probes)
        self._credit = min(self._credit - (EVERY if due else 0.0) + tick, 2.0 * EVERY)
        if not due:
            return None
        probe = self._probes[self._number % len(self._probes)]
        spent = self._spent[probe.name]
        self._number += 1
        if isinstance(probe.fresh, tuple) and t < 0 and spent.asked >= BEFORE:
            return None
        url = probe.url
        if isinstance(probe.fresh, tuple):
            url = probe.fresh[spent.asked % len(probe.fresh)]
        else:
            url += f"{'&' if '?' in url else '?'}{QUERY}={self._token}-{self._number}"
        spent.asked += 1
        if t < 0:
            self._asked_at[t] = probe.name
        return probe.model_copy(update={"url": url})

    def note(self, asked: Sequence[Asked]) -> None:
        """What came of it, for the reason why a probe is given up."""
        for one in asked:
            if one.probe.name in self._spent and (why := lacking(one)):
                self._spent[one.probe.name].why = why

    def settle(self, before: Sequence[Sample], deciding: Collection[str]) -> tuple[list[Sample], list[str]]:
        """Gives up the probes whose new pages a host did not keep before the change either. The samples without them,
        and what a person should know."""
        given_up: list[str] = []
        for probe in self._probes:
            part = [s for s in before if self._asked_at.get(s.t) == probe.name and not s.starved]
            if part and not all(kept(part, name) for name in deciding):
                given_up.append(probe.name)
        said = [
            f"probe {name}: whether new pages are kept is not judged: {self._spent[name].why or 'no answer tells'}; "
            "name some that are cached and seldom asked for with `fresh: [...]`"
            for name in given_up
        ]
        self._probes = [probe for probe in self._probes if probe.name not in given_up]
        return [without(s) if self._asked_at.get(s.t) in given_up else s for s in before], said


def lacking(one: Asked) -> str:
    """Why this says nothing of a cache that keeps new pages; "" where it was kept."""
    if one.failure:
        return f"{one.host} answered one with: {one.failure}"
    if one.was_there:
        return f"{one.host} had one already (its cache key knows no query, or it is listed and was asked for)"
    if one.hit is None:
        return f"{one.host} does not say whether an answer came from its cache"
    return "" if one.hit else f"{one.host} did not keep one"


def kept(samples: Sequence[Sample], name: str) -> bool:
    """Most of the pages that were new, and most were new. samples: one page was asked for in each."""
    known = [one for s in samples if (one := s.hosts.get(name))]
    n, bad = sum(one.fresh_n or 0 for one in known), sum(one.fresh_bad or 0 for one in known)
    return 2 * n >= len(samples) and bad <= (1.0 - KEPT) * n


def without(sample: Sample) -> Sample:
    """As if no new page had been asked for."""
    hosts: dict[str, HostSample | None] = {
        name: replace(one, fresh_n=None, fresh_bad=None) if one else None for name, one in sample.hosts.items()
    }
    return replace(sample, hosts=hosts)
