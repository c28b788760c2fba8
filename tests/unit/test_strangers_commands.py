"""Every command in a repository by somebody who means harm, as it is started by a person: nothing of it is run, nothing
outside is written, nothing that a terminal obeys is printed, and no command breaks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from deployer.cli import COMMANDS
from tests.fakes.strangers import ODD, Stranger, control_characters, fast_import
from tests.fakes.tracing import STRACE, Traced

WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "plan": (("nginx",), ("nginx", "--json")),
    "push": (("nginx", "--yes", "--output", "github"),),
    "rollback": (("nginx", "--yes"),),
    "status": (("nginx",), ("nginx", "--json"), ("nginx", "--repair", "--yes")),
    "init": (("--service", "varnish", "--json"),),
    "history": (("nginx",), ("nginx", "--json")),
    "show": (("1-abcd",),),
    "adopt": (("nginx", "--yes", "--json"),),
    "unadopt": (("nginx", "--yes", "--json"),),
    "warm": (("nginx",),),
    "check": (("nginx",), ("nginx", "--json")),
    "lock": (("status",), ("release", "--yes")),
    "confirm": (("nginx", "--yes"),),
    "abort": (("nginx", "--yes"),),
    "doctor": (("nginx",), ("nginx", "--sudoers")),
    "demo": (("--help",),),  # it reads nothing of the checkout; tests/fleet/test_installed.py runs it
    "completion": (("bash",), ("zsh",), ("fish",)),
}
LINES = [(command, *words) for command, lines in WORDS.items() for words in lines]
SECRETS = ("hunter2-not-for-eyes", "hunter3-of-another-file", "hunter4-of-the-operator")
RAN: dict[tuple[str, ...], tuple[subprocess.CompletedProcess[str], Traced | None]] = {}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Everything at once, committed by somebody with an odd name."""
    made = Stranger(tmp_path_factory.mktemp("stranger"))
    made.plant_modules("", "playbooks", "playbooks/nginx")
    made.plant_git()
    made.plant_links()
    made.write({"playbooks/nginx/files/conf.d/odd.conf": f"# {ODD}\n"})
    made.commit(f"tidy {ODD} production: nothing to do", f"{ODD.replace('<', '')} <t@t>")
    made.canary.unlink(missing_ok=True)
    return made


def judge(stranger: Stranger, done: subprocess.CompletedProcess[str], outside: dict[str, bytes]) -> None:
    """What must hold after every command."""
    said = done.stdout + done.stderr
    assert stranger.ran() == "", said
    assert snapshot(stranger.outside) == outside
    assert [*control_characters(said)] == []
    assert "Traceback" not in said
    assert not [secret for secret in SECRETS if secret in said]
    assert done.returncode in (0, 1, 3, 4, 5, 64), said


def test_every_command_is_here() -> None:
    assert set(WORDS) == set(COMMANDS)


def ran(stranger: Stranger, line: tuple[str, ...]) -> tuple[subprocess.CompletedProcess[str], Traced | None]:
    """One command, seen by the kernel where strace is there; run once for all tests. PATH begins with the checkout."""
    if line not in RAN:
        traced = Traced(Path(tempfile.mkdtemp(dir=stranger.folder.parent)), stranger.root)
        path = f".::{os.environ['PATH']}"
        outside = snapshot(stranger.outside)
        done = stranger.deploy(*line, before=traced.words() if STRACE else (), PATH=path)
        judge(stranger, done, outside)
        RAN[line] = done, traced.read() if STRACE else None
    return RAN[line]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_command(stranger: Stranger, line: tuple[str, ...]) -> None:
    """On the branch as it is; and what is printed as JSON is JSON."""
    done, _ = ran(stranger, line)
    if "--json" in line:
        json.loads(done.stdout)
    written = {path.name for path in stranger.folder.iterdir()} - {"checkout", "outside", "home", "tmp"}
    assert written == set()


