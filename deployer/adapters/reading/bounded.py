"""Files that are read as input: bounded before anything of them is read, and never beyond the checkout they lie in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from deployer.model.errors import InputError

MAX_BYTES = 16 * 1024 * 1024  # of a list or an inventory


def read_input(file: Path, shown: str = "", most: int = MAX_BYTES, top: Path | None = None) -> str:
    """The text of `file`, called `shown`, of at most `most` bytes of UTF-8. top: the folder that it must not lead out
    of, by a link of its own or on the way; by default the checkout in which its path lies, if it lies in one. Raises
    InputError: an error repeats lines of a file, and a commit must not choose which file of this machine."""
    shown = shown or str(file)
    try:
        if (top := top or checkout_of(file)) is not None:
            refuse_outside(file, shown, top)
        with file.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror}") from None
    except RuntimeError:  # links in a circle
        raise InputError(f"cannot read {shown}: its links go in a circle") from None
    if len(raw) > most:
        raise InputError(f"{shown}: larger than {most >> 20} MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{shown}: not UTF-8 at byte {error.start}") from None


def checkout_of(file: Path) -> Path | None:
    """The nearest folder above `file`, as its path is written, that has a `.git`."""
    return next((folder for folder in Path(os.path.abspath(file)).parents if os.path.lexists(folder / ".git")), None)


def refuse_outside(file: Path, shown: str, top: Path) -> None:
    """Raises InputError, OSError."""
    real, top = file.resolve(strict=True), top.resolve()
    if top not in real.parents or {".git", ".deploy"} & set(real.relative_to(top).parts):
        raise InputError(
            f"cannot read {shown}: it is a link that leads out of the checkout", hint="put the file itself there"
        )
    if not stat.S_ISREG(real.stat().st_mode):
        raise InputError(f"cannot read {shown}: not a file")
