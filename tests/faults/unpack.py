"""Members of archives that the faults made themselves, on every Python: 3.11.2 has no `filter=` yet, 3.14 wants one."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """`member` below `folder`, as it was packed."""
    if hasattr(tarfile, "fully_trusted_filter"):
        tar.extract(member, folder, filter="fully_trusted")
    else:
        tar.extract(member, folder)
