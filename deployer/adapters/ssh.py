"""The SSH wire: one connection per host held for the whole deploy, one exec per command with everything on stdin.

Fabric's Connection over a paramiko client of our own: Fabric adds any host key it meets, so its client is replaced
before it opens, on gateways too. No SFTP, no pty, no agent forwarding; a deadline on every step.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.adapters.host_keys import asking_for, reason, strict_client
from deployer.adapters.known_hosts import Line, read_known_hosts
from deployer.adapters.ssh_config import Target, resolve
from deployer.adapters.ssh_keys import offered
from deployer.adapters.talk import ChannelTalk
from deployer.model.errors import DeployError, Unreachable
from deployer.model.fleet import Host
from deployer.remote.verbs import Command, as_root

if TYPE_CHECKING:
    import paramiko
    from fabric import Connection

MOST = 32 * 1024 * 1024  # bytes of an answer
TRIES, BACKOFF = 4, 0.5  # connections refused for want of a slot (MaxStartups) are tried again
MOMENT = 0.5  # seconds short of a deadline that still count as having waited for all of it


@dataclass(frozen=True, slots=True)
class Completed:
    """exit: None when the channel died without a status."""

    exit: int | None
    stdout: bytes
    stderr: bytes


class SshTransport:
    """Satisfies adapters.hosts.Transport. Thread safe: one lock per host, hosts never wait for each other."""

    def __init__(self, config_file: str = "", become_password: str | None = None) -> None:
        self._become_password = become_password
        self._config_file = config_file or os.environ.get("DEPLOY_SSH_CONFIG", "")
        self._connections: dict[str, Connection] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[tuple[str, ...], tuple[Line, ...]] = {}
        self._guard = threading.Lock()

    def run(self, host: Host, command: Command, fresh: bool = False) -> Completed:
        """Run `command.line` in the host's shell. Raises Unreachable; `sent` says whether anything may have run."""
        end = time.monotonic() + command.deadline
        if host.become and host.user != "root":
            command = as_root(command, self._become_password)
        channel = self._channel(host, fresh, end)
        try:
            return _exchange(channel, command, end)
        except TimeoutError:
            raise Unreachable(f"no answer within {command.deadline:.0f} s") from None
        except (OSError, EOFError) as error:
            raise Unreachable(f"the connection broke: {error or type(error).__name__}", cut=True) from None
        finally:
            channel.close()

    def talk(self, host: Host, command: Command) -> ChannelTalk:
        """Start `command` in the host's shell and keep it. Raises Unreachable."""
        channel = self._channel(host, False, time.monotonic() + command.deadline)
        try:
            channel.exec_command(command.line)
        except Exception as error:
            channel.close()
            raise Unreachable(f"cannot start a command: {error or type(error).__name__}") from None
        return ChannelTalk(channel)

    def close(self) -> None:
        """Close everything; never waits for a peer."""
        with self._guard:
            connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            _shut(connection)

    def _channel(self, host: Host, fresh: bool, end: float) -> paramiko.Channel:
        """A session on the held connection, or on a new one where that is gone or `fresh` asks for it."""
        with self._guard:
            import fabric  # noqa: F401  (by one thread: a hundred that import at once get half a module, gh-106176)

            lock = self._locks.setdefault(host.name, threading.Lock())
        with lock:
            held = self._connections.get(host.name)
            if held is not None and not fresh:
                try:
                    return _session(held, end)
                except Unreachable:
                    _shut(held)
            opened = self._open(host, end)
            session = _session(opened, end)
            with self._guard:
                self._connections[host.name] = opened
            if held is not None:
                _shut(held)
            return session

    def _open(self, host: Host, end: float) -> Connection:
        try:
            target = resolve(host, self._config_file)
        except DeployError as error:
            raise Unreachable(error.message, sent=False) from None
        for attempt in range(TRIES):
            try:
                return self._connect(target, end)
            except _Busy as busy:
                if attempt == TRIES - 1 or time.monotonic() > end - BACKOFF:
                    raise Unreachable(
                        f"cannot connect to {target.hostname}:{target.port}: {busy}", sent=False
                    ) from None
                time.sleep(BACKOFF * 2**attempt)
        raise AssertionError("unreachable")

    def _connect(self, target: Target, end: float) -> Connection:
        from paramiko.ssh_exception import SSHException

        hops: list[Connection] = []
        for hop in (*target.jumps, target):
            connection = self._prepare(hop, hops[-1] if hops else None, end)
            began, patience = time.monotonic(), connection.connect_timeout
            try:
                connection.open()
            except Exception as error:  # classified below: every failure here is before anything was sent
                waited = time.monotonic() - began
                for opened in (connection, *reversed(hops)):
                    _shut(opened)
                mute = isinstance(error, SSHException) and any(
                    word in str(error) for word in ("banner", "No existing session")
                )
                if mute and waited < patience - MOMENT:
                    raise _Busy("it does not greet as an SSH server, or has no free slot (MaxStartups)") from None
                why = f"it takes the connection and says nothing for {patience:.0f} s" if mute else reason(error)
                raise Unreachable(f"cannot connect to {hop.hostname}:{hop.port}: {why}", sent=False) from None
            hops.append(connection)
            _tune(connection)
        return hops[-1]

    def _prepare(self, hop: Target, gateway: Connection | None, end: float) -> Connection:
        from fabric import Config, Connection
        from paramiko.config import SSHConfig

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        left = max(1.0, min(hop.connect_timeout, end - time.monotonic()))
        with self._guard:
            if hop.known_hosts not in self._known:
                self._known[hop.known_hosts] = read_known_hosts(hop.known_hosts)
        known = self._known[hop.known_hosts]
        connection = Connection(
            hop.hostname,
            user=hop.user,
            port=hop.port,
            gateway=gateway,
            connect_timeout=left,
            config=Config(ssh_config=SSHConfig()),
            connect_kwargs={
                **offered(hop),
                "banner_timeout": left,
                "auth_timeout": left,
                "channel_timeout": left,
                "transport_factory": asking_for(hop, known),
            },
        )
        connection.client = strict_client(hop, known)
        return connection


