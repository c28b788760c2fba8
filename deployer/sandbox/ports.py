"""Ports of loopback that no other sandbox on this machine is given, in whatever process it runs.

A port that was free a moment ago may be another's by the time its server starts. So a process takes whole blocks of
ports: it binds the first port of a block and keeps it until it ends, and gives out the others.
"""

from __future__ import annotations

import random
import socket
import threading
from collections import deque

from deployer.model.errors import DeployError

FIRST, LAST, BLOCK = 20000, 31999, 500  # below the range from which outgoing connections are given theirs


def _bound(port: int) -> socket.socket | None:
    """A socket that has the port; None when somebody else has it."""
    found = socket.socket()
    try:
        found.bind(("127.0.0.1", port))
    except OSError:
        found.close()
        return None
    return found


class Ports:
    """The ports of one process, given out in turn: one comes again when all others of its blocks have been given."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []
        self._turn: deque[int] = deque()
        self._guard = threading.Lock()

    def free(self) -> int:
        """A port on which nothing listens; DeployError when there is none."""
        with self._guard:
            while True:
                for _ in range(len(self._turn)):
                    self._turn.rotate(-1)
                    if probe := _bound(self._turn[-1]):
                        probe.close()
                        return self._turn[-1]
                self._claim()

    def _claim(self) -> None:
        starts = list(range(FIRST, LAST, BLOCK))
        random.shuffle(starts)
        for start in starts:
            if held := _bound(start):
                self._held.append(held)
                self._turn.extend(range(start + 1, start + BLOCK))
                return
        raise DeployError("cannot find a free port on loopback")


free_port = Ports().free


def listening(port: int, address: str = "127.0.0.1") -> bool:
    """Does something accept on address:port?"""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0
