"""What would leave a push without evidence, and how the same thing is said once for many hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


@dataclass(frozen=True)
class Missing:
    """`web1-4: why` each. refused: what no push begins without; warned: without which it goes on."""

    refused: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


def per_text(said: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """(host, text) as `web1-4: text`, in the order in which each text came first."""
    found: dict[str, list[str]] = {}
    for host, text in said:
        found.setdefault(text, []).append(host)
    return tuple(f"{folded(hosts)}: {text}" for text, hosts in found.items())


def fold(texts: Iterable[str], hosts: Mapping[str, object]) -> tuple[str, ...]:
    """The same for lines that may begin with the name of one of `hosts` and a colon; each line once."""
    found: dict[str, list[str]] = {}
    for text in texts:
        host, colon, rest = text.partition(": ")
        known = bool(colon) and host in hosts
        found.setdefault(rest if known else text, []).extend([host] if known else [])
    return tuple(f"{folded(names)}: {text}" if names else text for text, names in found.items())


def folded(hosts: Sequence[str]) -> str:
    """`web1-3, web7, db1`: runs of numbers as one; the order is that of the inventory."""
    runs: list[tuple[str, int, int, str, int]] = []
    for host in dict.fromkeys(hosts):
        match = NUMBERED.fullmatch(host)
        head, number, tail = (match[1], match[2], match[3]) if match else (host, "", "")
        if number and runs and runs[-1][0] == head and runs[-1][3] == tail:
            _, first, last, _, width = runs[-1]
            if int(number) == last + 1 and len(number) == (width or len(number)):
                runs[-1] = (head, first, last + 1, tail, width)
                continue
        runs.append((head, int(number or -1), int(number or -1), tail, len(number)))
    return ", ".join(_run(*run) for run in runs)


def _run(head: str, first: int, last: int, tail: str, width: int) -> str:
    if first < 0:
        return head
    return f"{head}{first:0{width}}{f'-{last:0{width}}' if last > first else ''}{tail}"
