"""Includes of a configuration that is read here and not by its server: each server has a limit of its own, and a file
that includes itself twice is a thousand files ten levels down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.model.errors import InputError

LIMIT = 100_000  # some thousand sites with some snippets each are real
DEEPEST = 50


class Includes:
    """Of one reading: which files are open, and how many have been."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._count = 0

    @contextmanager
    def reading(self, name: str, at: str) -> Iterator[None]:
        """While `name` is read, which was included at file:line. Raises InputError for a circle and for too many."""
        self._count += 1
        if name in self._open:
            raise InputError(f"{at}: {name} includes itself")
        if self._count > LIMIT or len(self._open) > DEEPEST:
            raise InputError(f"{at}: more than {LIMIT} files are included, or more than {DEEPEST} inside each other")
        self._open.append(name)
        try:
            yield
        finally:
            self._open.pop()
