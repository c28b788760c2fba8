"""What we say to a host and how we read its answer. Pure: a command is a value, running it is the transport's job.

Quoting happens here and nowhere else. Every verb answers with one line of JSON; nothing is parsed from English.
"""

from __future__ import annotations

import io
import json
import shlex
import tarfile
from dataclasses import dataclass

from deployer.model.errors import HostError, Refused, Unreachable
from deployer.model.release import Package
from deployer.model.state import Confirmed, HostState, Order
from deployer.remote.layout import Layout, agent_source

PROTOCOL = 1
QUICK, SLOW = 15.0, 60.0  # seconds: verbs that only look or rename; verbs that validate, reload and prove
ABSENT = "agent-absent"


@dataclass(frozen=True, slots=True)
class Command:
    """line: for the remote shell. stdin: everything it reads. deadline: seconds for the whole exchange."""

    line: str
    stdin: bytes = b""
    deadline: float = QUICK


def _verb(layout: Layout, verb: str, *args: object, stdin: bytes = b"", deadline: float = QUICK) -> Command:
    """The guard answers in the same language when the agent is not there."""
    words = shlex.join([layout.agent, verb, layout.root, *map(str, args)])
    absent = json.dumps({"ok": False, "proto": PROTOCOL, "code": ABSENT, "error": "the host agent is not installed"})
    line = f"if [ -f {shlex.quote(layout.agent)} ]; then exec sh {words}; else echo {shlex.quote(absent)}; fi"
    return Command(line, stdin, deadline)


def as_root(command: Command) -> Command:
    """The same through sudo, which must not ask for a password."""
    return Command(f"sudo -n -- sh -c {shlex.quote(command.line)}", command.stdin, command.deadline)


def install(layout: Layout) -> Command:
    """Put the agent there under its own hash: temporary file, sync, rename."""
    agent = shlex.quote(layout.agent)
    folder = shlex.quote(layout.agent.rsplit("/", 1)[0])
    steps = (
        f"umask 022; mkdir -p {folder} && cat > {agent}.tmp.$$ && chmod 755 {agent}.tmp.$$ && "
        f"{{ sync {agent}.tmp.$$ 2>/dev/null || sync; }} && mv -f {agent}.tmp.$$ {agent}"
    )
    good = json.dumps({"ok": True, "proto": PROTOCOL})
    bad = json.dumps({"ok": False, "proto": PROTOCOL, "code": "disk", "error": "cannot install the host agent"})
    return Command(f"{steps} && echo {shlex.quote(good)} || echo {shlex.quote(bad)}", agent_source(), QUICK)


def survey(layout: Layout) -> Command:
    """Read only; works on hosts that were never adopted. `dest` is asked for by path."""
    return _verb(layout, "survey", layout.dest)


def stage(layout: Layout, package: Package, service: str) -> Command:
    """Files, manifest and the service's shell functions in one tar on stdin."""
    return _verb(layout, "stage", package.release, stdin=pack(package, service), deadline=SLOW)


def preview(layout: Layout, package: Package, service: str) -> Command:
    """The same stream; the host checks and weighs it in a directory that is gone afterwards."""
    return _verb(layout, "preview", stdin=pack(package, service), deadline=SLOW)


def check(layout: Layout, release: str) -> Command:
    return _verb(layout, "check", release, deadline=SLOW)


def activate(layout: Layout, order: Order) -> Command:
    args = (order.deploy, order.number, order.command, order.release, order.lease, order.hard_cap)
    return _verb(layout, "activate", *args, *(["restart"] if order.restart else []), deadline=SLOW)


def extend(layout: Layout, order: Order) -> Command:
    return _verb(layout, "extend", order.deploy, order.lease)


def confirm(layout: Layout, order: Order) -> Command:
    return _verb(layout, "confirm", order.deploy)


def revert(layout: Layout, order: Order) -> Command:
    return _verb(layout, "revert", order.deploy, order.number, deadline=SLOW)


def prune(layout: Layout, keep: int) -> Command:
    return _verb(layout, "prune", keep)


def adopt(layout: Layout, order: Order, service: str) -> Command:
    args = (order.deploy, order.number, layout.dest)
    return _verb(layout, "adopt", *args, stdin=service.encode(), deadline=SLOW)


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


def parse(stdout: bytes, exit_status: int | None, stderr: bytes) -> HostState:
    """The last line of stdout is the answer; what a login banner printed before it is ignored.

    Raises Refused (code and text from the host) or Unreachable (no answer at all)."""
    lines = [line for line in stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    try:
        body = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or "ok" not in body:
        said = _one_line(stderr.decode("utf-8", "replace")) or "nothing"
        cut = exit_status is None
        raise Unreachable(f"no answer from the host agent (exit {exit_status}); it said: {said}", cut=cut)
    if body.get("proto") != PROTOCOL:
        raise Refused(f"the host speaks protocol {body.get('proto')!r}, this deployer {PROTOCOL}", "usage")
    if body["ok"] is not True:
        raise Refused(_one_line(str(body.get("error", "refused"))), str(body.get("code", "usage")))
    return _state(body)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:500]


def _state(body: dict[str, object]) -> HostState:
    """Strict: every field has the type of HostState's default, or the answer is refused."""
    defaults = HostState()
    fields: dict[str, object] = {}
    try:
        for name in HostState.__dataclass_fields__:
            if name in body:
                fields[name] = _typed(body[name], getattr(defaults, name), name)
        return HostState(**fields)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise HostError(f"the host's answer cannot be read: {error}") from None


def _typed(value: object, default: object, name: str) -> object:
    if name == "history" and isinstance(value, list):
        return tuple(Confirmed(int(number), str(command), str(release)) for number, command, release in value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(str(item) for item in value)
    if name == "files" and isinstance(value, dict):
        return {str(path): str(digest) for path, digest in value.items()}
    if type(value) is not type(default):
        raise ValueError(f"{name} is {value!r:.40}")
    return value