class _Busy(Exception):
    """The server had no slot for us; worth another try."""


def _tune(connection: Connection) -> None:
    """Small packets at once; a silent peer is noticed by the kernel (keepalive alone does not: FAULTS.md 4.2)."""
    transport = connection.transport
    transport.set_keepalive(10)
    sock = transport.sock
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15000)


def _session(connection: Connection, end: float) -> paramiko.Channel:
    from paramiko.ssh_exception import SSHException

    transport = connection.client.get_transport()
    if transport is None or not transport.is_active():
        raise Unreachable("the connection is gone", sent=False)
    for attempt in range(TRIES):
        began, patience = time.monotonic(), max(1.0, min(10.0, end - time.monotonic()))
        try:
            session: paramiko.Channel = transport.open_session(timeout=patience)
            return session
        except (SSHException, EOFError, OSError) as error:
            silent = time.monotonic() - began > patience - MOMENT  # not refused for want of a slot (MaxSessions)
            if attempt == TRIES - 1 or silent or not transport.is_active() or time.monotonic() > end - BACKOFF:
                raise Unreachable(f"cannot open a session: {error}", sent=False) from None
            time.sleep(BACKOFF * 2**attempt)
    raise AssertionError("unreachable")


def _exchange(channel: paramiko.Channel, command: Command, end: float) -> Completed:
    """Send the line and stdin, read both streams to the end, wait for the status; all before `end`."""
    channel.settimeout(max(0.1, end - time.monotonic()))
    channel.exec_command(command.line)
    try:
        channel.sendall(command.stdin)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:
        pass  # it answered without reading: what it said counts
    out, err = bytearray(), bytearray()
    while True:
        channel.settimeout(max(0.05, end - time.monotonic()))
        chunk = channel.recv(65536)
        out += chunk
        while channel.recv_stderr_ready() and len(err) < MOST:
            err += channel.recv_stderr(65536)
        if not chunk:
            break
        if len(out) > MOST or len(err) > MOST:
            raise OSError(f"it said more than {MOST >> 20} MiB")
        if time.monotonic() > end:  # who never stops talking never lets a read time out
            raise TimeoutError
    if not channel.status_event.wait(max(0.05, end - time.monotonic())):
        raise TimeoutError
    while channel.recv_stderr_ready() and len(err) < MOST:
        err += channel.recv_stderr(65536)
    status = channel.exit_status
    return Completed(None if status == -1 else status, bytes(out), bytes(err[:65536]))


def _shut(connection: Connection) -> None:
    """Close without ceremony; gateways too."""
    try:
        connection.client.close()
        if connection.gateway is not None and not isinstance(connection.gateway, str):
            _shut(connection.gateway)
    except Exception:  # it is going away either way
        logging.getLogger(__name__).debug("closing failed", exc_info=True)
