"""A connection that is kept, and the commands that run on it. One that another has replaced is shut with the last of
them: what is on its way over it (a renewal, a reading) is not cut by what came after it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from deployer.adapters.ssh.connect import session, shut

if TYPE_CHECKING:
    import paramiko
    from fabric import Connection


class Held:
    """Thread safe. connection: open."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._guard = threading.Lock()
        self._running = 0
        self._replaced = False

    def session(self, end: float) -> paramiko.Channel:
        """A session for one command, which must `leave` when it has closed it. Raises Unreachable."""
        with self._guard:
            self._running += 1
        try:
            return session(self.connection, end)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """One command less."""
        with self._guard:
            self._running -= 1
            last = self._replaced and not self._running
        if last:
            shut(self.connection)

    @property
    def busy(self) -> bool:
        """Does a command run on it?"""
        with self._guard:
            return self._running > 0

    def replace(self) -> bool:
        """No command gets it any more. Whether some still run on it."""
        with self._guard:
            self._replaced, busy = True, self._running > 0
        if not busy:
            shut(self.connection)
        return busy
