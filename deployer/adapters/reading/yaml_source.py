"""YAML read strictly: one document, no aliases or merge keys, no duplicate keys, bounded in size and depth, and every
plain scalar as text (`no`, `0022` and `22:22` stay what they are; the schema gives types). Keeps line and column.

safe_load is not safe enough: a merge-key bomb of 702 bytes was still loading after 20 s (measured, FAULTS.md 0.10).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployer.adapters.reading.bounded import read_input
from deployer.model.errors import InputError
from deployer.model.excerpt import hide_line, hide_pairs

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_BYTES, MAX_DEPTH, MAX_NODES = 1024 * 1024, 50, 50_000
WIDEST = 300  # characters of a line that are shown
Path_ = tuple[str | int, ...]


@dataclass
class Document:
    """value: maps, lists and text (or typed scalars). marks: path of keys -> (line, column) of its key, or of a list
    item, from 1. written: path of a typed number -> how it is written."""

    file: str
    text: str
    value: object = None
    marks: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    written: dict[Path_, str] = field(default_factory=dict)

    def fail(self, path: Path_, message: str, hint: str = "") -> InputError:
        """An error at `path` (or at its nearest parent that has a place) with the line and a caret under it."""
        line, column = self.place(path)
        return self.fail_at(line, column, message, hint)

    def place(self, path: Path_) -> tuple[int, int]:
        """Line and column of `path`, or of its nearest parent that has a place."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, (1, 1))

    def find(self, key: str) -> Path_:
        """The last path that ends in `key`."""
        return next((path for path in reversed(self.marks) if path and path[-1] == key), ())

    def fail_at(self, line: int, column: int, message: str, hint: str = "") -> InputError:
        """An error at a place, both from 1."""
        lines = self.text.splitlines()
        there = 0 < line <= len(lines)
        written, hidden = (lines[line - 1], hide_line(lines, line - 1)) if there else ("", "")
        shown, column_shown = hidden[:WIDEST], min(len(hide_pairs(written[: column - 1])), len(hidden)) + 1
        rest = shown[column_shown - 1 :].split(":")[0].split(",")[0].rstrip()
        width = max(1, len(rest))
        excerpt = f"{line:>5} | {shown}\n      | {' ' * (column_shown - 1)}{'^' * width}"
        return InputError(f"{self.file}:{line}:{column}: {message}", hint=hint, excerpt=excerpt)


def read_yaml(file: Path, shown: str = "", top: Path | None = None) -> Document:
    """Read and check `file`. top: see read_input. Raises InputError."""
    shown = shown or str(file)
    return parse_yaml(read_input(file, shown, MAX_BYTES, top), shown)


def parse_yaml(text: str, shown: str, typed: bool = False) -> Document:
    """The same for text. typed: plain scalars are what YAML 1.1 takes them for (`no` is false, 0x1F is 31); keys are
    text all the same, or refused."""
    document = Document(shown, text)
    _bound(document)
    with _placed(document):
        nodes = list(yaml.compose_all(text, Loader=Loader))
    if len(nodes) > 1:
        second = nodes[1].start_mark
        raise document.fail_at(second.line + 1, 1, "a second document begins here; one is expected")
    if nodes and nodes[0] is not None:
        document.value = _Builder(document, typed).build(nodes[0], (), 0)
    return document


@contextmanager
def _placed(document: Document) -> Iterator[None]:
    """What the parser cannot read is refused at its place."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        place = place_of(error.problem_mark or error.context_mark)
        raise document.fail_at(*place, f"not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{document.file}: not YAML: {' '.join(str(error).split())[:200]}") from None


def _bound(document: Document) -> None:
    """Aliases are refused before anything is expanded, and nesting is bounded before it is composed."""
    depth = count = 0
    with _placed(document):
        for event in yaml.parse(document.text, Loader=Loader):
            count += 1
            line, column = place_of(event.start_mark)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise document.fail_at(line, column, "anchors and aliases are not allowed here")
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                depth += 1
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                depth -= 1
            if depth > MAX_DEPTH or count > 4 * MAX_NODES:
                raise document.fail_at(line, column, f"nested deeper than {MAX_DEPTH} or more than {MAX_NODES} values")


def place_of(mark: Any) -> tuple[int, int]:
    """Line and column, from 1."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Builder:
    def __init__(self, document: Document, typed: bool) -> None:
        self.document, self.typed = document, typed

    def build(self, node: yaml.Node, path: Path_, depth: int) -> object:
        line, column = place_of(node.start_mark)
        self.document.marks.setdefault(path, (line, column))
        if node.tag not in KNOWN_TAGS:
            hint = "secrets are not read from files of the checkout" if "vault" in node.tag else ""
            raise self.document.fail_at(line, column, f"the tag {node.tag} is not allowed here", hint)
        if isinstance(node, yaml.MappingNode):
            return self._map(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, number), depth + 1) for number, item in enumerate(node.value)]
        if self.typed:
            return self._scalar(node, path)
        return None if node.tag == NULL else str(node.value)

    def _scalar(self, node: yaml.Node, path: Path_) -> object:
        """As PyYAML's safe loader, which Ansible's is built on, understands it."""
        try:
            value: object = yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, ArithmeticError):
            place = place_of(node.start_mark)
            raise self.document.fail_at(
                *place, f"{node.value!r:.80} cannot be read as {node.tag.rpartition(':')[2]}", "put it in quotes"
            ) from None
        if isinstance(value, int) and not isinstance(value, bool):
            self.document.written[path] = str(node.value)
        return value

    def _map(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line, column = place_of(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.document.fail_at(line, column, "a key must be text")
            key = str(key_node.value)
            if key == "<<":
                raise self.document.fail_at(line, column, "merge keys are not allowed here")
            if self.typed and key_node.tag != TEXT:
                kind = key_node.tag.rpartition(":")[2]
                raise self.document.fail_at(
                    line, column, f"`{key}` is no text but of type {kind} in YAML", "put it in quotes"
                )
            if key in found:
                first = self.document.marks[(*path, key)][0]
                raise self.document.fail_at(line, column, f"`{key}` is defined twice (lines {first} and {line})")
            self.document.marks[(*path, key)] = (line, column)
            found[key] = self.build(value_node, (*path, key), depth + 1)
        return found


NULL, TEXT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"
KNOWN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
}
KNOWN_TAGS |= {"tag:yaml.org,2002:value", "tag:yaml.org,2002:merge"}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint with the nearest known word, or all of them."""
    words = list(known)
    near = difflib.get_close_matches(word, words, 1)
    return f"did you mean `{near[0]}`?" if near else f"known are: {', '.join(sorted(words)) or 'none'}"


def without_extensions(value: Mapping[str, object]) -> dict[str, object]:
    """Keys that begin with `x-` are the user's own."""
    return {key: item for key, item in value.items() if not key.startswith("x-")}
