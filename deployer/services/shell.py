"""The script of a phrasebook: what Python fills in, quoted, at its head; then files of POSIX sh as they are shipped.

Every server has its `phrases.sh` and, where that would grow too long, files by subject beside it; each says in its head
what it is given. Those at the top of this folder are shared.
"""

from __future__ import annotations

from deployer.model.sh import Sh, assignments, sh, shipped
from deployer.services.base import ServiceSettings

PROCESSES, STAGED = "processes.sh", "staged.sh"


def script(settings: ServiceSettings, files: tuple[str, ...], **names: str) -> Sh:
    """DEST, ROOT and PREFIX and the names of this server, then the files in this order."""
    head = assignments(DEST=settings.dest, ROOT=settings.root, PREFIX=settings.prefix, **names)
    return sh("{}{}", head, source(*files))


def source(*files: str) -> Sh:
    """Files by their path below this folder, joined."""
    return shipped("deployer.services", *files)
