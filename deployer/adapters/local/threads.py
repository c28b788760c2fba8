"""Threads: a bounded pool for the fleet, and a pulse that beats beside the main line."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def make_executor(places: int) -> ThreadPoolExecutor:
    """At most so many hosts at a time; a stuck one holds one place until its deadline, never the others. Its threads
    are made as they are needed."""
    return ThreadPoolExecutor(max_workers=places, thread_name_prefix="host")


@contextmanager
def pulse(seconds: float, beat: Callable[[], None]) -> Iterator[None]:
    """Satisfies engine.ports.Pulse: `beat` every `seconds` until the context ends. A failing beat is logged and the
    next one comes; leaving waits for a beat in progress, two seconds at most."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            try:
                beat()
            except Exception:  # the next beat may succeed, and lost leases are noticed by the watch
                logging.getLogger(__name__).warning("a lease renewal failed", exc_info=True)

    thread = threading.Thread(target=run, name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2.0)
