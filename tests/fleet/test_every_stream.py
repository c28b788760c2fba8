"""Every command on every kind of stream, as text and as JSON: the exit code is the one of its outcome, whoever reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployer.cli import COMMANDS, only_reads
from tests.unit.test_cli import config  # noqa: F401
from tests.unit.test_streams import DEPLOY, STREAMS, shell

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
    "init --service varnish": 0,
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
    assert {words.split(maxsplit=1)[0] for words in EVERY} == set(COMMANDS)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("json", ["", " --json"], ids=["text", "json"])
@pytest.mark.parametrize("words", EVERY)
def test_every_command_on_every_stream(site: Path, words: str, json: str) -> None:
    """The exit code of its outcome, whoever reads; what is left behind is what it leaves where all is read."""
    if json and words in ("demo --help", "completion bash"):
        pytest.skip("it has no --json")
    left: list[set[str]] = []
    for name, streams in {"all is read": "", **MORE}.items():
        done = shell(site, f"{DEPLOY} {words}{json} {streams}")
        lost = "full" in name and name != "stderr full" and only_reads(words.split())
        code = EVERY[words] or int(lost)
        assert done.returncode == code, f"deploy {words}{json}, {name}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        assert "this is a bug" not in done.stdout + done.stderr
        files = {str(path.relative_to(site)) for path in site.rglob("*") if ".git" not in path.parts and path.is_file()}
        left.append({path for path in files if not path.startswith(".deploy/")})
        assert left[-1] == left[0], name
        subprocess.run(["git", "clean", "-fdq"], cwd=site, check=True)
    assert words.startswith("init") or len(left[0]) == 4, left[0]
