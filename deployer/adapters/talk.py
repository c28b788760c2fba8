"""A command that is kept on a host: a line goes in, lines come out. Saves a session, a login shell and a start for each
question, which is most of what a question costs on a busy host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from deployer.model.errors import Unreachable

if TYPE_CHECKING:
    import paramiko

ANSWER = b"{"  # what begins otherwise was printed by a login script
MOST = 1024 * 1024  # bytes of one answer


class Talk(Protocol):
    """ask: writes `line`, gives that many lines of answer. Raises Unreachable; it cannot be used after that."""

    def ask(self, line: bytes, answers: int, deadline: float) -> bytes: ...

    def close(self) -> None: ...


class ChannelTalk:
    """Over one SSH channel, whose command is running."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel, self._rest = channel, b""

    def ask(self, line: bytes, answers: int, deadline: float) -> bytes:
        """See Talk. deadline: seconds."""
        end, found = time.monotonic() + deadline, list[bytes]()
        try:
            self._channel.settimeout(deadline)
            self._channel.sendall(line)
            while len(found) < answers:
                whole, newline, rest = self._rest.partition(b"\n")
                if newline:
                    self._rest = rest
                    found += [whole] if whole.startswith(ANSWER) else []
                    continue
                self._rest += self._receive(end)
        except TimeoutError:
            raise Unreachable(f"no answer within {deadline:.0f} s") from None
        except (OSError, EOFError) as error:
            raise Unreachable(f"the connection broke: {error or type(error).__name__}", cut=True) from None
        return b"\n".join(found)

    def _receive(self, end: float) -> bytes:
        self._channel.settimeout(max(0.05, end - time.monotonic()))
        chunk = self._channel.recv(65536)
        if not chunk or len(self._rest) > MOST:
            raise EOFError("the command ended" if not chunk else "the answer is too long")
        return chunk

    def close(self) -> None:
        """Its standard input ends, and so does it."""
        self._channel.close()
