"""The SSH wire: one connection per host held for the whole deploy, one exec per command with everything on stdin.

No SFTP, no pty, no agent forwarding. Every command has one absolute deadline, from the name of the host to the last
byte of the answer; a peer that holds a step of it up is severed.

What threads share here: which connections are held and the locks (below `_guard`); the held connections, the connector
and the errands, which are thread safe; paramiko's transports, which lock for themselves. A channel belongs to the one
command it was opened for.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.adapters.local.deadline import Errands
from deployer.adapters.ssh.connect import Connector, shut
from deployer.adapters.ssh.exchange import Completed, begin, exchange, left
from deployer.adapters.ssh.held import Held
from deployer.adapters.ssh.talk import MOMENT, ChannelTalk
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.remote.verbs import Command, as_root

if TYPE_CHECKING:
    import paramiko
    from fabric import Connection


@dataclass(slots=True)
class Attempt:
    """One command on its way. opened: what to sever when it hangs. sent: the host may have begun to run it."""

    host: Host
    end: float
    fresh: bool = False
    opened: list[Connection] = field(default_factory=list)
    sent: bool = False

    def sever(self) -> None:
        """Ends whatever waits for the peer."""
        for connection in self.opened:
            shut(connection)


class SshTransport:
    """Satisfies adapters.hosts.Transport. Thread safe; hosts never wait for each other."""

    def __init__(self, config_file: str = "", become_password: str | None = None) -> None:
        self._become_password = become_password
        self._connector = Connector(config_file or os.environ.get("DEPLOY_SSH_CONFIG", ""))
        self._errands = Errands()
        self._connections: dict[str, Held] = {}
        self._replaced: list[Held] = []  # those on which something may still run
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def run(self, host: Host, command: Command, fresh: bool = False) -> Completed:
        """Run `command.line` in the host's sh. Raises Unreachable; `sent` says whether anything may have run."""
        attempt = Attempt(host, time.monotonic() + command.deadline, fresh)
        if host.become and host.user != "root":
            command = as_root(command, self._become_password)

        def all_of_it() -> Completed:
            held, channel = self._channel(attempt)
            try:
                attempt.sent = True
                return exchange(channel, command, attempt.end)
            finally:
                channel.close()
                held.leave()

        try:
            return self._errands.within(command.deadline + MOMENT, all_of_it, attempt.sever)
        except Unreachable:
            raise
        except TimeoutError:
            raise _silent(command, attempt) from None
        except Exception as error:  # OSError, EOFError, SSHException, whatever it meets on this wire
            why = f"the connection broke: {str(error) or type(error).__name__}"
            raise Unreachable(why, sent=attempt.sent, cut=True) from None

    def talk(self, host: Host, command: Command) -> ChannelTalk:
        """Start `command` in the host's sh and keep it. Raises Unreachable."""
        attempt = Attempt(host, time.monotonic() + command.deadline)

        def start() -> tuple[Held, paramiko.Channel, bytes]:
            held, channel = self._channel(attempt)
            try:
                return held, channel, begin(channel, command.line, attempt.end)[1]
            except BaseException:
                held.leave()
                raise

        try:
            held, channel, first = self._errands.within(command.deadline + MOMENT, start, attempt.sever)
        except Unreachable:
            raise
        except TimeoutError:
            raise _silent(command, attempt) from None
        except Exception as error:
            raise Unreachable(f"cannot start a command: {str(error) or type(error).__name__}") from None
        return ChannelTalk(channel, self._errands, attempt.sever, held.leave, command.most, first)

    def close(self) -> None:
        """Close everything, end every wait; never waits for a peer."""
        with self._guard:
            every = [*self._connections.values(), *self._replaced]
            self._connections, self._replaced = {}, []
        for held in every:
            shut(held.connection)
        self._errands.close()

    def _channel(self, attempt: Attempt) -> tuple[Held, paramiko.Channel]:
        """A session on the held connection, or on a new one where that is gone, has none free, or `fresh` asks for
        it."""
        name = attempt.host.name
        with self._guard:
            import fabric  # noqa: F401  (by one thread: a hundred that import at once get half a module, gh-106176)

            lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=left(attempt.end)):
            raise Unreachable("the connection to it is still being opened for another command", sent=False)
        try:
            held = self._connections.get(name)
            if held is not None and not attempt.fresh:
                attempt.opened.append(held.connection)
                try:
                    return held, held.session(attempt.end)
                except Unreachable:
                    attempt.opened.clear()  # others may be at work there
                    self._hold(name, None)
            new = Held(self._connector.open(attempt.host, attempt.end, attempt.opened))
            channel = new.session(attempt.end)
            self._hold(name, new)
            return new, channel
        finally:
            lock.release()

    def _hold(self, name: str, new: Held | None) -> None:
        """From now on commands go over `new`; what runs on the one before it goes on."""
        with self._guard:
            old = self._connections.pop(name, None)
            if new is not None:
                self._connections[name] = new
        if old is not None and old.replace():
            with self._guard:
                self._replaced = [held for held in (*self._replaced, old) if held.busy]


def _silent(command: Command, attempt: Attempt) -> Unreachable:
    what = "no answer" if attempt.sent else "no connection"
    return Unreachable(f"{what} within {command.deadline:.0f} s", sent=attempt.sent)
