"""group_vars/ and host_vars/: NAME, NAME.yml, NAME.yaml, NAME.json, or a folder NAME of such files."""

from __future__ import annotations

import os
from pathlib import Path

from deployer.adapters.reading.inventory.groups import Scope, scope
from deployer.adapters.reading.inventory.text import read_document, shown
from deployer.model.errors import InputError

ENDINGS = ("", ".yml", ".yaml", ".json")
DEEPEST = 10  # folders in folders: more is a circle of links


class VarsFolder:
    """The variable files beside an inventory. Each is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names = {kind: names_in(folder / kind) for kind in ("group_vars", "host_vars")}
        self._read: dict[tuple[str, str], Scope] = {}

    def of_group(self, name: str) -> Scope:
        """What the files say of a group."""
        return self._find("group_vars", name)

    def of_host(self, name: str) -> Scope:
        """What the files say of a host."""
        return self._find("host_vars", name)

    def _find(self, kind: str, name: str) -> Scope:
        if (kind, name) not in self._read:
            found = Scope()
            for file in self._files(kind, name):
                found.update(read_file(file))
            self._read[kind, name] = found
        return self._read[kind, name]

    def _files(self, kind: str, name: str) -> list[Path]:
        """Ansible takes the first of the four and does not look at the others; here that is an error."""
        there = [self.folder / kind / f"{name}{end}" for end in ENDINGS if f"{name}{end}" in self._names[kind]]
        if len(there) > 1:
            raise InputError(
                f"{shown(there[1])}: Ansible does not read it beside {there[0].name}",
                hint=f"move it into {there[0].name}/" if there[0].is_dir() else f"keep one of them for {name}",
            )
        return [file for one in there for file in (files_below(one, 0) if one.is_dir() else [one])]


def names_in(folder: Path) -> frozenset[str]:
    """What lies in a folder; nothing where there is none. Raises InputError."""
    try:
        if not folder.is_dir():
            if folder.exists():
                raise InputError(f"{shown(folder)}: a folder is expected here")
            return frozenset()
        return frozenset(os.listdir(folder))
    except OSError as error:
        raise InputError(f"cannot read {shown(folder)}: {error.strerror}") from None


def files_below(folder: Path, depth: int) -> list[Path]:
    """As Ansible: by name, not the hidden ones and backups, and folders in it whose names have no ending."""
    if depth > DEEPEST:
        raise InputError(f"{shown(folder)}: more than {DEEPEST} folders in one another")
    found: list[Path] = []
    for name in sorted(names_in(folder)):
        path, ending = folder / name, os.path.splitext(name)[1]
        if name.startswith(".") or name.endswith("~"):
            continue
        if path.is_dir():
            found += files_below(path, depth + 1) if not ending else []
        elif ending in ENDINGS:
            found.append(path)
    return found


def read_file(file: Path) -> Scope:
    """One file of variables."""
    document = read_document(file)
    if document.value is None:
        return Scope()
    if not isinstance(document.value, dict):
        raise document.fail((), "a map of variables is expected here")
    return scope(document, document.value, (), in_file=True)
