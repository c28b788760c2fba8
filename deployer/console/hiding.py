"""Both output streams, without the secrets: whatever prints, prints through here. Where nobody reads any more (a
closed pipe, a terminal that is gone) or nothing can be written (a full disk), what was done and the exit code that says
so do not depend on it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from deployer.model.secret import hide


class Hiding:
    """A text stream that hides what must not be said and is the given one in everything else. lost: why something of it
    could not be written, "" where nobody was there to read it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self.lost = stream, ""

    def write(self, text: str) -> int:
        """See TextIO.write; never raises OSError."""
        self._try(lambda: self._stream.write(hide(text)))
        return len(text)

    def exact(self, text: str) -> None:
        """Write what is without secrets already."""
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        """See TextIO.flush; never raises OSError."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: a closed file
            if isinstance(error, OSError) and error.errno not in (errno.EPIPE, errno.EIO, errno.EBADF):
                self.lost = error.strerror or str(error)
            to_nowhere(self._stream)

    def writelines(self, lines: Any) -> None:
        """See TextIO.writelines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def to_nowhere(stream: TextIO) -> None:
    """From now on to nothing, so that the interpreter's own last flush does not fail, either (it would exit 120)."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_streams() -> None:
    """A descriptor below 3 that the caller closed would be given to the next file or socket, and what is printed would
    land there."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


@contextmanager
def hiding() -> Iterator[Hiding]:
    """For the time of one command. Gives the stream of its answer."""
    streams = sys.stdout, sys.stderr
    out, err = Hiding(sys.stdout), Hiding(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        if out.lost:
            err.write(f"warning: the output could not be written: {out.lost}\n")
        err.flush()
        sys.stdout, sys.stderr = streams
