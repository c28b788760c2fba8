"""What the answers to the probes of one tick add up to on one host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deployer.adapters.http.request import Answer
from deployer.model.sample import HostSample
from deployer.model.schema.health import Probe
from deployer.remote.logs import Counts


@dataclass(frozen=True, slots=True)
class Asked:
    """One probe on one host once. failure: "" when it passed. ms: of the first answer. refetched: it was asked a
    second time at once; hit: that answer came from the cache, None when it does not say. fresh: of a URL never asked
    before; was_there: it came from the cache at the first time. timed_out: that is the failure. answers: all there
    were."""

    host: str
    probe: Probe
    failure: str
    ms: float
    refetched: bool = False
    hit: bool | None = None
    unsent: bool = False  # it never left this machine; `failure` says why
    fresh: bool = False
    was_there: bool = False
    timed_out: bool = False
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of `deploy check`. failure: why it does not pass, "" when it does. hit: of the immediate re-fetch of a
    cacheable URL; None for another one or when the answer does not say. doubtful: it was a time-out, and this machine
    was too busy to tell."""

    host: str
    probe: str
    level: Literal["required", "advisory"]
    failure: str
    ms: float = 0.0
    hit: bool | None = None
    doubtful: bool = False


def add_up(probes: Sequence[Probe], asked: Sequence[Asked], starved: bool = False) -> HostSample | None:
    """What one host gave in this tick; None when nothing could be sent although something was due. Advisory probes
    count only where no probe is required; a failed one takes its time-out. starved: this machine was too busy to know
    how long an answer took, and whether there was one in time; what was answered was answered."""
    sent = [one for one in asked if not one.unsent]
    if asked and not sent:
        return None
    sent = [one for one in sent if not (starved and one.timed_out)]
    usual = [one for one in sent if not one.fresh]
    required = [one for one in usual if one.probe.level == "required"]
    judged = required if any(probe.level == "required" for probe in probes) else usual
    again = [one for one in usual if one.refetched]
    told = [one for one in again if one.hit is not None]
    unknown = not any(probe.cacheable for probe in probes) or (bool(again) and not told)
    # a new page that is not answered is not kept either; one that was there already is none
    new = [one for one in sent if one.fresh and not one.was_there and (one.failure or one.hit is not None)]
    return HostSample(
        n=len(judged),
        err=sum(bool(one.failure) for one in judged),
        lat=() if starved else tuple(one.probe.timeout * 1000 if one.failure else one.ms for one in judged),
        rehit_n=None if unknown else len(told),
        rehit_bad=None if unknown else sum(not one.hit for one in told),
        fresh_n=len(new) if any(one.fresh for one in sent) else None,
        fresh_bad=sum(bool(one.failure) or not one.hit for one in new) if any(one.fresh for one in sent) else None,
        required_err={one.probe.name: one.failure for one in reversed(required) if one.failure},
        required_ok=frozenset(one.probe.name for one in required if not one.failure),
    )


def own(asked: Sequence[Asked]) -> Counts:
    """What the probes themselves add to what a server counts, as far as their answers tell."""
    answers = [answer for one in asked for answer in one.answers if answer.status]
    missed = sum(answer.hit is False for answer in answers)
    return Counts(
        n=len(answers),
        err=sum(answer.status >= 500 for answer in answers),
        look=sum(answer.hit is not None for answer in answers),
        miss=missed,
        orig=missed,
    )
