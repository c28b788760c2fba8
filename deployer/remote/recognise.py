"""What `deploy init` asks a host first: which cache servers run there. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployer.model.errors import Unreachable
from deployer.model.sh import EMPTY, Sh, block, sh, shipped, within
from deployer.remote.verbs import HARMLESS, Command, Elevated
from deployer.services import SERVICES

MARK = b"--deployer--\n"  # what comes before it was printed by a login script
MOST = 1024 * 1024  # bytes of the answer
SERVICE = "|".join(SERVICES)
NAME = re.compile(rf"process ({SERVICE}) (\d{{1,10}}) (\d{{1,10}}) (here|nested)")
SOCKET = re.compile(r"listens (\w+) (\d{1,10}) ([0-9A-F]{8,32}):([0-9A-F]{4})")
LOOPBACK = re.compile(r"0100007F|0{24}01000000")


@dataclass(frozen=True, slots=True)
class Process:
    """words: its command line. ports: on which it listens, those for everybody before those of loopback. nested: it
    lives in a container of that machine."""

    service: str
    pid: int
    parent: int
    nested: bool
    words: tuple[str, ...]
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """user, root: who logged in. built: service -> the file that its binary reads by itself."""

    user: str
    root: bool
    processes: tuple[Process, ...]
    built: dict[str, str]


def elevated(script: Sh, *arguments: str, deadline: float, most: int, stdin: bytes = b"") -> Command:
    """`script` in sh, through sudo where the host's user becomes root. Its answer begins with MARK."""
    line = within(block(sh("echo {}", MARK.decode().strip()), script), *arguments)
    return Command(line, stdin, deadline, Elevated(EMPTY, line, HARMLESS), most)


def answer(stdout: bytes, exit_status: int | None, stderr: bytes) -> bytes:
    """What came after MARK. Raises Unreachable for an answer of another shape, with what was said."""
    _, mark, rest = stdout.partition(MARK)
    if not mark:
        said = " ".join(stderr.decode("utf-8", "replace").split())[:300] or "nothing"
        raise Unreachable(f"it does not answer like a POSIX shell (exit {exit_status}); it said: {said}")
    return rest


def recognise() -> Command:
    """The question itself: recognise.sh, with the rights that reading command lines takes."""
    return elevated(shipped("deployer.remote", "recognise.sh"), deadline=30.0, most=MOST)


def seen(body: bytes) -> Seen:
    """Raises Unreachable for what is no such answer."""
    user, root, built = "", False, dict[str, str]()
    found: list[tuple[re.Match[str], tuple[str, ...]]] = []
    sockets: dict[int, list[tuple[bool, int]]] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        head, _, words = line.partition("\t")
        if match := NAME.fullmatch(head):
            found.append((match, tuple(words.rstrip("\t").split("\t"))))
        elif match := SOCKET.fullmatch(line):
            sockets.setdefault(int(match[2]), []).append((bool(LOOPBACK.fullmatch(match[3])), int(match[4], 16)))
        elif line.startswith("user ") and len(line.split()) == 3:
            user, root = line.split()[1], line.split()[2] == "0"
        elif line.startswith("built ") and len(line.split()) == 3:
            built[line.split()[1]] = line.split()[2]
    if not user:
        raise Unreachable("it does not say who logged in")
    processes = tuple(
        Process(m[1], int(m[2]), int(m[3]), m[4] == "nested", words, listening(sockets.get(int(m[2]), [])))
        for m, words in found
    )
    return Seen(user, root, processes, built)


def listening(sockets: list[tuple[bool, int]]) -> tuple[int, ...]:
    """Each port once, those for everybody first."""
    return tuple(dict.fromkeys(port for _, port in sorted(set(sockets))))
