"""Both output streams, without the secrets: whatever prints, prints through here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from deployer.model.secret import hide


class Hiding:
    """A text stream that hides what must not be said and is the given one in everything else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """See TextIO.write."""
        self._stream.write(hide(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """See TextIO.writelines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def hiding() -> Iterator[None]:
    """For the time of one command."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Hiding(out), Hiding(err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
