"""Requests that warm a cache: at a bounded rate and concurrency per host, over HTTP or from the host itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from deployer.adapters.http import request as http
from deployer.adapters.http.loop import Loop, Looping
from deployer.adapters.http.over_ssh import SshProber
from deployer.adapters.http.request import Answer, Unsendable
from deployer.model.errors import HostError
from deployer.model.fleet import Host
from deployer.model.schema.health import Probe
from deployer.model.schema.playbook import Warm
from deployer.model.warming import Batch


class HttpWarmer(Looping):
    """Satisfies engine.ports.Warmer. ssh: sends the requests of `via: ssh`. now: seconds, for the rate."""

    def __init__(self, settings: Warm, ssh: SshProber, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(64)
        self._settings, self._ssh, self._now = settings, ssh, now
        self._addresses: dict[str, str] = {}

    def ask(self, host: Host, urls: Sequence[str]) -> Batch:
        """All of `urls` once, `rate` a second at most, `concurrency` at a time. Raises HostError when none can be
        sent."""
        loop = self.loop
        return loop.run(self._batch(loop, host, urls))

    async def _batch(self, loop: Loop, host: Host, urls: Sequence[str]) -> Batch:
        slots, began = asyncio.Semaphore(self._settings.concurrency), self._now()

        async def one(number: int, url: str) -> Answer:
            await asyncio.sleep(max(0.0, began + number / self._settings.rate - self._now()))
            async with slots:
                return await self._answer(loop, host, url)

        try:
            answers = await asyncio.gather(*(one(number, url) for number, url in enumerate(urls)))
        except Unsendable as error:
            raise HostError(str(error)) from None
        fine = [answer for answer in answers if not answer.error]
        told = [answer for answer in fine if answer.hit is not None]
        return Batch(len(answers), len(answers) - len(fine), len(told), sum(bool(answer.hit) for answer in told))

    async def _answer(self, loop: Loop, host: Host, url: str) -> Answer:
        probe = Probe(name="warm", url=url, host=self._settings.host, timeout=10.0)
        if self._settings.via == "ssh":
            return await asyncio.to_thread(self._ssh.ask, host, probe)
        name = host.address or host.name
        if name not in self._addresses:
            self._addresses[name] = await asyncio.to_thread(http.resolve, name)
        return await http.fetch(loop.client, http.target(host, probe, self._addresses[name]), probe)
