"""Includes of a configuration that is read here and not by its server: each server has a limit of its own, and a file
that includes itself twice is a thousand files ten levels down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.model.errors import InputError

LIMIT = 100_000  # some thousand sites with some snippets each are real
DEEPEST = 50
HINT = "its server would hardly take it; without it the access log is not found"


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
            raise InputError(f"{at}: {name} includes itself", hint=HINT)
        if self._count > LIMIT or len(self._open) > DEEPEST:
            too_many = f"more than {LIMIT} files are included, or more than {DEEPEST} inside each other"
            raise InputError(f"{at}: {too_many}", hint=HINT)
        self._open.append(name)
        try:
            yield
        finally:
            self._open.pop()
