"""Sending and receiving on an SSH channel: all before one moment, and never more than was asked for.

paramiko's own time-outs begin anew with every chunk; a peer that takes or gives a little now and then would never meet
one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.model.errors import Unreachable
from deployer.model.sh import Sh
from deployer.remote.answer import one_line
from deployer.remote.verbs import Command
from deployer.remote.words import answer_in, for_login_shell, without_login

if TYPE_CHECKING:
    import paramiko

CHUNK = 65536  # bytes
COMPLAINT = 64 * 1024  # bytes of stderr that are kept; what is more is read and dropped
LOGIN = 64 * 1024  # bytes that login files may print


@dataclass(frozen=True, slots=True)
class Completed:
    """exit: None when the channel died without a status. noise: what login files printed before the answer."""

    exit: int | None
    stdout: bytes
    stderr: bytes
    noise: bytes = b""


def left(end: float) -> float:
    """Seconds until `end` of the monotonic clock. Raises TimeoutError when it is over."""
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def send(channel: paramiko.Channel, data: bytes, end: float) -> None:
    """All of `data` before `end`, or TimeoutError; OSError when the peer has closed."""
    at = 0
    while at < len(data):
        channel.settimeout(left(end))
        sent = channel.send(data[at : at + CHUNK])
        if not sent:
            raise OSError("it closed while it was sent to")
        at += sent


def receive(channel: paramiko.Channel, end: float) -> bytes:
    """The next bytes, b"" at the end. Raises TimeoutError, OSError."""
    channel.settimeout(left(end))
    chunk: bytes = channel.recv(CHUNK)
    return chunk


def begin(channel: paramiko.Channel, line: Sh, end: float, err: bytearray | None = None) -> tuple[bytes, bytes]:
    """Starts `line` under a POSIX sh, whatever the login shell; (what login files printed, what came after the mark).
    err: gets what came in on stderr meanwhile, which may be the command's own already.
    Nothing is sent before the mark is there: a login file that reads, or that goes on as another shell, gets neither
    a password nor a script. Raises TimeoutError, OSError, EOFError; Unreachable where no sh was started."""
    channel.settimeout(left(end))
    channel.exec_command(for_login_shell(line))
    out, err = bytearray(), bytearray() if err is None else err
    while chunk := receive(channel, end):
        out += chunk
        complaints(channel, err)
        found = answer_in(bytes(out))
        if len(found[0] if found else out) > LOGIN:
            raise Unreachable(f"its login files print more than {LOGIN >> 10} KiB before a command is run", sent=False)
        if found:
            return found
    status = ended(channel, end)
    complaints(channel, err)
    if status is None:
        raise EOFError("it closed before the command began")
    said = one_line((bytes(err) or bytes(out)).decode("utf-8", "replace")) or "nothing"
    raise Unreachable(f"its login shell does not run sh (exit {status}); it said: {said}", sent=False)


def exchange(channel: paramiko.Channel, command: Command, end: float) -> Completed:
    """Run the line, send stdin, read both streams to the end, wait for the status; all before `end`. Raises
    TimeoutError, OSError, EOFError; Unreachable for more than `command.most` bytes."""
    err = bytearray()
    noise, first = begin(channel, command.line, end, err)
    try:
        send(channel, command.stdin, end)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:
        pass  # it answered without reading: what it said counts
    out = bytearray(first)
    while chunk := receive(channel, end):
        out += chunk
        complaints(channel, err)
        if len(out) > command.most:
            raise Unreachable(f"it said more than {command.most >> 10} KiB, which no answer to this has")
    status = ended(channel, end)
    complaints(channel, err)
    return Completed(status, bytes(out), without_login(bytes(err))[:COMPLAINT], noise)


def ended(channel: paramiko.Channel, end: float) -> int | None:
    """The exit status, None where the channel died without one. Raises TimeoutError."""
    if not channel.status_event.wait(left(end)):
        raise TimeoutError
    status: int = channel.exit_status
    return None if status == -1 else status


def complaints(channel: paramiko.Channel, err: bytearray) -> None:
    """What came in on stderr so far; it is kept as far as it could be asked for."""
    while channel.recv_stderr_ready():
        chunk = channel.recv_stderr(CHUNK)
        err += chunk[: LOGIN + COMPLAINT - len(err)]
        if not chunk:
            break
