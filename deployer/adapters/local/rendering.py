"""Templates are rendered in a process of their own, with a limit on time and on memory: a sandbox keeps a template
from reaching out, but not from `{% for %}` without end or from a string of a gigabyte.

The child runs `main`: one JSON object on stdin, one on stdout.
"""

from __future__ import annotations

import base64
import datetime
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from deployer.adapters.local.children import ELSEWHERE, NOTHING, environment, python
from deployer.model.errors import DeployError, InputError
from deployer.model.fleet import Host
from deployer.model.release import MAX_BYTES, SourceFile
from deployer.model.render import Rendered, render, variables

SECONDS, EACH = 10.0, 0.05  # for all, and more for every rendering
DATE = "\0date"
MEMORY = 1024 * 1024 * 1024  # bytes of address space


def render_packages(sources: Sequence[SourceFile], hosts: Sequence[Host]) -> dict[str, Rendered]:
    """Host name -> what lands there. Raises InputError naming file, line and variable, or the file that goes on and
    on. Where there is no template, no process is started."""
    plain: Rendered = {s.path: (s.content, s.executable) for s in sources if not s.template}
    templates = [s for s in sources if s.template]
    if not templates:
        return {host.name: dict(plain) for host in hosts}
    rendered = _ask(templates, hosts)
    return {host.name: {**plain, **rendered[host.name]} for host in hosts}


def _ask(templates: Sequence[SourceFile], hosts: Sequence[Host]) -> dict[str, Rendered]:
    question = json.dumps({
        "templates": [[s.path, base64.b64encode(s.content).decode(), s.executable, s.name] for s in templates],
        "hosts": [[host.name, {**variables(host), "groups": {}}] for host in hosts],
        "groups": hosts[0].groups,  # one inventory's: in every host's own variables it would be large
    }, default=dated)  # fmt: skip
    deadline = SECONDS + EACH * len(templates) * len(hosts)
    try:
        done = subprocess.run(
            python("deployer.adapters.local.rendering"),
            input=question.encode(),
            capture_output=True,
            env=environment(NOTHING),
            cwd=ELSEWHERE,
            timeout=deadline,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{_last(error.stderr)}: the template does not end within {deadline:.0f} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise InputError(f"{_last(done.stderr)}: the template needs more than {MEMORY >> 20} MiB") from None
    if "error" in answer:
        raise InputError(answer["error"], hint=answer["hint"])
    return {
        name: {path: (base64.b64decode(content), executable) for path, content, executable in files}
        for name, files in answer["hosts"].items()
    }


def dated(value: object) -> dict[str, str]:
    """YAML has dates, JSON has not. The key is one that no variable can have: YAML has no NUL."""
    if isinstance(value, datetime.date):
        return {DATE: value.isoformat()}
    raise TypeError(f"{type(value).__name__} is no value of a variable")


def undated(found: dict[str, object]) -> object:
    """The same, read back."""
    if found.keys() != {DATE}:
        return found
    text = str(found[DATE])
    return datetime.datetime.fromisoformat(text) if "T" in text else datetime.date.fromisoformat(text)


def _last(said: bytes | None) -> str:
    """The template that was being rendered: the child names each before it begins."""
    lines = [line[1:] for line in (said or b"").decode(errors="replace").splitlines() if line.startswith(">")]
    return lines[-1] if lines else "a template"


def answer(question: dict[str, Any]) -> dict[str, object]:
    """The child's work."""
    sources = [
        SourceFile(str(p), base64.b64decode(str(c)), bool(x), True, str(n)) for p, c, x, n in question["templates"]
    ]
    found: dict[str, object] = {}
    size = 0
    for name, names in question["hosts"]:
        files = []
        names["groups"] = {group: list(members) for group, members in question["groups"].items()}
        for source in sources:
            print(f">{source.name}", file=sys.stderr, flush=True)  # noqa: T201
            content = render(source, names)
            size = max(size, len(content))
            if size > MAX_BYTES:
                raise InputError(f"{source.name}: renders to more than {MAX_BYTES >> 20} MiB")
            files.append((source.path, base64.b64encode(content).decode(), source.executable))
        found[str(name)] = files
    return {"hosts": found}


def bound(kind: int, most: int) -> None:
    """At most so much from here on, and never more than was allowed before. macOS knows limits of memory and takes
    none: there the size of what is rendered and the time it takes are bounded, and memory is not."""
    before = resource.getrlimit(kind)[1]
    limit = most if before == resource.RLIM_INFINITY else min(most, before)
    try:
        resource.setrlimit(kind, (limit, limit))
    except (ValueError, OSError):
        if sys.platform != "darwin":
            raise


def main() -> None:
    """Entry point of the child."""
    bound(resource.RLIMIT_AS, MEMORY)
    bound(resource.RLIMIT_CORE, 0)
    question = json.loads(sys.stdin.buffer.read(), object_hook=undated)
    try:
        said = answer(question)
    except DeployError as error:
        said = {"error": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(said))
