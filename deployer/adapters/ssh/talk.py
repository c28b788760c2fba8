"""A command that is kept on a host: a line goes in, lines come out. Saves a session, a login shell and a start for each
question, which is most of what a question costs on a busy host."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from deployer.adapters.local.deadline import Errands
from deployer.adapters.ssh.exchange import receive, send
from deployer.model.errors import Unreachable

if TYPE_CHECKING:
    import paramiko

ANSWER = b"{"  # what begins otherwise is a process's that a login file left running
MOMENT = 0.5  # seconds after which a question that does not end at its deadline is ended


class Talk(Protocol):
    """ask: writes `line`, gives that many lines of answer. Raises Unreachable; it cannot be used after that."""

    def ask(self, line: bytes, answers: int, deadline: float) -> bytes: ...

    def close(self) -> None: ...


class ChannelTalk:
    """Over one SSH channel, whose command is running. One thread at a time. most: bytes of all that comes for one
    question. sever: ends the connection, and so whatever waits for it. leave: it is closed. first: what it has said
    so far."""

    def __init__(
        self,
        channel: paramiko.Channel,
        errands: Errands,
        sever: Callable[[], None],
        leave: Callable[[], None],
        most: int,
        first: bytes,
    ) -> None:
        self._channel, self._errands, self._sever, self._leave, self._most = channel, errands, sever, leave, most
        self._rest = first

    def ask(self, line: bytes, answers: int, deadline: float) -> bytes:
        """See Talk. deadline: seconds."""
        end = time.monotonic() + deadline
        try:
            return self._errands.within(deadline + MOMENT, lambda: self._exchange(line, answers, end), self._sever)
        except TimeoutError:
            raise Unreachable(f"no answer within {deadline:.0f} s") from None
        except (OSError, EOFError) as error:
            raise Unreachable(f"the connection broke: {str(error) or type(error).__name__}", cut=True) from None

    def _exchange(self, line: bytes, answers: int, end: float) -> bytes:
        send(self._channel, line, end)
        found, taken = list[bytes](), 0
        while len(found) < answers:
            whole, newline, rest = self._rest.partition(b"\n")
            if newline:
                self._rest = rest
                found += [whole] if whole.startswith(ANSWER) else []
                continue
            chunk = receive(self._channel, end)
            taken += len(chunk)
            if not chunk or taken > self._most:
                raise EOFError("the command ended" if not chunk else "the answer is too long")
            self._rest += chunk
        return b"\n".join(found)

    def close(self) -> None:
        """Its standard input ends, and so does it; never waits for a peer."""
        with suppress(TimeoutError, OSError, EOFError):
            self._errands.within(MOMENT, self._channel.close, self._sever)
        self._leave()
