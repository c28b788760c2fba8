"""Probes: every probe of a health check on every host, at its rate, second by second. Satisfies engine.ports.Probes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from deployer.adapters import http
from deployer.adapters.probe_ssh import SshProber
from deployer.model.fleet import Host
from deployer.model.health import HealthCheck, Probe, merge
from deployer.model.sample import Sample

if TYPE_CHECKING:
    pass

T = TypeVar("T")
SPREAD = 0.8  # of a tick in which its requests begin; the rest is for the last answers


@dataclass(frozen=True, slots=True)
class Asked:
    """One probe on one host once. failure: "" when it passed. ms: of the first answer. refetched: it was asked a
    second time at once; hit: that answer came from the cache, None when it does not say."""

    host: str
    probe: Probe
    failure: str
    ms: float
    refetched: bool = False
    hit: bool | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of `deploy check`. failure: why it does not pass, "" when it does. hit: of the immediate re-fetch of a
    cacheable URL; None for another one or when the answer does not say."""

    host: str
    probe: str
    level: Literal["required", "advisory"]
    failure: str
    ms: float = 0.0
    hit: bool | None = None


class HttpProbes:
    """notice: told, once each, what cannot be measured and why. ssh: sends the probes with `via: ssh`.
    tick: seconds. most: requests under way at once. Not to be shared between threads; close it at the end."""

    def __init__(
        self,
        checks: HealthCheck | Sequence[HealthCheck],
        notice: Callable[[str], None] = lambda text: None,
        ssh: SshProber | None = None,
        tick: float = 1.0,
        most: int = 64,
    ) -> None:
        self._probes = (checks if isinstance(checks, HealthCheck) else merge(checks)).probes
        self._notice, self._ssh, self._tick, self._most = notice, ssh, tick, most
        self._said: set[str] = set()
        self._credit: dict[tuple[str, str], float] = {}
        self._addresses: dict[str, str] = {}
        self._line: Line | None = None

    def sample(self, hosts: Sequence[Host], t: float) -> Sample:
        """One tick. A host that could not be asked is None; with no probes at all the sample names no host. Waits for
        the last answer, so every figure belongs to the tick in which it was asked for. Never raises."""
        if not self._probes:
            return Sample(t, {})
        began = time.monotonic()
        try:
            asked = self._run(self._second(list(hosts)))
        except Exception as error:
            self._say(f"probes could not be sent: {http.describe(error)}")
            time.sleep(max(0.0, self._tick - (time.monotonic() - began)))
            return Sample(t, {host.name: None for host in hosts})
        return Sample(t, {name: self._sum(found) for name, found in asked.items()})

    def once(self, hosts: Sequence[Host]) -> tuple[CheckResult, ...]:
        """Every probe once on every host, now."""

        async def everything() -> list[CheckResult]:
            jobs = [self._line_now().ask(partial(self._checked, host, probe)) for host in hosts for probe in self._probes]
            return list(await asyncio.gather(*jobs))

        return tuple(self._run(everything()))

    def close(self) -> None:
        """Ends the loop and its thread; a later sample starts them again."""
        line, self._line = self._line, None
        if line:
            line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
