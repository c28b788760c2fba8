"""Streams that are closed, full, or read by nobody: the exit code is the one of what was done, never 70 or 120."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.cli import COMMANDS as COMMAND_NAMES
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


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """bash, for its `pipefail`."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_the_exit_code_does_not_depend_on_who_reads(config: Path, streams: str) -> None:  # noqa: F811
    """Every kind of ending, on every kind of stream."""
    for words, code in COMMANDS.items():
        done = shell(config, f"{DEPLOY} {words} {streams}")
        assert done.returncode == code, f"deploy {words} {streams}: {done.stderr}"
        assert "Traceback" not in done.stderr
        assert "bug" not in done.stderr


REFUSING = """all:
  vars: {ansible_port: 9, http_port: 9}
  children:
    edge: {hosts: {web1: {ansible_host: 127.0.0.1}, web2: {ansible_host: 127.0.0.2}}}
    production: {children: {edge: {}}}
"""
EVERY = {  # each command once where it gets furthest without a host
    "plan": 1,
    "push --yes": 1,
    "rollback --yes": 1,
    "status": 4,
    "history": 0,
    "show 1-abcd": 1,
    "adopt --yes": 1,
    "unadopt --yes": 1,
    "warm": 64,
    "check": 1,
    "lock status": 0,
    "lock release --yes": 0,
    "confirm --yes": 4,
    "abort --yes": 4,
    "doctor": 1,
    "demo --help": 0,
    "completion bash": 0,
}
MORE = {
    **STREAMS,
    "stdout and stderr closed": ">&- 2>&-",
    "stderr full": "2>/dev/full",
    "one line is read": "| head -n 1",
}


@pytest.fixture
def site(config: Path) -> Path:  # noqa: F811
    """Committed, with a file to deploy; its hosts refuse."""
    (config / "playbooks/nginx/files").mkdir()
    (config / "playbooks/nginx/files/nginx.conf").write_text("x\n")
    (config / "inventory.yml").write_text(REFUSING)
    for words in ("init -q", "add -A", "-c user.name=t -c user.email=t@t commit -qm x"):
        subprocess.run(["git", *words.split()], cwd=config, check=True)
    return config


def test_every_command_is_in_the_matrix() -> None:
    assert {words.split(maxsplit=1)[0] for words in EVERY} == set(COMMAND_NAMES)


@pytest.mark.long
@pytest.mark.parametrize("json", ["", " --json"], ids=["text", "json"])
@pytest.mark.parametrize("words", EVERY)
def test_every_command_on_every_stream(site: Path, words: str, json: str) -> None:
    """The exit code of its outcome, whoever reads; what is left behind is what it leaves where all is read."""
    if json and words in ("demo --help", "completion bash"):
        pytest.skip("it has no --json")
    for name, streams in {"all is read": "", **MORE}.items():
        done = shell(site, f"{DEPLOY} {words}{json} {streams}")
        assert done.returncode == EVERY[words], f"deploy {words}{json}, {name}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        assert "this is a bug" not in done.stdout + done.stderr
        files = {str(path.relative_to(site)) for path in site.rglob("*") if ".git" not in path.parts and path.is_file()}
        ours = {path for path in files if path.startswith(".deploy/")}
        assert files - ours == {"inventory.yml", "playbooks/nginx/playbook.yml", "health_checks/shop.yml",
                                "playbooks/nginx/files/nginx.conf"}, name  # fmt: skip


def test_what_was_lost_is_said(config: Path) -> None:  # noqa: F811
    """A full disk is no reader that went away."""
    assert "output could not be written: No space left on device" in shell(config, f"{DEPLOY} --help >/dev/full").stderr
    assert shell(config, f"{DEPLOY} --help | true").stderr == ""


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