@pytest.mark.needs("strace")
@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_only_these_programs_are_run(stranger: Stranger, line: tuple[str, ...]) -> None:
    """By absolute paths, of the stated list, nothing of the checkout; no secret in their words or their environment."""
    _, traced = ran(stranger, line)
    assert traced is not None
    programs = traced.programs
    assert programs, "strace saw nothing"
    assert not [one for one in programs if not one.stated]
    assert not [one for one in programs if not os.path.isabs(one.path) or one.path.startswith(str(stranger.folder))]
    children = [one for one in programs if Path(one.path).name != "deploy"]
    assert len(programs) - len(children) == 1, "the command itself"
    for one in children:
        told = [*one.words, *one.environ]
        assert not [text for text in told if "hunter" in text or text.startswith(("DEPLOY_", "PYTHON"))], one
    assert not [text for one in programs for text in one.words if "hunter" in text]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_only_there_is_written(stranger: Stranger, line: tuple[str, ...]) -> None:
    """What is remembered, `.deploy`, git's own folder, temporary files; bytecode of our own modules, where Python keeps
    it. `.deploy` of this checkout is a link: not even there."""
    before = snapshot(stranger.root / "playbooks")
    _, traced = ran(stranger, line)
    assert traced is not None
    bytecode = [path for path in traced.written if "/__pycache__" in path and not path.startswith(str(stranger.folder))]
    traced.written.difference_update(bytecode)
    own = ("home/.local/state/deployer", "checkout/.git", "tmp")
    if line[0] == "init":  # the one command that writes into the checkout, and over nothing that is there
        own = ("checkout", "tmp")
        after = snapshot(stranger.root / "playbooks")
        assert {path: after.get(path) for path in before} == before
    assert traced.outside(*(stranger.folder / name for name in own)) == []


@pytest.mark.parametrize("shape", ["names", "many", "deep", "big", "template"])
def test_other_commits(stranger: Stranger, shape: str) -> None:
    """Names that a terminal obeys, 50,000 files, 2,000 folders within each other, 300 MB, a template that fails on an odd
    line: each is refused, by name, in the time of a test."""
    below = "playbooks/nginx/files/"
    files = {
        "names": lambda: [(f"{below}a{ODD}b.conf", b"x\n")],
        "many": lambda: [(f"{below}d{number % 100}/{number}.conf", b"x\n") for number in range(50_000)],
        "deep": lambda: [(below + "d/" * 2000 + "a.conf", b"x\n")],
        "big": lambda: [(f"{below}big.conf", bytes(300 * 1024 * 1024))],
        "template": lambda: [(f"{below}a.conf.j2", f"{{{{ {ODD} }}}}\n".encode())],
    }[shape]
    fast_import(stranger.root, shape, files(), f"{shape} {ODD}", "t <t@t>")
    outside = snapshot(stranger.outside)
    done = stranger.deploy("plan", "nginx", "-r", shape)
    judge(stranger, done, outside)
    assert done.returncode == 1
    said = {
        "names": "not allowed",
        "many": "more than",
        "deep": "not allowed",
        "big": "more than",
        "template": "a.conf.j2",
    }
    assert said[shape] in done.stderr
    assert stranger.root.name in done.stderr or below in done.stderr or "a.conf" in done.stderr


@pytest.mark.needs("ssh")
def test_no_child_is_given_the_password(stranger: Stranger, tmp_path: Path) -> None:
    """git and ssh of a path of the test's own write down their environment."""
    spies = tmp_path / "spies"
    spies.mkdir()
    for name in ("git", "ssh"):
        real = shutil.which(name)
        (spies / name).write_text(f'#!/bin/sh\nenv >> {tmp_path}/{name}.env\nexec {real} "$@"\n')
        (spies / name).chmod(0o755)
    stranger.deploy("plan", "nginx", PATH=f"{spies}:{os.environ['PATH']}", MY_PASSWORD="hunter6")
    for name in ("git", "ssh"):
        given = (tmp_path / f"{name}.env").read_text()
        assert "HOME=" in given
        assert "hunter" not in given
        assert "DEPLOY_" not in given
