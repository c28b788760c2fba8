"""An origin that simulates a shop with a database: `python -m deployer.adapters.sandbox.origin --port 8080`.

Every page costs database queries and a few milliseconds. The database works on few queries at once, so too many of
them make every page slow: the founding incident in small. `/_stats` answers {"requests": n, "queries": n}.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUERIES_AT_ONCE, QUERY_SECONDS = 4, 0.004


class Shop(ThreadingHTTPServer):
    """Counts what it serves."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Page)
        self.database = threading.Semaphore(QUERIES_AT_ONCE)
        self.guard = threading.Lock()
        self.requests = self.queries = 0

    def query(self, times: int) -> None:
        """`times` queries, each waiting for its turn."""
        for _ in range(times):
            with self.database:
                time.sleep(QUERY_SECONDS)
        with self.guard:
            self.requests += 1
            self.queries += times


class Page(BaseHTTPRequestHandler):
    """/ and /product/N are cacheable; /_stats is not and costs nothing."""

    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        """One page."""
        if self.path == "/_stats":
            body = json.dumps({"requests": self.server.requests, "queries": self.server.queries}).encode()
            return self.answer(200, body, "no-store")
        if self.path != "/" and not self.path.startswith(("/product/", "/category/")):
            return self.answer(404, b"no such page\n", "no-store")
        self.server.query(3 if self.path == "/" else 2)
        return self.answer(200, f"<h1>{self.path}</h1>\n".encode() * 20, "max-age=600")

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
    """Serve until the parent is gone or --seconds have passed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--folder", default="", help="only so that the process can be told apart")
    options = parser.parse_args()
    shop, parent, end = Shop(options.port), os.getppid(), time.monotonic() + options.seconds
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    while os.getppid() == parent and time.monotonic() < end:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
