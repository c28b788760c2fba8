"""The house of DESIGN.md section 5: an import only goes down, engine and adapters never meet, pure floors stay pure."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import deployer
from deployer.cli import COMMANDS
from deployer.remote.layout import PARTS

PACKAGE = Path(deployer.__file__).parent
FLOOR = {
    "model": 0, "gate": 0, "services": 1, "remote": 2, "engine": 3, "adapters": 3,
    "console": 4, "sandbox": 4, "wiring": 5, "commands": 6, "cli": 6, "__main__": 6, "__init__": 0,
}  # fmt: skip
WINGS = {  # of adapters: each, and the others that it may import
    "reading": (),
    "local": (),
    "http": (),
    "ssh": ("local", "http"),
    "git": ("local", "reading", "ssh"),
    "measuring": ("local", "http", "ssh"),
}
GATE = {"stats": (), "trial": ("stats",), "ruling": ("stats", "trial")}
PURE = ("model", "gate", "services", "remote")
WIRES = ("fabric", "paramiko", "invoke", "git", "httpx", "numpy", "scipy", "rich", "socket", "subprocess", "threading")


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, at any depth of nesting."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(path: Path) -> str:
    """The room (or the module at the top) a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """No file imports from a floor above its own; engine and adapters never import each other."""
    here = room(path)
    for name in imports(path):
        if not name.startswith("deployer."):
            continue
        there = name.split(".")[1]
        assert FLOOR[there] <= FLOOR[here], f"{path} imports {name}, which is above it"
        assert {here, there} != {"engine", "adapters"}, f"{path} imports {name}"


def wing(parts: Sequence[str]) -> tuple[str, str]:
    """(room, wing) of a module's name without `deployer`; no wing for what lies in the room itself."""
    return parts[0], parts[1] if len(parts) > 1 and (PACKAGE / parts[0] / parts[1]).is_dir() else ""


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_wings_import_what_they_say(path: Path) -> None:
    """The wings of adapters and of the gate, and the servers, which know nothing of each other."""
    here = wing(path.relative_to(PACKAGE).with_suffix("").parts)
    for name in imports(path):
        there = wing(name.split(".")[1:] or ["__init__"])
        if not name.startswith("deployer.") or here[0] != there[0] or "" in (here[1], there[1]) or here == there:
            continue
        allowed = {"adapters": WINGS, "gate": GATE}.get(here[0], {}).get(here[1], ())
        assert there[1] in allowed or here[0] not in ("adapters", "gate", "services"), f"{path} imports {name}"


def modules() -> dict[str, set[str]]:
    """Every module and those of ours that it imports, at any depth of nesting."""
    found = {".".join(("deployer", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in FILES}
    names = {name.removesuffix(".__init__"): path for name, path in found.items()}
    return {name: {to for to in imported(path) if to in names} for name, path in names.items()}


def imported(path: Path) -> Iterator[str]:
    """Modules, also those that are imported from their package by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_circle() -> None:
    """Modules can be put in an order in which each imports earlier ones. commands/ are found by name from cli, and
    completion asks cli for the tree."""
    graph = {name: to - {name, "deployer.cli"} for name, to in modules().items()}
    graphlib.TopologicalSorter(graph).prepare()


def test_every_package_says_what_lives_there() -> None:
    """In the head of its `__init__`."""
    silent = [
        path for path in FILES if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ("services", "remote")], ids=lambda p: p.name)
def test_what_is_said_of_it_is_a_sentence(path: Path) -> None:
    """A docstring of four words or fewer says what the name says already."""
    nodes = [
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Module)
    ]
    assert not [said for n in nodes if (said := ast.get_docstring(n)) and len(said.split()) <= 4]


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in PURE], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_pure_floors_import_no_wire(path: Path) -> None:
    """No fabric, git, httpx, numpy or rich, and nothing that opens a socket, in model, gate, services, remote."""
    wires = [name for name in imports(path) if name.split(".")[0] in WIRES]
    assert not wires, f"{path} imports {wires}"


def test_pure_floors_import_no_wire_at_run_time() -> None:
    """The same, asked of the interpreter."""
    modules = [
        "deployer." + str(p.relative_to(PACKAGE)).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for p in FILES
        if room(p) in PURE
    ]
    code = f"import sys, {', '.join(modules)}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fabric", "paramiko", "git", "httpx", "numpy", "rich"} & set(loaded)


def test_rooms_keep_their_walls() -> None:
    """A module has at most 250 lines."""
    assert not {str(p.relative_to(PACKAGE)): n for p in FILES if (n := len(p.read_text().splitlines())) > 250}


def test_commands_holds_commands_only() -> None:
    """One file for each that `deploy --help` lists."""
    assert {path.stem for path in (PACKAGE / "commands").glob("*.py")} - {"__init__"} == set(COMMANDS)


PAGES = [path for path in (PACKAGE / "console/pages").glob("*.py") if path.stem != "page"]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_pages_say_nothing_themselves(path: Path) -> None:
    """A page is a value: it is said in one place, asks no clock, reads no file and looks at no terminal."""
    names = set(imported(path))
    assert not names & {"click", "sys", "os", "pathlib", "deployer.console.say.say", "deployer.console.say.say_json"}
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert not calls & {"print", "open", "time.time"}


def test_the_agent_is_readable() -> None:
    """Shell files of at most 120 columns and 150 lines; every one of the agent's is sent."""
    files = sorted(PACKAGE.rglob("*.sh"))
    wide = {f"{p.name}:{n}" for p in files for n, line in enumerate(p.read_text().splitlines(), 1) if len(line) > 120}
    assert not wide
    assert not [p.name for p in files if len(p.read_text().splitlines()) > 150]
    assert sorted(PARTS) == sorted(p.stem for p in (PACKAGE / "remote/hostctl").iterdir())
