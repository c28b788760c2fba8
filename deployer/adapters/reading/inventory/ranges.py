"""Names of hosts: Ansible's ranges (`web[01:20]`, `db[a:c]`, `[1:9:2]`) and ports (`web1:2222`, `[::1]:22`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from deployer.model.errors import InputError

RANGE = re.compile(r"\[(?:([0-9]{1,9}):([0-9]{1,9})|([a-z]):([a-z])|([A-Z]):([A-Z]))(?::([0-9]{1,9}))?\]")
BRACKETED = re.compile(r"\[([^\[\]]+)\]:([0-9]{1,9})")
WITH_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])+):([0-9]{1,9})")
LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*")
HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?")
MAX_NAME = 253
Fail = Callable[[str, str], InputError]


def is_host_name(text: str) -> bool:
    """Letters, digits, dots and dashes, or an address; nothing that a shell or ssh could take for something else."""
    return len(text) <= MAX_NAME and bool(HOST_NAME.fullmatch(text))


def hosts_of(pattern: str, fail: Fail, most: int) -> tuple[list[str], int | None]:
    """The names that a pattern stands for, at most `most`, and the port behind it. fail: makes the error."""
    if len(pattern) > 2 * MAX_NAME:
        raise fail(f"{pattern!r:.80} is not a host name: a range goes up, as in web[01:20]", "")
    pattern, port = split_port(pattern)
    how_many = 1
    for match in RANGE.finditer(pattern):
        if (match[1] or "").startswith("0") and len(match[1]) > 1 and len(match[1]) != len(match[2]):
            raise fail(f"{pattern!r:.80}: both ends of a range with leading zeros are of one length", "")
        how_many *= len(numbers(match))
    if not how_many or set("[]") & set(RANGE.sub("", pattern)):
        raise fail(f"{pattern!r:.80} is not a host name: a range goes up, as in web[01:20]", "")
    if how_many > most:
        raise fail("more than 20000 hosts", "look at the ranges")
    names = list(expand(pattern))
    for name in names:
        if not is_host_name(name):
            raise fail(f"{name!r:.80} is not a host name or address", "letters, digits and . _ - are allowed")
    return names, port


def split_port(pattern: str) -> tuple[str, int | None]:
    """A port is split off only where a host's name, or an address in brackets, is before it."""
    bracketed = BRACKETED.fullmatch(pattern)
    if bracketed and is_host_name(bracketed[1]):
        return bracketed[1], int(bracketed[2])
    found = WITH_PORT.fullmatch(pattern)
    if found and LABELS.fullmatch(RANGE.sub("0", found[1])):
        return found[1], int(found[2])
    return pattern, None


def numbers(match: re.Match[str]) -> range:
    """What a range stands for: numbers, or the codes of letters. A step of 0 goes nowhere."""
    first, last = (match[n] or match[n + 2] or match[n + 4] for n in (1, 2))
    step = int(match[7] or 1)
    if not step:
        return range(0)
    return range(int(first), int(last) + 1, step) if match[1] else range(ord(first), ord(last) + 1, step)


def expand(pattern: str) -> Iterator[str]:
    """Ansible's ranges, leading zeros kept; a pattern without one is itself."""
    match = RANGE.search(pattern)
    if not match:
        yield pattern
        return
    width = len(match[1]) if (match[1] or "").startswith("0") else 0
    for number in numbers(match):
        item = str(number).zfill(width) if match[1] else chr(number)
        yield from expand(pattern[: match.start()] + item + pattern[match.end() :])
