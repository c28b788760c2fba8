"""Probes: every probe of a health check on every host, at its rate, second by second. Satisfies engine.ports.Probes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from deployer.adapters import http
from deployer.adapters.http import Answer, Unsendable
from deployer.adapters.probe_ssh import SshProber
from deployer.model.fleet import Host
from deployer.model.health import HealthCheck, Probe, merge
from deployer.model.sample import HostSample, Sample

if TYPE_CHECKING:
    import httpx

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
    unsent: bool = False  # it never left this machine; `failure` says why


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

    def settle(self, before: Sequence[Sample], deciding: Sequence[str]) -> Sequence[Sample]:
        """There is nothing to choose from."""
        return before

    def once(self, hosts: Sequence[Host]) -> tuple[CheckResult, ...]:
        """Every probe once on every host, now."""

        async def everything() -> list[Asked]:
            line = self._line_now()
            return list(await asyncio.gather(*(self._ask(line, h, p, 0.0) for h in hosts for p in self._probes)))

        return tuple(
            CheckResult(one.host, one.probe.name, one.probe.level, one.failure, one.ms, one.hit)
            for one in self._run(everything())
        )

    async def _second(self, hosts: list[Host]) -> dict[str, list[Asked]]:
        """One tick: every probe as often as its rate says (fractions are carried over), spread over the tick."""
        line, jobs = self._line_now(), []
        for host in hosts:
            for place, probe in enumerate(self._probes):
                for begin in self._due(host.name, probe, (place + 0.5) / len(self._probes)):
                    jobs.append(self._ask(line, host, probe, begin))
        began = time.monotonic()
        answers = await asyncio.gather(*jobs)
        await asyncio.sleep(max(0.0, self._tick - (time.monotonic() - began)))
        return {host.name: [one for one in answers if one.host == host.name] for host in hosts}

    def _due(self, host: str, probe: Probe, phase: float) -> list[float]:
        """When in this tick a probe is asked. A slow one is asked in its first tick, so that the baseline has it."""
        share = probe.rate * self._tick
        credit = self._credit.get((host, probe.name), max(0.0, 1.0 - share)) + share
        times = int(credit + 1e-9)
        self._credit[host, probe.name] = credit - times
        return [SPREAD * self._tick * (number + phase) / times for number in range(times)]

    async def _ask(self, line: Line, host: Host, probe: Probe, delay: float) -> Asked:
        """One probe; a cacheable one is asked a second time at once. Never raises but for cancellation."""
        await asyncio.sleep(delay)
        try:
            first = await self._answer(line, host, probe)
            if first.error or not probe.cacheable:
                return Asked(host.name, probe, first.error, first.ms)
            second = await self._answer(line, host, probe)
        except Exception as error:  # ours, not the host's: it must not count against the host nor end the tick
            reason = str(error) if isinstance(error, Unsendable) else f"internal error: {http.describe(error)}"
            self._say(reason)
            return Asked(host.name, probe, reason, 0.0, unsent=True)
        if second.error:
            return Asked(host.name, probe, f"the immediate re-fetch: {second.error}", first.ms)
        if second.hit is None:
            self._say(f"probe {probe.name}: {host.name} does not say whether an answer came from its cache")
        return Asked(host.name, probe, "", first.ms, True, second.hit)

    async def _answer(self, line: Line, host: Host, probe: Probe) -> Answer:
        async with line.slots:
            if probe.via == "ssh":
                if self._ssh is None:
                    raise Unsendable(f"probe {probe.name}: via: ssh is not possible here")
                return await asyncio.to_thread(self._ssh.ask, host, probe)
            name = host.address or host.name
            if name not in self._addresses:  # looked up once: a name must not move between two probes
                self._addresses[name] = await asyncio.to_thread(http.resolve, name)
            return await http.fetch(line.client, http.target(host, probe, self._addresses[name]), probe)

    def _sum(self, found: list[Asked]) -> HostSample | None:
        """What one host gave in this tick; None when nothing could be sent although something was due. Advisory probes
        count only where no probe is required; a failed one takes its time-out."""
        asked = [one for one in found if not one.unsent]
        if found and not asked:
            return None
        strict = any(probe.level == "required" for probe in self._probes)
        judged = [one for one in asked if one.probe.level == "required" or not strict]
        required = [one for one in asked if one.probe.level == "required"]
        again = [one for one in asked if one.refetched]
        told = [one for one in again if one.hit is not None]
        unknown = not any(probe.cacheable for probe in self._probes) or (bool(again) and not told)
        return HostSample(
            n=len(judged),
            err=sum(bool(one.failure) for one in judged),
            lat=tuple(one.probe.timeout * 1000 if one.failure else one.ms for one in judged),
            rehit_n=None if unknown else len(told),
            rehit_bad=None if unknown else sum(not one.hit for one in told),
            required_err={one.probe.name: one.failure for one in reversed(required) if one.failure},
            required_ok=frozenset(one.probe.name for one in required if not one.failure),
        )

    def _say(self, text: str) -> None:
        """Once each."""
        if text not in self._said:
            self._said.add(text)
            self._notice(text)

    def _line_now(self) -> Line:
        assert self._line is not None
        return self._line

    def _run(self, job: Coroutine[object, object, T]) -> T:
        if self._line is None:
            self._line = Line(self._most)
        return self._line.run(job)

    def close(self) -> None:
        """Ends the loop and its thread; a later sample starts them again."""
        line, self._line = self._line, None
        if line:
            line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Line:
    """An event loop in a thread of its own with one HTTP client."""

    def __init__(self, most: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="probes", daemon=True)
        self._thread.start()
        self.client, self.slots = self.run(self._prepare(most))

    async def _prepare(self, most: int) -> tuple[httpx.AsyncClient, asyncio.Semaphore]:
        return http.make_client(), asyncio.Semaphore(most)

    def run(self, job: Coroutine[object, object, T]) -> T:
        """Run `job` on the loop and wait; a Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(job, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends the loop, two seconds at most."""

        async def finish() -> None:
            await self.client.aclose()
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(finish(), self._loop)
        self._thread.join(2.0)
        if not self._thread.is_alive():
            self._loop.close()
