"""What a host's history says: which releases stand, oldest first, the one the fleet is on last. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.model.release import one_name
from deployer.model.state import Confirmed

ORDER = {"adopt": 0, "away": 1, "push": 2, "rollback": 3}  # of lines with one number


def disowned(lines: Iterable[Confirmed]) -> set[str]:
    """The releases that a rollback called bad, ended or not, and that nobody brought back since."""
    bad: set[str] = set()
    for line in sorted(set(lines), key=lambda line: (line.number, ORDER.get(line.command, 2))):
        bad = bad | {one_name(line.release)} if line.command == "away" else bad - {one_name(line.release)}
    return bad


def standing(lines: Iterable[Confirmed]) -> list[str]:
    """The releases that a rollback may go to. A push puts its release on top; a rollback takes away what lies above
    its own (or, where that is new to the hosts, what it left), and a line `away` the one that it names: a rollback
    that began said that it is bad, whether it ended or not. An adoption is where a host begins, never a step."""
    history = sorted(set(lines), key=lambda line: (line.number, ORDER.get(line.command, 2), line.release))
    named = {line.number for line in history if line.command == "away"}
    stack: list[str] = []
    for line in history:
        name = one_name(line.release)
        there = name in stack
        if line.command == "adopt":
            stack[:0] = [] if there else [name]
        elif line.command == "rollback" and there:
            del stack[stack.index(name) + 1 :]
        else:
            if there:
                stack.remove(name)
            if line.command == "rollback" and line.number not in named:
                del stack[-1:]
            if line.command != "away":
                stack.append(name)
    return stack
