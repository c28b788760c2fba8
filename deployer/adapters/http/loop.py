"""An event loop with an HTTP client, for callers that are threads.

Ours and not anyio's portal: that one waits without a limit for its thread to end, and a way back is not to wait for a
name server.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from deployer.adapters.http import request as http

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Loop:
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
        """Ends the loop, two seconds at most; who waits for an answer in another thread waits no longer."""

        async def finish() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self.client.aclose()
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(finish(), self._loop)
        self._thread.join(2.0)
        if not self._thread.is_alive():
            self._loop.close()


class Looping:
    """Has a loop, which begins when it is first asked for. most: requests under way at once. Close it at the end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._loop: Loop | None = None
        self._beginning = threading.Lock()  # a warmer is asked by one thread a host

    @property
    def loop(self) -> Loop:
        """The one that runs, or a new one."""
        with self._beginning:
            self._loop = self._loop or Loop(self._most)
            return self._loop

    def close(self) -> None:
        """Ends the loop and its thread; who asks for it later begins another."""
        loop, self._loop = self._loop, None
        if loop:
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
