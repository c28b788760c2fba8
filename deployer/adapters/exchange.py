"""Sending and receiving on an SSH channel: all before one moment, and never more than was asked for.

paramiko's own time-outs begin anew with every chunk; a peer that takes or gives a little now and then would never meet
one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.model.errors import Unreachable
from deployer.remote.verbs import Command

if TYPE_CHECKING:
    import paramiko

CHUNK = 65536  # bytes
COMPLAINT = 64 * 1024  # bytes of stderr that are kept; what is more is read and dropped


@dataclass(frozen=True, slots=True)
class Completed:
    """exit: None when the channel died without a status."""

    exit: int | None
    stdout: bytes
    stderr: bytes


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


def exchange(channel: paramiko.Channel, command: Command, end: float) -> Completed:
    """Send the line and stdin, read both streams to the end, wait for the status; all before `end`. Raises
    TimeoutError, OSError, EOFError; Unreachable for more than `command.most` bytes."""
    channel.settimeout(left(end))
    channel.exec_command(command.line)
    try:
        send(channel, command.stdin, end)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:
        pass  # it answered without reading: what it said counts
    out, err = bytearray(), bytearray()
    while chunk := receive(channel, end):
        out += chunk
        complaints(channel, err)
        if len(out) > command.most:
            raise Unreachable(f"it said more than {command.most >> 10} KiB, which no answer to this has")
    if not channel.status_event.wait(left(end)):
        raise TimeoutError
    complaints(channel, err)
    status = channel.exit_status
    return Completed(None if status == -1 else status, bytes(out), bytes(err))


def complaints(channel: paramiko.Channel, err: bytearray) -> None:
    """What came in on stderr so far; COMPLAINT bytes of it are kept."""
    while channel.recv_stderr_ready():
        chunk = channel.recv_stderr(CHUNK)
        err += chunk[: COMPLAINT - len(err)]
        if not chunk:
            break
