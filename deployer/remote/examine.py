"""What `deploy doctor` asks a host as the user who logs in, and how the answer is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from deployer.model.errors import Unreachable
from deployer.model.sh import EMPTY, Sh, assignments, block, sh, shipped
from deployer.remote.layout import Layout
from deployer.remote.verbs import HARMLESS, Command, Elevated
from deployer.services import SERVICES

GRAMMAR = {  # of what every host says; anything else is no answer
    "user": re.compile(r"\S.{0,99} [0-9]{1,10}", re.ASCII),
    "clock": re.compile(r"[0-9]{1,12}", re.ASCII),
    "free": re.compile(r"[0-9]{1,15}", re.ASCII),
}
TOOLS = re.compile(r"^ *for tool in (.+); do$", re.MULTILINE)


def look(layout: Layout, service: str, names: Mapping[str, object], tools: Iterable[str]) -> Command:
    """See examine.sh; prints lines of `word value`."""
    head = assignments(place=layout.base, tools=" ".join(tools))
    binaries = SERVICES[service].binaries if service in SERVICES else ()
    asked = [sh("say {} {}", names.get(one.variable, one.name), one.option) for one in binaries]
    return Command(block(head, shipped("deployer.remote", "examine.sh"), *asked))


def agent_tools(source: bytes) -> tuple[str, ...]:
    """The tools hostctl refuses to go without: from itself, so that there is one list."""
    found = TOOLS.search(source.decode())
    return tuple(found[1].split()) if found else ()


def try_sudo() -> Command:
    """Does sudo let this user run sh as root? Prints `{`."""
    return Command(Sh("echo {"), elevated=Elevated(EMPTY, HARMLESS, HARMLESS))


def seen(stdout: bytes, exit_status: int | None, stderr: bytes) -> dict[str, list[str]]:
    """word -> values. Raises Unreachable for an answer of another shape."""
    found: dict[str, list[str]] = {}
    for line in stdout.decode("utf-8", "replace").splitlines():
        word, _, value = "".join(c if c.isprintable() else " " for c in line).partition(" ")
        if word in ("user", "shell", "missing", "clock", "free", "binary"):
            found.setdefault(word, []).append(value.strip())
    if not set(GRAMMAR) <= set(found):
        said = " ".join(stderr.decode("utf-8", "replace").split())[:300] or "nothing"
        raise Unreachable(f"it does not answer like a POSIX shell (exit {exit_status}); it said: {said}")
    for word, grammar in GRAMMAR.items():
        if not grammar.fullmatch(found[word][0]):
            raise Unreachable(f"its {word} is {found[word][0]!r:.80}, which is none")
    return found
