"""From files and folders to a Fleet: which files are read, as what, and in which order."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from deployer.adapters.reading.inventory.groups import Groups
from deployer.adapters.reading.inventory.ini_format import read_lines
from deployer.adapters.reading.inventory.merge import resolve
from deployer.adapters.reading.inventory.text import as_document, read_text, shown
from deployer.adapters.reading.inventory.vars_files import VarsFolder
from deployer.adapters.reading.inventory.yaml_format import read_groups
from deployer.adapters.reading.yaml_source import MAX_BYTES, Document
from deployer.model.errors import InputError
from deployer.model.fleet import Fleet

YAML_ENDINGS = (".yml", ".yaml", ".json")
BESIDE = ("group_vars", "host_vars")
# What Ansible passes over in a folder of inventories.
PASSED_OVER = re.compile(
    r"^\.|^(?:group_vars|host_vars)$|(?:\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
LOOKS_LIKE_YAML = re.compile(r"^(?:---|\{|[\w.'\"-]+:\s*(?:$|\{|#))", re.MULTILINE)
DEEPEST = 5


def inventories(given: Sequence[str], root: Path) -> list[Path]:
    """The files and folders of -i; by default `inventory.yml` of the checkout."""
    return [Path(one) for one in given or ()] or [root / "inventory.yml"]


def load_inventory(*sources: Path, beside: Path | None = None) -> Fleet:
    """Read inventories, of which later ones win, with the variable files beside each of them and those in `beside`
    (where a playbook of Ansible's would lie). Raises InputError with file:line:column."""
    groups = Groups()
    folders: list[VarsFolder] = []
    for source in sources:
        if "," in str(source) and not source.exists():
            raise InputError(f"cannot read the inventory {source}: a list of hosts is none", hint="write it to a file")
        if not source.exists():
            raise InputError(f"cannot read the inventory {source}: no such file", hint="write one, or pass -i FILE")
        for file in files_of(source, 0):
            read_source(groups, file)
        folders.append(VarsFolder(source if source.is_dir() else source.parent))
    if not groups.hosts:
        names = ", ".join(shown(source) for source in sources)
        raise InputError(f"{names}: no hosts are defined", hint="begin with all: {hosts: ...}")
    return resolve(groups, folders, [VarsFolder(beside)] if beside else [])


def files_of(source: Path, depth: int) -> list[Path]:
    """A file, or those of a folder by name, folders in it too."""
    if not source.is_dir():
        return [source]
    if depth > DEEPEST:
        raise InputError(f"{shown(source)}: more than {DEEPEST} folders in one another")
    found: list[Path] = []
    for name in sorted(os.listdir(source)):
        if depth and name in BESIDE:
            raise InputError(
                f"{shown(source / name)}: Ansible does not read it below the folder that is the inventory",
                hint=f"pass -i {shown(source)}",
            )
        if not PASSED_OVER.search(name):
            found += files_of(source / name, depth + 1)
    if not depth and not found:
        raise InputError(f"{shown(source)}: no inventory lies in this folder", hint="pass -i FILE")
    return found


def read_source(groups: Groups, file: Path) -> None:
    """One file: YAML or JSON by its ending; INI by another one; without an ending by its look."""
    ending = file.suffix
    if ending == ".toml":
        raise InputError(f"{shown(file)}:1:1: inventories in TOML are not supported", hint="write YAML or INI")
    text = read_text(file, MAX_BYTES if ending in YAML_ENDINGS else 16 * MAX_BYTES)
    if text.startswith("#!"):
        raise InputError(
            f"{shown(file)}:1:1: dynamic inventory scripts are not run",
            hint="write its result to a file: ansible-inventory --list --yaml",
        )
    document = as_yaml(text, file) if ending in (*YAML_ENDINGS, "") else None
    if document is not None:
        read_groups(groups, document)
    else:
        read_lines(groups, Document(shown(file), text))


def as_yaml(text: str, file: Path) -> Document | None:
    """None for what is meant as INI. Ansible tries one after the other and keeps half of what failed."""
    name = shown(file)
    try:
        document = as_document(text, name)
    except InputError:
        if file.suffix or LOOKS_LIKE_YAML.search(text):
            raise
        return None
    if file.suffix or isinstance(document.value, dict):
        return document
    return None
