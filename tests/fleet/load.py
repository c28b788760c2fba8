"""Bounded load on one port of loopback, from a thread of its own: what visitors get while a release is switched."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections import Counter
from types import TracebackType

from deployer.services.headers import cache_hit

RATE, SECONDS = 80, 120.0


class Load:
    """A new connection per request, `rate` a second for `seconds` at most, for one of `pages` in turn. counts: `ok`, or
    why a request was not answered with 200."""

    def __init__(self, port: int, pages: int = 5, rate: int = RATE, seconds: float = SECONDS) -> None:
        self.port, self.pages, self.counts = port, pages, Counter[str]()
        self.rate, self.seconds = rate, seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._drive()), daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    @property
    def failed(self) -> int:
        return sum(self.counts.values()) - self.counts["ok"]

    async def _drive(self) -> None:
        began, sent, tasks = time.monotonic(), 0, set[asyncio.Task[None]]()
        while not self._end.is_set() and time.monotonic() - began < self.seconds:
            due = int((time.monotonic() - began) * self.rate)
            for number in range(sent, min(due, sent + self.rate)):
                task = asyncio.create_task(self._visit(f"/product/{number % self.pages}"))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            sent = due
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)

    async def _visit(self, path: str) -> None:
        try:
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: shop\r\nUser-Agent: load\r\nConnection: close\r\n\r\n".encode()
                )
                answer = await reader.read(64)
                while await reader.read(65536):
                    pass
                writer.close()
            status = answer.split(b" ")[1:2]
            self.counts["ok" if status == [b"200"] else f"status {status}"] += 1
        except (OSError, TimeoutError) as error:
            self.counts[type(error).__name__] += 1


def hit_ratio(port: int, first: int, pages: int = 25) -> float:
    """Each page once: the share that came from the cache. Pages that no other load asks for."""
    hits = 0
    for number in range(first, first + pages):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/product/{number}", headers={"Host": "shop"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
            hits += bool(cache_hit(answer.headers))
    return hits / pages
