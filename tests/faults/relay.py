"""A TCP relay before one host's sshd: lets through, cuts, swallows, slows. What a bad network does, without root."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

CHUNK = 16384


@dataclass
class Pair:
    """One connection: the deployer's side and sshd's."""

    near: socket.socket
    far: socket.socket
    queue: list[tuple[float, socket.socket, bytes]] = field(default_factory=list)

    def close(self, reset: bool = False) -> None:
        for side in (self.near, self.far):
            with contextlib.suppress(OSError):
                if reset:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.close()


class Relay:
    """mode: pass; silent (both ways swallowed, the connection stays open); deaf (nothing from the host arrives);
    slow (each piece 0.3 s late); refuse (new connections are closed at once). Thread safe enough: one word is set."""

    def __init__(self, target: int, address: str = "127.0.0.1") -> None:
        self.target, self.mode = (address, target), "pass"
        self.port = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._pairs: list[Pair] = []
        self._guard = threading.Lock()
        self._stop = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """RST on every open connection; new ones are let through."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.close(reset=True)

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.mode == "refuse":
                Pair(near, near).close(reset=True)
                continue
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                near.close()
                continue
            pair = Pair(near, far)
            with self._guard:
                self._pairs.append(pair)
            threading.Thread(target=self._carry, args=(pair,), daemon=True).start()

    def _carry(self, pair: Pair) -> None:
        """Until one side ends."""
        with selectors.DefaultSelector() as ready:
            try:
                for side, other in ((pair.near, pair.far), (pair.far, pair.near)):
                    ready.register(side, selectors.EVENT_READ, other)
                while not self._stop.is_set():
                    self._turn(pair, ready)
            except (OSError, ValueError, EOFError):
                pass
        pair.close()

    def _turn(self, pair: Pair, ready: selectors.BaseSelector) -> None:
        for key, _ in ready.select(0.05):
            data = key.fileobj.recv(CHUNK)  # type: ignore[union-attr]
            if not data:
                raise EOFError
            if self.mode == "silent" or (self.mode == "deaf" and key.fileobj is pair.far):
                continue
            pair.queue.append((time.monotonic() + (0.3 if self.mode == "slow" else 0.0), key.data, data))
        while pair.queue and pair.queue[0][0] <= time.monotonic():
            _, to, data = pair.queue.pop(0)
            to.sendall(data)
