"""What is not run is told: by name, by reason, and with what brings it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest
from tests.needs import need

@pytest.mark.needs("strace")
@pytest.mark.parametrize("n", [1, 2])
def test_marked(n):
    raise AssertionError("never run")

def test_inside():
    need("ssh-keygen")
    raise AssertionError("never run")

@pytest.mark.needs("git")
def test_here():
    pass
"""


def test_skipped_by_name(tmp_path: Path) -> None:
    """A run of its own on a machine that has git and nothing else."""
    checkout = Path(__file__).parents[2]
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to("/bin/true")
    words = [
        "-m",
        "pytest",
        "-q",
        "-c",
        str(checkout / "pyproject.toml"),
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, *words, "--rootdir", str(tmp_path), str(tmp_path)],
        env={"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(checkout), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 3 skipped" in done.stdout
    said = re.sub(r" +", " ", done.stdout)
    assert " 2 needs strace: apt-get install strace\n test_some.py::test_marked (2)\n" in said
    assert " 1 needs ssh-keygen: apt-get install openssh-client\n test_some.py::test_inside\n" in said
