"""What a person asked for, and the answers that only a person (or the playbook) can give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployer.gate import Gate
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast
from deployer.model.missing import Missing
from deployer.model.plan import HostPlan, Plan
from deployer.model.schema.playbook import Playbook
from deployer.model.verdict import Verdict


@dataclass(frozen=True)
class Request:
    """hosts: all hosts of the playbook in the environment. limit: names that may change (the others serve as
    control). who: user@machine or the CI job."""

    environment: str
    playbook: Playbook
    hosts: tuple[Host, ...]
    limit: frozenset[str]
    who: str
    why: str = ""
    allow_quarantined: bool = False


def _always(_: object) -> bool:
    return True


def _cold(hosts: object, lost: object) -> None:
    return None


def _nothing(_: object) -> Forecast:
    return Forecast()


def _all_there(_: object) -> Missing:
    return Missing()


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True)
class Turn:
    """One wave as its gate sees it. touched: every host that has the new release then; judged: those of them that an
    earlier wave found healthy; control: hosts that still have the old one. share: of the false alarms of a deploy.
    cold: the activation empties the cache of a touched host. wave: its number, from 1."""

    touched: tuple[str, ...]
    judged: tuple[str, ...]
    control: tuple[str, ...]
    share: float
    cold: bool = False
    wave: int = 1


@dataclass(frozen=True)
class Policy:
    """gate: makes the gate of one wave. approve: may this plan start?
    warm: after hosts were activated, before they are watched (what a cache lost is asked for first).
    go_on: is an inconclusive verdict to be overlooked (`inconclusive: pause` asks; default no)?
    expected: a saved plan that must be what would be done now. judged_by: what is measured, in a sentence.
    forecast: what the probes alone can prove of it. missing: what could not be judged of these hosts now; asked in a
    worker, before the lock is taken."""

    gate: Callable[[Turn], Gate]
    approve: Callable[[Plan], bool] = _always
    go_on: Callable[[Verdict], bool] = _never
    warm: Callable[[Sequence[HostPlan], Callable[[], str]], None] = _cold
    loses_cache: Callable[[HostPlan], bool] = _never
    expected: Plan | None = None
    judged_by: Callable[[], str] = str
    forecast: Callable[[Plan], Forecast] = _nothing
    missing: Callable[[Sequence[Host]], Missing] = _all_there
