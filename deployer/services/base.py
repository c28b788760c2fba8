"""What a phrasebook is: the shell functions by which hostctl checks, reloads, starts and questions one server.

`script` returns POSIX sh that defines, for dash and busybox ash alike:

  service_check DIR       validate the staged tree in DIR without touching what is live; the reason on stderr. On the
                          way back (WAY=back) it fails only for what is known to end the running server: what cannot
                          be checked now, or would only be refused by it, is tried, and the proof tells
  service_running         is the process there?
  service_reload RELEASE  make the running process use what DEST holds now; the reason on stderr when it did not
  service_start RELEASE   the same for a dead service
  service_loaded          print the release that the running process is proven to have; nothing when unproven
  service_adopted RELEASE remember that the running process has RELEASE (adopt), or, with no process there, that the
                          next one reads it from DEST (a host that boots); no process is touched
  service_change FROM TO  print what taking TO costs a process that has FROM (directories): `reload`, `restart: WHY`
                          where a reload would not make all of it live, `lasting: WHY` where going back would not
                          bring back what the change destroys (a cache that is rebuilt). `cold: WHY` is a reload
                          after which what the cache holds is not found any more (another key, another place); behind
                          a restart it is added as `; cold: WHY`
  service_restart RELEASE the same as reload by stopping and starting; only where service_change said so. What could not
                          be started again is not stopped
  service_revive RELEASE  optional: the last resort on the way back, when a reload was not heard
  service_counters        print `name value` lines of counters since the start: n (client requests), err (5xx), look,
                          miss, orig (requests sent to the origin), since (changes when they begin again at 0); only
                          those the server has; return 1 where it has none
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from deployer.model.errors import InputError
from deployer.model.sh import EMPTY, Sh, assignments, sh, shipped
from deployer.services.logfield import Form


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """dest, root: absolute paths on the host. prefix: "" on a real machine. vars: the host's variables."""

    dest: str
    root: str
    prefix: str = ""
    vars: Mapping[str, object] = field(default_factory=dict)

    def var(self, name: str, default: str = "") -> str:
        """A host variable as text."""
        return str(self.vars.get(name, default))


class Piped(str):
    """`|` and a command of POSIX sh that prints requests for about a second (a log in shared memory). Phrasebooks write
    it; a path that a file or a variable names is never one, whatever it begins with."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AccessLog:
    """How a server writes down its requests. path: absolute on the host, below `folder`, or Piped. Raises InputError
    for another one.

    pieces: literal, field, literal, field, ..., literal; forms: what each field may hold (none given: a number for
    `status` and `time`, any text for the others), by which a line is split (see logfield.py); blanks before `time` are
    skipped (Squid fills it up on the left). Fields with a meaning: `status`, `cache` (the server's word for
    the cache's part), `time` (of the whole answer), `agent` (User-Agent), `upstream` ("-" or empty: the origin was not
    asked); any other name is skipped over.
    ms: milliseconds in one unit of `time`. hits: words of `cache` that were answered without the origin; misses: looked
    up, then fetched; passes: fetched without a look-up; nothing: neither of these, such as answered by the server
    itself. others: what a word in none of them was (HAProxy writes the name of the server that was asked; one that
    begins with `<` never is), "" unknown, and counted as `odd`. Words are compared as written, after everything from
    the first `/` on is cut off. note: what a person should know about it, such as requests that are logged elsewhere;
    may be empty. top: where path is a command, another one that prints the request lines of the past; may be empty.
    folder: a command of POSIX sh that prints the folder of a path that is relative, where only the host knows it.
    """

    path: str
    pieces: tuple[str, ...]
    ms: float
    hits: frozenset[str] = frozenset()
    misses: frozenset[str] = frozenset()
    passes: frozenset[str] = frozenset()
    forms: tuple[Form, ...] = ()
    nothing: frozenset[str] = frozenset(("-", ""))
    others: Literal["", "miss"] = ""
    note: str = ""
    top: Sh = EMPTY
    folder: Sh = EMPTY

    @property
    def place(self) -> Sh:
        """The path as a word of POSIX sh."""
        return sh('"$({})"/{}', self.folder, self.path) if self.folder else sh("{}", self.path)

    def __post_init__(self) -> None:
        relative = not self.path.startswith("/") and not isinstance(self.path, Piped)
        if relative and (not self.folder or self.path.startswith("|")):
            raise InputError(f"the access log {self.path!r:.80} is no absolute path", hint="log to a file")


@dataclass(frozen=True, slots=True)
class Facts:
    """One column of the capability matrix; sentences without a full stop. cannot: what is honestly missing."""

    check: str
    reload: str
    proof: str
    cache_after_reload: str
    cache_after_restart: str
    way_back: str
    traffic: str
    counters: str
    restarts: str
    cannot: str


class Binary(NamedTuple):
    """A program that doctor asks for its version with `option`. variable: the host variable that names another one."""

    variable: str
    name: str
    option: str


class Start(NamedTuple):
    """The file that a server is started with: behind `option` on its command line; `file` where none is named there."""

    option: str
    file: str


NOWHERE = Start("", "")
# shell text that several servers share
PROCESSES, STAGED = "processes.sh", "staged.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrasebook:
    """One server, as a value. name: as a playbook has it; title: as people call it. binaries: its programs. start:
    where its configuration is. entry: the file that every release must have ("" for none).
    files: shell text, by its path below this folder, in this order; given: what it finds set at its head beside DEST,
    ROOT and PREFIX. counters: what service_counters can print.
    keeps_cache: the cache survives a reload that changes nothing about it; keeps_cache_on_restart: it survives the
    restarts that service_change asks for without calling them cold.
    access_log: where a host with these files (path below DEST -> content) logs requests; None where nothing is logged.
    Raises InputError, with file:line, for a format that lacks what is needed, and says what to add."""

    name: str
    title: str
    facts: Facts
    files: tuple[str, ...]
    given: Callable[[ServiceSettings], Mapping[str, str]]
    access_log: Callable[[Mapping[str, bytes], ServiceSettings], AccessLog | None]
    binaries: tuple[Binary, ...] = ()
    start: Start = NOWHERE
    entry: str = ""
    counters: frozenset[str] = frozenset()
    keeps_cache: bool = False
    keeps_cache_on_restart: bool = False

    def script(self, settings: ServiceSettings) -> Sh:
        """What a host of these settings is sent: the functions that the head of this file lists, for POSIX sh."""
        head = assignments(DEST=settings.dest, ROOT=settings.root, PREFIX=settings.prefix, **self.given(settings))
        return sh("{}{}", head, shipped("deployer.services", *self.files))
