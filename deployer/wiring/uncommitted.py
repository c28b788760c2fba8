"""What of a playbook lies in the work tree alone: the configuration is read from a revision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deployer.model.errors import DeployError

if TYPE_CHECKING:
    from deployer.wiring.context import Context

SHOWN = 5  # files named beside an error


def uncommitted(context: Context) -> list[str]:
    """One line a file."""
    return [f"uncommitted and not deployed: {path}" for path in context.repository.dirty(context.playbook.name)]


@contextmanager
def naming_uncommitted(context: Context) -> Iterator[None]:
    """An error of what is within names them, too: somebody who has just mended a file would see the same again."""
    try:
        yield
    except DeployError as error:
        found = uncommitted(context)
        for text in found[:SHOWN]:
            error.add_note(text)
        if len(found) > SHOWN:
            error.add_note(f"and {len(found) - SHOWN} more")
        raise
