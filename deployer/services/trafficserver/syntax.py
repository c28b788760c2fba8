"""The syntax of Traffic Server: lines of records.config, and logging.yaml with the line of every value."""

from __future__ import annotations

import re
from typing import Any

from deployer.model.errors import InputError

RECORD = re.compile(r"^\s*CONFIG\s+(\S+)\s+(?:STRING|INT)\s+(.*?)\s*$", re.MULTILINE)
FILE = "logging.yaml"
Entry = dict[str, tuple[str, int]]  # key -> value, line


def read(text: bytes) -> tuple[dict[str, tuple[str, int]], list[Entry], dict[str, str]]:
    """Formats by name with their line, logs, and the conditions of filters by name. Raises InputError for a file of
    another shape."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(f"{FILE}:{mark.line + 1 if mark else 1}: {getattr(error, 'problem', error)}") from None
    top = children(root, "logging")
    formats = {f["name"][0]: f["format"] for f in entries(children(top, "formats")) if {"name", "format"} <= set(f)}
    filters = {f["name"][0]: f.get("condition", ("", 0))[0] for f in entries(children(top, "filters")) if "name" in f}
    return formats, entries(children(top, "logs")), filters


def children(node: Any, key: str) -> Any:
    """The value of `key` in a mapping node; None where there is none."""
    if node is None or not hasattr(node, "value") or not isinstance(node.value, list):
        return None
    return next((v for k, v in (p for p in node.value if isinstance(p, tuple)) if k.value == key), None)


def entries(node: Any) -> list[Entry]:
    """A list of mappings of text; a list of text is its words, joined by blanks."""
    found: list[Entry] = []
    for item in getattr(node, "value", None) or []:
        pairs = [p for p in getattr(item, "value", []) if isinstance(p, tuple)]
        found.append({str(k.value): (said, k.start_mark.line + 1) for k, v in pairs if (said := plain(v)) is not None})
    return found


def plain(node: Any) -> str | None:
    """A scalar, or a list of scalars joined by blanks; None for anything else."""
    if isinstance(node.value, str):
        return node.value
    if isinstance(node.value, list) and all(isinstance(getattr(n, "value", None), str) for n in node.value):
        return " ".join(n.value for n in node.value)
    return None
