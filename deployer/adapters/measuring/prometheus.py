"""A figure from a Prometheus server: an instant query that gives one number (HTTP API, /api/v1/query)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from deployer.adapters.http import request as http
from deployer.model.errors import HostError

TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class QueryReader:
    """Satisfies adapters.poll.Reader."""

    url: str
    query: str
    follows: bool = False
    slow: bool = False

    def read(self) -> float:
        """The value now. Raises HostError: nobody answers, the query is refused, it gives nothing, NaN or too much."""
        status, body = http.get(f"{self.url}/api/v1/query", {"query": self.query}, TIMEOUT)
        return value(status, body)


def value(status: int, body: bytes) -> float:
    """The one number of an answer: a scalar, or a vector with one series. Raises HostError."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or "status" not in said:
        raise HostError(f"Prometheus gave no answer to the query (HTTP {status})")
    if said["status"] != "success":
        raise HostError(f"Prometheus refused the query: {str(said.get('error', 'no reason given'))[:200]}")
    try:
        kind, result = said["data"]["resultType"], said["data"]["result"]
        if kind == "vector" and not result:
            raise HostError("the query gives no data")
        if kind == "vector" and len(result) > 1:
            raise HostError(f"the query gives {len(result)} series; make it one with sum(...)")
        point = result[0]["value"] if kind == "vector" else result
        number = float(point[1])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise HostError("the query gives no single number; ask for an instant vector or a scalar") from None
    if not math.isfinite(number) or number < 0:
        raise HostError(f"the query gives {number}")
    return number
