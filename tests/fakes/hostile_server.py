"""SSH servers that break the protocol, in this process: what a host can do whose sshd is not OpenSSH's."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import paramiko

from deployer.remote.words import FRAME

KEY = paramiko.RSAKey.generate(2048)


class Accepts(paramiko.ServerInterface):
    """Lets everybody in, opens every channel; `on_exec` decides what becomes of a command."""

    def __init__(self, on_exec: Callable[[paramiko.Channel, bytes], bool]) -> None:
        self._on_exec = on_exec

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return int(paramiko.common.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.common.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return self._on_exec(channel, command)


class Server:
    """port: on 127.0.0.1. Every connection is handled by `handle` in a thread of its own until `stop` is set."""

    def __init__(self, handle: Callable[[socket.socket, threading.Event], None]) -> None:
        self.stop = threading.Event()
        self._handle = handle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self.stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._guarded, args=(sock,), daemon=True).start()

    def _guarded(self, sock: socket.socket) -> None:
        try:
            self._handle(sock, self.stop)
        except (OSError, EOFError, paramiko.SSHException):
            return

    def close(self) -> None:
        self.stop.set()
        self._listener.close()
        for sock in self._open:
            sock.close()


@contextmanager
def serving(handle: Callable[[socket.socket, threading.Event], None]) -> Iterator[Server]:
    server = Server(handle)
    try:
        yield server
    finally:
        server.close()


def speaking(on_exec: Callable[[paramiko.Channel, bytes], bool]) -> Callable[[socket.socket, threading.Event], None]:
    """A server that speaks SSH as far as `on_exec` lets it."""

    def handle(sock: socket.socket, stop: threading.Event) -> None:
        transport = paramiko.Transport(sock)
        transport.add_server_key(KEY)
        transport.start_server(server=Accepts(on_exec))
        stop.wait()
        transport.close()

    return handle


def never_replies(channel: paramiko.Channel, command: bytes) -> bool:
    """The request is read and not answered, nor is anything after it."""
    time.sleep(600)
    return True


def ignores_the_window(channel: paramiko.Channel, command: bytes) -> bool:
    """Data as fast as it can, whether there is room or not, from the first byte that it is sent; it reads no more."""

    def flood() -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            channel.sendall(FRAME)
            channel.recv(1)
            while channel.transport.is_active():
                message = paramiko.Message()
                message.add_byte(paramiko.common.cMSG_CHANNEL_DATA)
                message.add_int(channel.remote_chanid)
                message.add_string(b"{" * 32000)
                channel.transport._send_user_message(message)

    threading.Thread(target=flood, daemon=True).start()
    return True


def greets_for_ever(sock: socket.socket, stop: threading.Event) -> None:
    """One line that does not end."""
    while not stop.is_set():
        sock.sendall(b"x" * 4096)


def greets_in_drips(sock: socket.socket, stop: threading.Event) -> None:
    """A line now and then that is not the greeting."""
    while not stop.wait(0.2):
        sock.sendall(b"not yet\r\n")


def announces_a_giant(sock: socket.socket, stop: threading.Event) -> None:
    """A greeting, then a packet of nearly 4 GiB."""
    sock.sendall(b"SSH-2.0-giant\r\n" + struct.pack(">I", 0xFFFFFFF4) + b"\0" * 4)
    while not stop.is_set():
        sock.sendall(b"\0" * 65536)
