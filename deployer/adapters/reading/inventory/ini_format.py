"""INI inventories: [group], [group:children], [group:vars], `host key=value`; values are Python literals or text."""

from __future__ import annotations

import ast
import re
import shlex
import warnings

from deployer.adapters.reading.inventory.groups import Groups, Place
from deployer.adapters.reading.yaml_source import Document, did_you_mean
from deployer.model.errors import InputError

HEADER = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
CHILD = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
KINDS = ("hosts", "children", "vars")


def read_lines(groups: Groups, document: Document) -> None:
    """Every line of a file. Raises InputError with file:line."""
    _Reader(groups, document).read()


class _Reader:
    """group, kind: the section that a line lies in. declared: the groups that have a section. needed: those that must
    have one, and why. pending: children that have none yet, and whose they are."""

    def __init__(self, groups: Groups, document: Document) -> None:
        self.groups, self.document = groups, document
        self.group, self.kind = "ungrouped", "hosts"
        self.declared: set[str] = {"all", "ungrouped", *groups.members}
        self.needed: dict[str, tuple[int, str]] = {}
        self.pending: dict[str, list[tuple[str, Place]]] = {}

    def read(self) -> None:
        """Comments are whole lines; what is behind a value is for the value's own rules, which know of quotes."""
        self.groups.add_group("ungrouped", Place(self.document, ()))
        for number, raw in enumerate(self.document.text.splitlines(), 1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            self.document.marks[(number,)] = (number, 1)
            if header := HEADER.fullmatch(line):
                self._header(header[1], header[2] or "hosts", number)
            elif line[0] == "[" and line[-1] == "]":
                raise self.document.fail_at(number, 1, f"{line!r:.80} is not a header", "as in [edge] or [edge:vars]")
            else:
                self._line(line, number)
        for name, (number, why) in self.needed.items():
            if name not in self.declared:
                hint = did_you_mean(name, self.declared - {"ungrouped"})
                raise self.document.fail_at(number, 1, f"group {name} is mentioned here and {why}", hint)

    def _header(self, name: str, kind: str, number: int) -> None:
        if kind not in KINDS:
            raise self.document.fail_at(number, 1, f"unknown section [{name}:{kind}]", did_you_mean(kind, KINDS))
        self.group, self.kind = name, kind
        self.groups.add_group(name, Place(self.document, (number,)))
        if kind == "vars":
            self.needed.setdefault(name, (number, "has no section of its own"))
        else:
            self.declared.add(name)
            self.groups.defined.add(name)
            for parent, place in self.pending.pop(name, []):
                self.groups.add_child(parent, name, place)

    def _line(self, line: str, number: int) -> None:
        if self.kind == "children":
            self._child(line, number)
        elif self.kind == "vars":
            key, equals, value = line.partition("=")
            if not equals:
                raise self.document.fail_at(number, 1, f"{line!r:.80} is not key=value")
            self._variables({key.strip(): self.value(value.strip(), number)}, number)
        else:
            self._host(line, number)

    def _variables(self, values: dict[str, object], number: int) -> None:
        self.groups.add_variables(self.group, self.document, values, (number,))

    def _child(self, line: str, number: int) -> None:
        found = CHILD.fullmatch(line)
        if not found:
            raise self.document.fail_at(number, 1, f"{line!r:.80} is not a group's name")
        place = Place(self.document, (number,))
        self.needed.setdefault(found[1], (number, "has no hosts"))
        if found[1] in self.groups.members or found[1] == "all":
            self.groups.add_child(self.group, found[1], place)
        else:
            self.pending.setdefault(found[1], []).append((self.group, place))

    def _host(self, line: str, number: int) -> None:
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise self.document.fail_at(number, 1, f"cannot read this line: {error}") from None
        bad = [word for word in words[1:] if "=" not in word]
        if bad:
            raise self.document.fail_at(number, 1, f"{bad[0]!r:.80} is not key=value")
        pairs = [word.split("=", 1) for word in words[1:]]
        values = {key: self.value(value, number) for key, value in pairs}
        self.groups.add_hosts(self.group, words[0], self.document, values, (number,))

    def value(self, text: str, number: int) -> object:
        """A Python literal where it is one, else the text as it is: `yes` is text, `True` is not."""
        try:
            with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
                found = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        except (RecursionError, MemoryError):
            raise self.document.fail_at(number, 1, "this value is nested too deeply") from None
        return self._plain(found, number)

    def _plain(self, value: object, number: int) -> object:
        """Of what Python knows and variables do not, what Ansible makes of it."""
        if isinstance(value, list | tuple):
            return [self._plain(item, number) for item in value]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: self._plain(item, number) for key, item in value.items()}
        if isinstance(value, dict | set):
            raise self._odd(number, "a set, or a map with keys that are not text")
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        if value is ...:
            return "..."
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise self._odd(number, "half a character") from None
        return str(value) if isinstance(value, complex) else value

    def _odd(self, number: int, what: str) -> InputError:
        return self.document.fail_at(number, 1, f"{what} cannot be a variable here")
