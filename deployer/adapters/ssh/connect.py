"""Opening SSH connections: gateways first, keys checked on every hop, all before one moment.

Fabric's Connection over a paramiko client of our own: Fabric adds any host key it meets, so its client is replaced
before it opens, on gateways too.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import TYPE_CHECKING

from deployer.adapters.ssh.auth import LogIn
from deployer.adapters.ssh.config import Target, resolve
from deployer.adapters.ssh.dial import Proxied, dial
from deployer.adapters.ssh.host_keys import asking_for, reason, strict_client
from deployer.adapters.ssh.known_hosts import Line, read_known_hosts
from deployer.model.errors import DeployError, Unreachable
from deployer.model.fleet import Host

if TYPE_CHECKING:
    import paramiko
    from fabric import Connection

TRIES, BACKOFF = 4, 0.5  # connections refused for want of a slot (MaxStartups) are tried again
MOMENT = 0.5  # seconds short of a deadline that still count as having waited for all of it


class Busy(Exception):
    """The server had no slot for us; worth another try."""


class Connector:
    """Thread safe: what is kept is what known_hosts files say, read once."""

    def __init__(self, config_file: str) -> None:
        self._config_file = config_file
        self._known: dict[tuple[str, ...], tuple[Line, ...]] = {}
        self._guard = threading.Lock()

    def open(self, host: Host, end: float, opened: list[Connection]) -> Connection:
        """A connection to `host`. opened: gets every hop as soon as there is one, so that another thread can sever
        what hangs. Raises Unreachable; nothing was sent."""
        try:
            target = resolve(host, self._config_file)
        except DeployError as error:
            raise Unreachable(error.message, sent=False) from None
        for attempt in range(TRIES):
            try:
                return self._connect(target, end, opened)
            except Busy as busy:
                if attempt == TRIES - 1 or time.monotonic() > end - BACKOFF:
                    raise Unreachable(
                        f"cannot connect to {target.hostname}:{target.port}: {busy}", sent=False
                    ) from None
                time.sleep(BACKOFF * 2**attempt)
        raise AssertionError("unreachable")

    def _connect(self, target: Target, end: float, opened: list[Connection]) -> Connection:
        from paramiko.ssh_exception import SSHException

        hops: list[Connection] = []
        for hop in (*target.jumps, target):
            connection = self._prepare(hop, hops[-1] if hops else None, end)
            opened.append(connection)
            if not hops:
                connection.connect_kwargs.update(_wire(hop, end))
            began, patience = time.monotonic(), connection.connect_timeout
            try:
                connection.open()
            except Exception as error:  # classified below: every failure here is before anything was sent
                waited = time.monotonic() - began
                shut(connection)
                mute = isinstance(error, SSHException) and any(
                    word in str(error) for word in ("banner", "No existing session")
                )
                wire = connection.connect_kwargs.get("sock")
                if isinstance(wire, Proxied):
                    why = f"{reason(error)} (ProxyCommand: {wire.said() or 'it complains of nothing'})"
                elif mute and waited < patience - MOMENT:
                    raise Busy("it does not greet as an SSH server, or has no free slot (MaxStartups)") from None
                else:
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
                "auth_strategy": LogIn(hop),
                "key_filename": [],  # never None: Fabric extends it
                "compress": hop.compress,
                "banner_timeout": left,
                "auth_timeout": left,
                "channel_timeout": left,
                "transport_factory": asking_for(hop, known),
            },
        )
        connection.client = strict_client(hop, known)
        return connection


def _wire(hop: Target, end: float) -> dict[str, socket.socket]:
    """Raises Unreachable."""
    try:
        wire = dial(hop, min(end, time.monotonic() + hop.connect_timeout))
    except OSError as error:
        why = reason(error)
        raise Unreachable(f"cannot connect to {hop.hostname}:{hop.port}: {why}", sent=False) from None
    return {} if wire is None else {"sock": wire}


def _tune(connection: Connection) -> None:
    """Small packets at once; a silent peer is noticed by the kernel (keepalive alone does not: FAULTS.md 4.2)."""
    transport = connection.transport
    transport.set_keepalive(10)
    sock = transport.sock
    if isinstance(sock, socket.socket) and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15000)


def session(connection: Connection, end: float) -> paramiko.Channel:
    """A session on an open connection. Raises Unreachable; nothing was sent."""
    from paramiko.ssh_exception import SSHException

    from deployer.adapters.ssh.bounds import WINDOW, bound

    transport = connection.client.get_transport()
    if transport is None or not transport.is_active():
        raise Unreachable("the connection is gone", sent=False)
    for attempt in range(TRIES):
        began, patience = time.monotonic(), max(1.0, min(10.0, end - time.monotonic()))
        try:
            return bound(transport.open_session(window_size=WINDOW, timeout=patience))
        except (SSHException, EOFError, OSError) as error:
            silent = time.monotonic() - began > patience - MOMENT  # not refused for want of a slot (MaxSessions)
            if attempt == TRIES - 1 or silent or not transport.is_active() or time.monotonic() > end - BACKOFF:
                raise Unreachable(f"cannot open a session: {error}", sent=False) from None
            time.sleep(BACKOFF * 2**attempt)
    raise AssertionError("unreachable")


def shut(connection: Connection) -> None:
    """Close without ceremony, the gateway first: what is closed through one that hangs would hang with it. Never
    waits for a peer."""
    try:
        if connection.gateway is not None and not isinstance(connection.gateway, str):
            shut(connection.gateway)
        connection.client.close()
    except Exception:  # it is going away either way
        logging.getLogger(__name__).debug("closing failed", exc_info=True)
