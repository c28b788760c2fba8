"""Write files of ours where others may have put something: never through a link, whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def real_folder(top: Path, name: str, make: bool = False) -> Path:
    """`top/name`, made where it is missing and `make`. Raises OSError where a part of it, `top` included, is a link or
    no folder: a commit can put a link there that leads anywhere."""
    place = top
    for part in ("", *Path(name).parts):
        place = place / part
        if make:
            place.mkdir(mode=0o700, parents=place == top, exist_ok=True)
        if part == ".." or place.is_symlink() or not place.is_dir():
            raise NotADirectoryError(20, "it is a link or no folder", str(place))
    return place


def write_below(top: Path, name: str, text: str) -> Path:
    """Replace the file `top/name` by `text`. Raises OSError."""
    path = real_folder(top, str(Path(name).parent), make=True) / Path(name).name
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
    return path
