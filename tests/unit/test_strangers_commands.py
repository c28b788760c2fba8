"""Every command in a repository by somebody who means harm, as it is started by a person: nothing of it is run, nothing
outside is written, nothing that a terminal obeys is printed, and no command breaks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.cli import COMMANDS
from tests.fakes.strangers import ODD, Stranger, control_characters, fast_import

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
    "completion": (("bash",),),
}
LINES = [(command, *words) for command, lines in WORDS.items() for words in lines]
SECRETS = ("hunter2-not-for-eyes", "hunter3-of-another-file", "hunter4-of-the-operator")
# What may be run: we ourselves, git and the parts of git, and the readers of ssh's files.
PROGRAMS = re.compile(r"deploy|python[0-9.]*|git|ssh|ssh-keygen")


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


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_every_command(stranger: Stranger, line: tuple[str, ...]) -> None:
    """On the branch as it is; and what is printed as JSON is JSON."""
    outside = snapshot(stranger.outside)
    done = stranger.deploy(*line)
    judge(stranger, done, outside)
    if "--json" in line:
        json.loads(done.stdout)
    written = {path.name for path in stranger.folder.iterdir()} - {"checkout", "outside", "home"}
    assert written == set()
    kept = {
        str(path.relative_to(stranger.folder / "home"))
        for path in (stranger.folder / "home").rglob("*")
        if path.is_file()
    }
    assert not [name for name in kept if not name.startswith(".local/state/deployer/")]


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


STRACE = shutil.which("strace")


@pytest.mark.needs("strace")
def test_only_these_programs_are_run(stranger: Stranger, tmp_path: Path) -> None:
    """Every execve of commands that read everything, seen by the kernel: by absolute paths, and of a stated list."""
    for line in (("plan", "nginx"), ("history", "nginx"), ("rollback", "nginx", "--yes")):
        log = tmp_path / "strace"
        words = [str(STRACE), "-f", "-qq", "-s", "4096", "-e", "trace=execve", "-o", str(log)]
        deploy = str(Path(sys.executable).with_name("deploy"))
        environ = stranger.environ()
        environ["PATH"] = f".:{environ['PATH']}"
        subprocess.run(
            [*words, deploy, *line],
            cwd=stranger.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        ran = re.findall(r'execve\("((?:[^"\\]|\\.)*)", .* = 0$', log.read_text(), re.MULTILINE)
        assert ran, log.read_text()
        assert not [path for path in ran if not os.path.isabs(path) or path.startswith(str(stranger.folder))]
        assert not [path for path in ran if not PROGRAMS.fullmatch(Path(path).name)]
        told = log.read_text()
        assert "hunter4-of-the-operator" not in told  # no argument carries it


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
