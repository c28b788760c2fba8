"""An origin that simulates a shop with a database: `python -m deployer.sandbox.origin --port 8080`.

Every page costs database queries and a few milliseconds. The database works on few queries at once, so too many of
them make every page slow: the founding incident in small. `/_stats` answers {"requests": n, "queries": n}, `/metrics`
the same in Prometheus' text format, `/api/v1/query` as much of Prometheus' HTTP API as one query needs, and `/_pause`
takes PAUSE_SECONDS and costs the database nothing.

A request header that a configuration sets stages one effect alone: `X-Shop-Mode: slow` (pages take longer), `flaky`
(one page in fifty fails), `heavy` (fifty times the queries, in no more time: one for each thing on the page).
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import zlib
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

QUERIES_AT_ONCE, QUERY_SECONDS, SLOW_SECONDS, PAUSE_SECONDS = 4, 0.004, 0.15, 0.06
HEAVY, FLAKY = 50, 50
COUNTERS = ("shop_requests_total", "shop_queries_total")
CART = "/cart"
KEPT = 11  # of the counters' past: rate(...) is taken over five seconds


def cache_control(path: str) -> str:
    """5 to 15 minutes, another for each page: what was fetched together does not expire together. Never the cart."""
    return "no-store" if path == CART else f"max-age={300 + zlib.crc32(path.encode()) % 600}"


class Shop(ThreadingHTTPServer):
    """Counts what it serves. history: (time, requests, queries), twice a second."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Page)
        self.database = threading.Semaphore(QUERIES_AT_ONCE)
        self.guard = threading.Lock()
        self.requests = self.queries = 0
        self.history: deque[tuple[float, int, int]] = deque(maxlen=KEPT)

    def handle_error(self, request: object, client_address: object) -> None:
        """A proxy that hangs up is no error of ours."""

    def query(self, times: int, counted: int) -> None:
        """`times` queries, each waiting for its turn; `counted` of them are counted."""
        for _ in range(times):
            with self.database:
                time.sleep(QUERY_SECONDS)
        with self.guard:
            self.requests += 1
            self.queries += counted

    def note(self) -> None:
        """Remember the counters as they are now."""
        with self.guard:
            self.history.append((time.monotonic(), self.requests, self.queries))

    def value(self, query: str) -> float | None:
        """One of COUNTERS, or rate(...) of one; None for anything else."""
        column = next((number for number, name in enumerate(COUNTERS, 1) if name in query), 0)
        if not column:
            return None
        with self.guard:
            now = (time.monotonic(), self.requests, self.queries)
            first = self.history[0] if self.history else now
        if "rate(" not in query:
            return float(now[column])
        return (now[column] - first[column]) / max(0.5, now[0] - first[0])


class Page(BaseHTTPRequestHandler):
    """/ and /product/N are cacheable; the cart and what begins with _ is not."""

    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        """One page, or one of the figures."""
        path = urlsplit(self.path).path
        if path in ("/", CART) or path.startswith(("/product/", "/category/")):
            return self.page(path, self.headers.get("X-Shop-Mode", ""))
        found = self.figures(path)
        if found is None:
            return self.answer(404, b"no such page\n", "no-store")
        return self.answer(200, found.encode(), "no-store")

    def figures(self, path: str) -> str | None:
        """What the shop says of itself; None for no such path."""
        shop = self.server
        if path == "/_stats":
            return json.dumps({"requests": shop.requests, "queries": shop.queries})
        if path == "/metrics":
            lines = zip(COUNTERS, (shop.requests, shop.queries), strict=True)
            return "".join(f"# TYPE {name} counter\n{name} {value}\n" for name, value in lines)
        if path == "/api/v1/query":
            value = shop.value(parse_qs(urlsplit(self.path).query).get("query", [""])[0])
            result = [] if value is None else [{"metric": {}, "value": [time.time(), str(value)]}]
            return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})
        if path == "/_pause":
            time.sleep(PAUSE_SECONDS)
            return ""
        return None

    def page(self, path: str, mode: str) -> None:
        """Costs the database something."""
        times = 3 if path == "/" else 2
        self.server.query(times, times * HEAVY if mode == "heavy" else times)
        if mode == "slow":
            time.sleep(SLOW_SECONDS)
        if mode == "flaky" and self.server.requests % FLAKY == 0:
            return self.answer(503, b"out of luck\n", "no-store")
        return self.answer(200, f"<h1>{path}</h1>\n".encode() * 20, cache_control(path))

    def answer(self, status: int, body: bytes, cache: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", cache)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


def main() -> None:
    """Serve until the parent is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ready", type=Path, help="a file that is there as soon as the port is ours")
    options = parser.parse_args()
    shop, parent = Shop(options.port), os.getppid()
    if options.ready:
        options.ready.touch()
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    while os.getppid() == parent:
        shop.note()
        time.sleep(0.5)


if __name__ == "__main__":
    main()
