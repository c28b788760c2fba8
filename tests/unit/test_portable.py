"""The deployer's own side runs on macOS as far as that can be seen from here: its source asks for nothing of Linux.

Names that a module lacks there (signals, socket options, functions of `os`) are found by `mypy --platform darwin`, which
script/check runs. What no type tells is looked for here: paths, and programs beside those that every such machine has.
"""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import deployer
from deployer.adapters.local import rendering
from deployer.adapters.ssh import ask as ssh_ask
from deployer.model.errors import DeployError
from deployer.sandbox import fleet

PACKAGE = Path(deployer.__file__).parent
ELSEWHERE = {  # folder: why its text is not about the machine of the deployer
    "sandbox": "hosts and real servers on this machine: Linux only, and it says so",
    "model/dest.py": "directories of hosts",
    "remote": "shell text, sent to hosts",
    "services": "shell text, sent to hosts",
}
PROGRAMS = {  # what is run on the deployer's machine: why it is there
    "/bin/sh": "runs a command of a health check (--allow-exec), whatever that needs",
    "git": "a requirement",
    "ssh": "reads ssh_config; without it paramiko does",
    "ssh-keygen": "only for require_signed; refused by name without it",
}
PATHS = re.compile(r"/(?:proc|sys|run|dev/(?:shm|full)|lib/systemd|etc/(?:os-release|machine-id))(?=/|$)")
FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not any(path.is_relative_to(PACKAGE / folder) for folder in ELSEWHERE)
]


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every literal text that is no docstring."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def programs(tree: ast.AST) -> Iterator[str]:
    """The names of programs that a module looks for or starts, where they are written down."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func)
        first = node.args[0]
        if called.startswith("subprocess.") and isinstance(first, ast.List | ast.Tuple) and first.elts:
            first = first.elts[0]
        elif called not in ("program", "children.program", "shutil.which", "os.system"):
            continue
        if isinstance(first, ast.Constant):
            yield str(first.value)


def strange(source: str) -> list[str]:
    """What of it another system may not have."""
    tree = ast.parse(source)
    paths = [str(node.value) for node in texts(tree) if PATHS.search(str(node.value))]
    return [*paths, *(name for name in programs(tree) if name not in PROGRAMS)]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_of_linux(path: Path) -> None:
    assert strange(path.read_text()) == []


@pytest.mark.parametrize(
    "line", ['open("/proc/self/stat")', 'subprocess.run(["setsid", "x"])', 'program("flock")', 'Path("/run/lock")']
)
def test_it_would_be_seen(line: str) -> None:
    assert strange(line)


def test_every_program_of_the_list_is_run() -> None:
    """A list that only grows says less and less."""
    assert {name for path in FILES for name in programs(ast.parse(path.read_text()))} == set(PROGRAMS)


def test_the_types_know_macos() -> None:
    """The half of this that script/check does."""
    check = PACKAGE.parent / "script/check"
    assert "mypy --platform darwin" in check.read_text()


def test_a_proxy_without_an_ssh_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is led to the port of the inventory, not to 22."""
    monkeypatch.setattr(ssh_ask, "program", lambda name: None)
    (tmp_path / "config").write_text("Host *\n  ProxyCommand relay %h %p %r\n")
    said = ssh_ask.ask_ssh("web1", "eve", 2201, str(tmp_path / "config"))
    assert said["proxycommand"] == "relay web1 2201 eve"


def no_limit(kind: int, limits: tuple[int, int]) -> None:
    raise ValueError("current limit exceeds maximum limit")


def test_a_limit_that_the_system_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS takes none of memory, and goes on; elsewhere going on without one is no way."""
    monkeypatch.setattr(resource, "setrlimit", no_limit)
    monkeypatch.setattr(sys, "platform", "darwin")
    rendering.bound(resource.RLIMIT_AS, rendering.MEMORY)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(ValueError, match="limit"):
        rendering.bound(resource.RLIMIT_AS, rendering.MEMORY)


def test_a_lower_limit_stays() -> None:
    """`ulimit -v` of whoever started us is no error, and is not raised by root, either."""
    less = rendering.MEMORY // 2
    text = (
        "import resource; from deployer.adapters.local.rendering import MEMORY, bound; "
        f"resource.setrlimit(resource.RLIMIT_AS, ({less}, {less})); bound(resource.RLIMIT_AS, MEMORY); "
        "print(*resource.getrlimit(resource.RLIMIT_AS))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(less)] * 2, done.stderr


def test_the_sandbox_says_that_it_needs_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(DeployError, match="it needs Linux, and this is darwin"):
        fleet.Sandbox(tmp_path / "fleet", count=1).start()
    assert not (tmp_path / "fleet").exists()
