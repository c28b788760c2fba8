"""What we say to a host; remote/answer.py reads what it says. Pure: a command is a value, running it is the wire's.

Every value gets into a line by model/sh.py. Every verb answers with one line of JSON; nothing is parsed from English.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deployer.model.release import Package
from deployer.model.sh import EMPTY, Sh, sh, within
from deployer.model.state import Order
from deployer.remote.layout import Layout, agent_source

PROTOCOL = 1
QUICK, SLOW = 15.0, 60.0  # seconds: verbs that only look or rename; verbs that validate, reload and prove
ANSWER = 2 * 1024 * 1024  # bytes: the most files a release may have, with long names, and their history
ABSENT = "agent-absent"
UNSAFE = (
    "unsafe",
    "another user of this host could replace what runs there: a folder on the way to it is theirs or open to all",
)
ROOTS, OURS = (Sh("0"),), (Sh("0"), Sh('"$(id -u)"'))  # whose files may run, as find(1) is told
HARMLESS = within("echo {")  # for what sudo runs by a sh


@dataclass(frozen=True, slots=True)
class Elevated:
    """What needs root. guard: sh that answers and exits where there is nothing to run. words: what sudo runs; for a
    verb the agent itself, by its absolute path, so that a rule can allow just that. harmless: the same program
    changing nothing and printing `{`."""

    guard: Sh
    words: Sh
    harmless: Sh


@dataclass(frozen=True, slots=True)
class Command:
    """line: of POSIX sh, whatever the login shell (remote/words.py). stdin: everything it reads. deadline: seconds for
    the whole exchange, connecting and sending included. elevated: None where the user who logs in may do it. most:
    bytes of its answer; a host that says more is cut off."""

    line: Sh
    stdin: bytes = field(default=b"", repr=False)  # may begin with a password
    deadline: float = QUICK
    elevated: Elevated | None = None
    most: int = 64 * 1024


def _verb(
    layout: Layout, verb: str, *args: object, stdin: bytes = b"", deadline: float = QUICK, also: str = ""
) -> Command:
    """The guard answers in the same language when the agent is not there, or may not be what we put there."""
    words = sh("{}", [layout.agent, verb, layout.root, *args])
    agent, places = sh("{}", layout.agent), [layout.agent, layout.root, *([also] if also else [])]
    absent = sh("if ! [ -f {} ]; then {}; exit; ", agent, _no(ABSENT, "the host agent is not installed"))
    mine, roots = (
        sh("{}elif {}; then {}; exit; fi; ", absent, _unsafe(places, owners), _no(*UNSAFE)) for owners in (OURS, ROOTS)
    )
    return Command(sh("{}exec sh {}", mine, words), stdin, deadline, Elevated(roots, words, agent), ANSWER)


def _no(code: str, error: str) -> Sh:
    """sh that refuses in the language of the protocol."""
    return sh("echo {}", json.dumps({"ok": False, "proto": PROTOCOL, "code": code, "error": error}))


def _unsafe(paths: Sequence[str], owners: Sequence[Sh] = OURS) -> Sh:
    """sh that is true when somebody other than the owners (root and who logs in; root alone where sudo runs it)
    could put a file of theirs in the place of one of `paths`: a folder above it is theirs, or is open to all without
    the sticky bit. What is not there yet is no danger: we make it."""
    above = {"/".join(parts[:n]) for path in paths for parts in [path.split("/")] for n in range(2, len(parts) + 1)}
    foreign = [sh("! -user {}", owner) for owner in owners]
    rule = sh(r"\( -perm -0002 ! -perm -1000 -o {} \)", foreign)
    return sh('[ -n "$(find -H {} -prune {} 2>/dev/null)" ]', sorted(above), rule)


def as_root(command: Command, password: str | None = None) -> Command:
    """The same through sudo. A password goes before the rest of stdin, for sudo to read; where sudo asks for none the
    shell reads it away, so that it never becomes part of what the agent gets. It is in no command line."""
    need = command.elevated
    if need is None:
        return command
    plain = sh("exec sudo -n -- {}", need.words)
    if password is None:
        return replace(command, line=sh("{}{}", need.guard, plain))
    line = sh(
        "{guard}case $(sudo -k -n -- {harmless} </dev/null 2>/dev/null) in "
        "'{{'*) IFS= read -r given; {plain} ;; *) exec sudo -k -S -p '' -- {words} ;; esac",
        guard=need.guard,
        harmless=need.harmless,
        plain=plain,
        words=need.words,
    )
    return replace(command, line=line, stdin=password.encode() + b"\n" + command.stdin)


def install(layout: Layout) -> Command:
    """Put the agent there under its own hash: temporary file, sync, rename. With sudo this needs more than the agent's
    own rule: the right to run sh, once."""
    steps = sh(
        "umask 022; mkdir -p {folder} && cat > {agent}.tmp.$$ && chmod 755 {agent}.tmp.$$ && "
        "{{ sync {agent}.tmp.$$ 2>/dev/null || sync; }} && mv -f {agent}.tmp.$$ {agent}",
        folder=layout.agent.rsplit("/", 1)[0],
        agent=layout.agent,
    )
    good = json.dumps({"ok": True, "proto": PROTOCOL})
    put = sh("{} && echo {} || {}", steps, good, _no("disk", "cannot install the host agent"))
    line = sh("if {}; then {}; else {}; fi", _unsafe([layout.agent, layout.root]), _no(*UNSAFE), put)
    return Command(line, agent_source(), QUICK, Elevated(EMPTY, within(line), HARMLESS))


def survey(layout: Layout) -> Command:
    """Read only; works on hosts that were never adopted. `dest` is asked for by path."""
    return _verb(layout, "survey", layout.dest)


def stage(layout: Layout, package: Package, service: str, group: str = "") -> Command:
    """Files, manifest and the service's shell functions in one tar on stdin. group: see Playbook."""
    words = [package.release, *([group] if group else [])]
    return _verb(layout, "stage", *words, stdin=pack(package, service), deadline=SLOW)


