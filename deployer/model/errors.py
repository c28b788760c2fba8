"""What can be told to a person: what happened, what follows from it, what to do now.

Two families. `DeployError` ends a command and carries its exit code. `HostError` is one host's result: it is
collected beside the other hosts' results and never ends the others' work.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_DONE, EXIT_REFUSED, EXIT_CHANGES, EXIT_REVERTED, EXIT_HUMAN, EXIT_LOCKED = 0, 1, 2, 3, 4, 5
EXIT_USAGE, EXIT_BUG, EXIT_INTERRUPTED = 64, 70, 130


class DeployError(Exception):
    """Refused or failed before any host was changed.

    message: "cannot X on HOST: why", lower case, with file:line:column where there is one.
    consequence: what follows ("nothing was changed"). hint: one thing to do now; may be empty.
    excerpt: lines of the user's file with a caret under the place; may be empty.
    """

    exit_code = EXIT_REFUSED

    def __init__(
        self, message: str, *, hint: str = "", consequence: str = "nothing was changed", excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.consequence, self.excerpt = message, hint, consequence, excerpt


class InputError(DeployError):
    """A file or value of the user that cannot be used; nothing was contacted, nothing was changed."""


class UsageError(DeployError):
    """The command line cannot be understood (exit code 64); nothing was sent."""

    exit_code = EXIT_USAGE


class LockedError(DeployError):
    """Another deploy holds the lock; the message names who, since when, why and until when."""

    exit_code = EXIT_LOCKED


class Interrupted(DeployError):
    """Somebody asked us to stop (Ctrl-C, SIGTERM, SIGHUP) before any host was changed."""

    exit_code = EXIT_INTERRUPTED


class LedgerUnavailable(DeployError):
    """Git (local or remote) cannot be read or written now."""


class LockClosed(DeployError):
    """Somebody closed our deploy in the ledger while we were at work: a lock release, a rollback, an abort."""


class LedgerMoved(DeployError):
    """Compare-and-swap lost: somebody appended a record first. Read again and decide again."""


@dataclass
class HostError(Exception):
    """One host's failure. `message` is one line, without the host's name (the reader has it beside)."""

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class Refused(HostError):
    """The host answered and refused; it says so, so its state is known.

    code: one word of the host protocol: usage, unadopted, drift, invalid, unproven, stale, mismatch, busy, expired,
    corrupt, disk, stuck, unsafe, stopping (the host is shutting down: it boots into its good release), missing (a tool
    or a release is not there).
    """

    code: str = "usage"

    @property
    def passing(self) -> bool:
        """The reason is of the moment: the same question gets another answer later."""
        return self.code in ("busy", "stopping")


@dataclass
class Unreachable(HostError):
    """No answer: whether the verb took effect is unknown unless `sent` is False (nothing left this machine). cut: the
    connection broke, so that asking again costs no waiting; every verb may be repeated."""

    sent: bool = True
    cut: bool = False
