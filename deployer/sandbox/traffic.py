"""Steady Zipf traffic over a fleet: `python -m deployer.sandbox.traffic --ports 1,2 --rate 20 --out FILE`.

Bounded in rate, count and time. FILE always holds {port: {requests, errors, hit, miss, bypass, slowest_ms}}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

PAGES, SKEW = 200, 1.1


def page(chance: random.Random, weights: list[float], carts: float) -> str:
    """A page: few are asked for often, many seldom (Zipf), and for `carts` of all one that no cache keeps."""
    if chance.random() < carts:
        return "/cart"
    rank = chance.choices(range(PAGES), weights)[0]
    return "/" if rank == 0 else f"/product/{rank}"


async def visit(port: int, path: str, counts: Counter[str]) -> None:
    """One request on a connection of its own."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nUser-Agent: visitor\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(65536), 5)
        writer.close()
        head = answer.split(b"\r\n\r\n")[0].decode(errors="replace").lower()
        counts["errors"] += " 200 " not in head.split("\r\n")[0]
        for word in ("hit", "miss", "bypass"):
            counts[word] += f"x-cache-status: {word}" in head
    except (OSError, TimeoutError):
        counts["errors"] += 1
    counts["requests"] += 1
    counts["slowest_ms"] = max(counts["slowest_ms"], int((time.monotonic() - began) * 1000))


async def drive(ports: list[int], rate: float, seconds: float, out: Path, carts: float) -> None:
    """`rate` requests a second on every port, for `seconds`, until the parent is gone."""
    counts: dict[int, Counter[str]] = {port: Counter() for port in ports}
    chance, weights = random.Random(7), [1 / (rank + 1) ** SKEW for rank in range(PAGES)]  # noqa: S311
    parent, began, sent, tasks = os.getppid(), time.monotonic(), 0, set[asyncio.Task[None]]()
    while time.monotonic() - began < seconds and os.getppid() == parent:
        due = int((time.monotonic() - began) * rate)
        for _ in range(min(due - sent, 100)):
            for port in ports:
                task = asyncio.create_task(visit(port, page(chance, weights, carts), counts[port]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            sent += 1
        sent = max(sent, due)
        draft = out.with_suffix(f".{os.getpid()}")  # others may write to `out`, too
        draft.write_text(json.dumps({str(port): dict(c) for port, c in counts.items()}))
        draft.rename(out)
        await asyncio.sleep(0.05)


def main() -> None:
    """Parse and drive."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", required=True)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--carts", type=float, default=0.0)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    ports = [int(port) for port in options.ports.split(",")]
    asyncio.run(drive(ports, min(options.rate, 200.0), min(options.seconds, 3600.0), Path(options.out), options.carts))


if __name__ == "__main__":
    main()
