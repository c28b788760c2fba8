"""Streams that are closed, full, or read by nobody: the exit code is the one of what was done, never 70 or 120. Where
the answer is all that is done, one that could not be written was not done; nobody who reads it is nobody's failure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.cli import only_reads
from tests.unit.test_cli import config  # noqa: F401

DEPLOY = f"{sys.executable} -m deployer"
COMMANDS = {
    "--help": 0,
    "plan nginxx": 1,
    "push": 64,
    "status --json": 4,
}
STREAMS = {
    "stdin closed": "<&-",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "full disk": ">/dev/full",
    "both full": ">/dev/full 2>&1",
    "nobody reads": "| true",
}
FULL = [streams for name, streams in STREAMS.items() if "full" in name]


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """bash, for its `pipefail`."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_the_exit_code_does_not_depend_on_who_reads(config: Path, streams: str) -> None:  # noqa: F811
    """Every kind of ending, on every kind of stream."""
    for words, usual in COMMANDS.items():
        code = usual or int(streams in FULL)
        done = shell(config, f"{DEPLOY} {words} {streams}")
        assert done.returncode == code, f"deploy {words} {streams}: {done.stderr}"
        assert "Traceback" not in done.stderr
        assert "bug" not in done.stderr


def test_what_was_lost_is_said(config: Path) -> None:  # noqa: F811
    """A full disk is no reader that went away."""
    assert "output could not be written: No space left on device" in shell(config, f"{DEPLOY} --help >/dev/full").stderr
    assert shell(config, f"{DEPLOY} --help | true").stderr == ""


@pytest.mark.parametrize("words", ["history", "history --json", "lock status", "completion bash"])
def test_an_answer_that_could_not_be_written_was_not_given(config: Path, words: str) -> None:  # noqa: F811
    """A CI job would take the empty file for a good one."""
    subprocess.run(["git", "init", "-q"], cwd=config, check=True)
    assert shell(config, f"{DEPLOY} {words} >/dev/null").returncode == 0
    assert shell(config, f"{DEPLOY} {words} | true").returncode == 0
    done = shell(config, f"{DEPLOY} {words} >/dev/full")
    assert done.returncode == 1
    assert "output could not be written: No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("words", "only"),
    [
        ("plan -o x", True), ("status --json", True), ("lock status", True), ("push --help", True), ("check", True),
        ("push", False), ("status --repair", False), ("lock release", False), ("warm", False), ("init", False), ("", False),
    ],
)  # fmt: skip
def test_whose_answer_is_all_they_do(words: str, only: bool) -> None:
    """What changes something has its exit code for that."""
    assert only_reads(words.split()) is only


def test_a_repair_that_the_environment_asks_for_changes_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_REPAIR", "yes")
    assert not only_reads(["status"])
    assert only_reads(["plan"])


def test_a_closed_stdout_is_not_the_next_file(config: Path) -> None:  # noqa: F811
    """Descriptor 1 would be given to whatever is opened first, and the answer be written into it."""
    done = shell(config, f"{DEPLOY} status --json >&-")
    assert done.returncode == 4
    assert not [p for p in config.rglob("*") if p.is_file() and '"environment"' in p.read_text()]


def test_there_is_one_way_to_print() -> None:
    """console.say; everything else prints through it, or is the live view."""
    found = [
        f"{path}:{number}"
        for path in Path("deployer").rglob("*.py")
        if "sandbox" not in path.parts and path.name != "say.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"click\.(echo|secho)|(?<![\w.])print\(", line) and "noqa: T201" not in line
    ]
    assert found == []
