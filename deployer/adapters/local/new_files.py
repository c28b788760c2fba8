"""New files for a folder: all of them, or none, and never in the place of others."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from deployer.model.errors import DeployError, InputError

DRAFT = ".deploy-init-"


def already(folder: Path, files: Mapping[str, tuple[bytes, bool]]) -> tuple[list[str], str]:
    """Which of `files` lie in `folder` with other content, and the difference as a diff. Raises InputError where
    something else is in the way."""
    others, text = list[str](), list[str]()
    for path, (content, _) in sorted(files.items()):
        refuse_in_the_way(folder, path)
        there = folder / path
        if not there.is_file() or (there.stat().st_size == len(content) and there.read_bytes() == content):
            continue
        others.append(path)
        a, b = (raw.decode("utf-8", "replace").splitlines() for raw in (there.read_bytes(), content))
        text += difflib.unified_diff(a, b, path, f"{path} (new)", n=2, lineterm="")
    return others, "\n".join(text)


def refuse_in_the_way(folder: Path, path: str) -> None:
    """A link, or a file where a folder must be: what is written must lie where it seems to."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise InputError(f"{path} leads out of {folder}")
    place = folder
    for part in Path(path).parts:
        place = place / part
        is_last = place == folder / path
        if place.is_symlink() or (os.path.lexists(place) and not (place.is_file() if is_last else place.is_dir())):
            raise InputError(f"{place} is in the way: it is a link, or not what has to be there", hint="move it away")


def write_new(folder: Path, files: Mapping[str, tuple[bytes, bool]], heed: Callable[[], None]) -> list[str]:
    """Write those of `files` that are not there: into a draft beside, moved into place at the end; what was moved is
    taken back when one cannot be. heed: raises when somebody asked to stop; not asked any more once the moving begins.
    Returns what was written. Raises DeployError."""
    todo = {path: file for path, file in files.items() if not (folder / path).exists()}
    made = not folder.exists()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder.parent if made else folder))
    except OSError as error:
        raise DeployError(f"cannot write in {folder}: {error.strerror}", consequence="nothing was written") from None
    moved: list[Path] = []
    try:
        for path, (content, executable) in todo.items():
            heed()
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755 if executable else 0o644)
        heed()
        if made:
            draft.chmod(0o755)
            draft.rename(folder)
        else:
            for top in tops(folder, todo):
                (folder / top).parent.mkdir(parents=True, exist_ok=True)
                (draft / top).rename(folder / top)
                moved.append(folder / top)
    except BaseException as error:
        for place in moved:
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        if isinstance(error, OSError):
            raise DeployError(f"cannot write in {folder}: {error}", consequence="nothing was written") from None
        raise
    finally:
        with suppress(OSError):
            shutil.rmtree(draft)
    return sorted(todo)


def tops(folder: Path, paths: Mapping[str, object]) -> list[str]:
    """The fewest renames: of every path the topmost part that is not there yet."""
    found = dict[str, None]()
    for path in paths:
        parts = Path(path).parts
        names = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        found[next(name for name in names if not (folder / name).exists())] = None
    return list(found)