def preview(layout: Layout, package: Package, service: str) -> Command:
    """The same stream; the host checks and weighs it in a directory that is gone afterwards."""
    return _verb(layout, "preview", stdin=pack(package, service), deadline=SLOW)


def check(layout: Layout, release: str) -> Command:
    return _verb(layout, "check", release, deadline=SLOW)


def activate(layout: Layout, order: Order) -> Command:
    args = (order.deploy, order.number, order.command, order.release, order.lease, order.hard_cap)
    more = ["restart" if order.restart else "-", *([order.leaves] if order.leaves else [])]
    return _verb(layout, "activate", *args, *(more if order.restart or order.leaves else []), deadline=SLOW)


def extend(layout: Layout, order: Order) -> Command:
    return _verb(layout, "extend", order.deploy, order.lease)


def confirm(layout: Layout, order: Order) -> Command:
    return _verb(layout, "confirm", order.deploy)


def revert(layout: Layout, order: Order) -> Command:
    return _verb(layout, "revert", order.deploy, order.number, order.command, deadline=SLOW)


def prune(layout: Layout, keep: int) -> Command:
    return _verb(layout, "prune", keep)


def adopt(layout: Layout, order: Order, service: str) -> Command:
    args = (order.deploy, order.number, layout.dest)
    return _verb(layout, "adopt", *args, stdin=service.encode(), deadline=SLOW, also=layout.dest)


def unadopt(layout: Layout, order: Order) -> Command:
    """Also where nothing is adopted: what an unadoption that was cut off left is finished."""
    args = (order.deploy, order.number, layout.dest)
    return _verb(layout, "unadopt", *args, deadline=SLOW, also=layout.dest)


def pack(package: Package, service: str) -> bytes:
    """A deterministic tar: regular files only, sorted, no owner, no time."""
    buffer = io.BytesIO()
    entries = {".manifest": (package.manifest().encode(), False), ".service": (service.encode(), False)}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, (content, executable) in sorted({**entries, **package.files}.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755 if executable else 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
