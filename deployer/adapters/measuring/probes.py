"""Probes: every probe of a health check on every host, at its rate, second by second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from deployer.adapters.http import request as http
from deployer.adapters.http.loop import Loop, Looping
from deployer.adapters.http.over_ssh import SshProber
from deployer.adapters.http.request import Answer, Unsendable
from deployer.adapters.measuring.fresh import Fresh
from deployer.adapters.measuring.lateness import Late, Watch
from deployer.adapters.measuring.tally import Asked, CheckResult, add_up, own
from deployer.model.fleet import Host
from deployer.model.sample import Sample
from deployer.model.schema.health import HealthCheck, Probe, merge
from deployer.remote.logs import Counts

T = TypeVar("T")
SPREAD = 0.8  # of a tick in which its requests begin; the rest is for the last answers
STORED = 0.1  # seconds that a cache may take to keep what it answered with


class HttpProbes(Looping):
    """notice: told, once each, what cannot be measured and why. ssh: sends the probes with `via: ssh`.
    tick: seconds. most: requests under way at once. own: what the probes of the last tick added to each host's
    counters. Not to be shared between threads; close it at the end."""

    def __init__(
        self,
        checks: HealthCheck | Sequence[HealthCheck],
        notice: Callable[[str], None] = lambda text: None,
        ssh: SshProber | None = None,
        tick: float = 1.0,
        most: int = 64,
    ) -> None:
        super().__init__(most)
        self._probes = (checks if isinstance(checks, HealthCheck) else merge(checks)).probes
        self._notice, self._ssh, self._tick = notice, ssh, tick
        self._said: set[str] = set()
        self._credit: dict[tuple[str, str], float] = {}
        self._addresses: dict[str, str] = {}
        self._turn, self._factor = 0, 1.0
        self._fresh = Fresh(self._probes)
        self.own: dict[str, Counts] = {}

    def sample(self, hosts: Sequence[Host], t: float) -> Sample:
        """One tick. A host that could not be asked is None; with no probes at all the sample names no host. Waits for
        the last answer, so every figure belongs to the tick in which it was asked for. Where this machine was too busy,
        how long they took is not known. Never raises."""
        if not self._probes:
            return Sample(t, {})
        try:
            loop = self.loop  # a job that is at work when it is closed begins no other one
            asked, late = loop.run(self._second(loop, list(hosts), t))
        except Exception as error:
            self._say(f"probes could not be sent: {http.describe(error)}")
            return Sample(t, {host.name: None for host in hosts})
        self.own = {name: own(answers) for name, answers in asked.items()}
        found = {name: add_up(self._probes, answers, bool(late.starved)) for name, answers in asked.items()}
        return Sample(t, found, late=late.worst * 1000.0, starved=late.starved)

    def settle(self, before: Sequence[Sample], deciding: Sequence[str]) -> Sequence[Sample]:
        """Whether the hosts keep new pages, which they are judged by from now on."""
        settled, said = self._fresh.settle(before, deciding)
        for text in said:
            self._say(text)
        return settled

    def faster(self, factor: float) -> None:
        """From now on every probe is asked so many times as often as its rate says."""
        self._factor = factor

    def once(self, hosts: Sequence[Host], only: Collection[tuple[str, str]] | None = None) -> tuple[CheckResult, ...]:
        """Every probe once on every host, now. only: these (host, probe) alone."""
        asked = [(h, p) for h in hosts for p in self._probes if only is None or (h.name, p.name) in only]
        loop = self.loop
        found, late = loop.run(self._once(loop, asked))
        return tuple(
            CheckResult(one.host, one.probe.name, one.probe.level, one.failure, one.ms, one.hit,
                        one.timed_out and bool(late.starved))
            for one in found
        )  # fmt: skip

    async def _once(self, loop: Loop, asked: Sequence[tuple[Host, Probe]]) -> tuple[list[Asked], Late]:
        watch = Watch()
        beat = asyncio.create_task(watch.beat())
        try:
            return list(
                await asyncio.gather(*(self._ask(loop, host, probe, 0.0) for host, probe in asked))
            ), watch.end()
        finally:
            beat.cancel()

    async def _second(self, loop: Loop, hosts: list[Host], t: float) -> tuple[dict[str, list[Asked]], Late]:
        """One tick: every probe as often as its rate says (fractions are carried over), spread over the tick. Who is
        asked first waits until the others are asked, too: every host in its turn."""
        jobs, watch = [], Watch()
        beat = asyncio.create_task(watch.beat())
        self._turn += 1
        first, new = self._turn % max(1, len(hosts)), self._fresh.due(t, self._tick)
        for host in hosts[first:] + hosts[:first]:
            for place, probe in enumerate(self._probes):
                for begin in self._due(host.name, probe, (place + 0.5) / len(self._probes)):
                    jobs.append(self._ask(loop, host, probe, begin))
            if new:
                jobs.append(self._ask_new(loop, host, new, SPREAD * self._tick / 2))
        began = time.monotonic()
        try:
            answers = await asyncio.gather(*jobs)
            await asyncio.sleep(max(0.0, self._tick - (time.monotonic() - began)))
        finally:
            beat.cancel()
        self._fresh.note([one for one in answers if one.fresh])
        return {host.name: [one for one in answers if one.host == host.name] for host in hosts}, watch.end()

    def _due(self, host: str, probe: Probe, phase: float) -> list[float]:
        """When in this tick a probe is asked. A slow one is asked in its first tick, so that the baseline has it."""
        share = self._factor * probe.rate * self._tick
        credit = self._credit.get((host, probe.name), max(0.0, 1.0 - share)) + share
        times = int(credit + 1e-9)
        self._credit[host, probe.name] = credit - times
        return [SPREAD * self._tick * (number + phase) / times for number in range(times)]

    async def _ask(self, loop: Loop, host: Host, probe: Probe, delay: float) -> Asked:
        """One probe; a cacheable one is asked a second time at once. Never raises but for cancellation."""
        await asyncio.sleep(delay)
        try:
            first = await self._answer(loop, host, probe)
            if first.error or not probe.cacheable:
                return Asked(host.name, probe, first.error, first.ms, timed_out=first.timed_out, answers=(first,))
            second = await self._answer(loop, host, probe)
        except Exception as error:
            return self._unsent(host, probe, error)
        both = (first, second)
        if second.error:
            text, late = f"the immediate re-fetch: {second.error}", second.timed_out
            return Asked(host.name, probe, text, first.ms, timed_out=late, answers=both)
        return Asked(host.name, probe, "", first.ms, True, second.hit, answers=both)

    async def _ask_new(self, loop: Loop, host: Host, probe: Probe, delay: float) -> Asked:
        """The same for a URL never asked before; a moment lies between the two."""
        await asyncio.sleep(delay)
        try:
            first = await self._answer(loop, host, probe)
            if first.error or first.hit:
                found = Asked(host.name, probe, first.error, first.ms, fresh=True, answers=(first,))
                return replace(found, was_there=not first.error, timed_out=first.timed_out)
            await asyncio.sleep(STORED)
            second = await self._answer(loop, host, probe)
        except Exception as error:
            return replace(self._unsent(host, probe, error), fresh=True)
        found = Asked(host.name, probe, second.error, first.ms, True, second.hit, fresh=True, answers=(first, second))
        return replace(found, timed_out=second.timed_out)

    def _unsent(self, host: Host, probe: Probe, error: Exception) -> Asked:
        """Ours, not the host's: it must not count against the host nor end the tick."""
        reason = str(error) if isinstance(error, Unsendable) else f"internal error: {http.describe(error)}"
        self._say(reason)
        return Asked(host.name, probe, reason, 0.0, unsent=True)

    async def _answer(self, loop: Loop, host: Host, probe: Probe) -> Answer:
        async with loop.slots:
            if probe.via == "ssh":
                if self._ssh is None:
                    raise Unsendable(f"probe {probe.name}: via: ssh is not possible here")
                return await asyncio.to_thread(self._ssh.ask, host, probe)
            name = host.address or host.name
            if name not in self._addresses:  # looked up once: a name must not move between two probes
                self._addresses[name] = await asyncio.to_thread(http.resolve, name)
            return await http.fetch(loop.client, http.target(host, probe, self._addresses[name]), probe)

    def _say(self, text: str) -> None:
        """Once each."""
        if text not in self._said:
            self._said.add(text)
            self._notice(text)
