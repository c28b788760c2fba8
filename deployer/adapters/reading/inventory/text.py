"""One file of an inventory as text and as typed YAML or JSON."""

from __future__ import annotations

import json
from pathlib import Path

from deployer.adapters.reading.bounded import MAX_BYTES as MAX_TEXT
from deployer.adapters.reading.bounded import read_input
from deployer.adapters.reading.yaml_source import MAX_BYTES, Document, parse_yaml
from deployer.model.errors import InputError

VAULT = "$ANSIBLE_VAULT"


def shown(path: Path) -> str:
    """A path as errors say it: from here, where it is below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(file: Path, most: int = MAX_TEXT) -> str:
    """Raises InputError, of a vault by its name."""
    text = read_input(file, shown(file), most)
    if text.startswith(VAULT):
        raise InputError(
            f"{shown(file)}:1:1: this file is encrypted by ansible-vault, which is not opened here",
            hint="secrets of a configuration belong on the hosts; write the other variables in a file of their own",
        )
    return text


def read_document(file: Path) -> Document:
    """A file of variables."""
    return as_document(read_text(file, MAX_BYTES), shown(file))


def as_document(text: str, name: str) -> Document:
    """Scalars are typed as Ansible types them: by JSON's rules in what is JSON, else by those of YAML 1.1."""
    document = parse_yaml(text, name, typed=True)
    try:
        document.value = json.loads(text)
    except (ValueError, RecursionError):
        return document
    for path in document.marks:
        if path and str(path[-1]).startswith("__ansible"):
            raise document.fail(path, f"`{path[-1]}` is not supported here")
    return document
