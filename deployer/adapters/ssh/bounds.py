"""What a peer may make us hold in memory, whatever its end of the protocol does: paramiko believes the length that a
packet claims, and takes what is sent beyond the window that it gave."""

from __future__ import annotations

from paramiko import Channel, SSHException
from paramiko.buffered_pipe import BufferedPipe
from paramiko.packet import Packetizer

PACKET = 256 * 1024  # bytes of one packet; OpenSSH's own limit
GREETING = 64 * 1024  # bytes before a server has said that it speaks SSH
WINDOW = 2 * 1024 * 1024  # bytes that a channel may send before we have read any: what we give
SLACK = 2 * PACKET


class BoundedPackets(Packetizer):
    """Ends the connection of a peer that claims a packet, or greets, beyond all measure."""

    _greeted = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """See Packetizer. Raises SSHException."""
        if n > PACKET:
            raise SSHException(f"it announces a packet of {n} bytes")
        read: bytes = super().read_all(n, check_rekey)
        return read

    def _read_timeout(self, timeout: float) -> bytes:
        read: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self._greeted += len(read)
        if self._greeted > GREETING:
            raise SSHException(f"it greets with more than {GREETING >> 10} KiB")
        return read


class BoundedPipe(BufferedPipe):  # type: ignore[type-arg]
    """Ends the connection of a peer that ignores the window."""

    def feed(self, data: bytes) -> None:
        """See BufferedPipe. Raises SSHException."""
        if len(self) + len(data) > WINDOW + SLACK:
            raise SSHException("it sends more than it was asked for")
        super().feed(data)


def bound(channel: Channel) -> Channel:
    """A session that has just been opened with WINDOW, before anything is asked over it."""
    channel.in_buffer, channel.in_stderr_buffer = BoundedPipe(), BoundedPipe()
    return channel
