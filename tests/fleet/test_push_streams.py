"""A push that really changes hosts, on streams that are closed, full, or whose reader leaves in the middle: it ends as
it would have, and the exit code is the one of what was done.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployer.sandbox import repository
from tests.fleet.conftest import DEPLOY, Fleet

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("push streams")]

STREAMS = {
    "its reader leaves in the middle": "2>&1 | head -n 3 > /dev/null",
    "both are closed": ">&- 2>&-",
    "stdout is closed": ">&-",
    "the disk is full": "> /dev/full 2>&1",
}
FULL = """set -e
mount -t tmpfs -o size=4k none "$1"
head -c 3900 /dev/zero > "$1/said"
exec >> "$1/said" 2>&1
cd "$2"
shift 2
exec "$@"
"""


def pushed(fleet: Fleet, streams: str, *words: str) -> int:
    """`deploy push --yes WORDS STREAMS` in bash, for its pipefail: the exit code."""
    line = f'"$@" {streams}'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, "push", *DEPLOY, "push", "--yes", *words], cwd=fleet.sandbox.config,
        env={**fleet.sandbox.environ(), "PYTHONPATH": str(Path(__file__).parents[2])}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode


@pytest.mark.parametrize(
    "words", [pytest.param((), id="text", marks=pytest.mark.long), pytest.param(("--json",), id="json")]
)
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[] if name == "its reader leaves in the middle" else [pytest.mark.long]) for name in STREAMS
])  # fmt: skip
def test_a_good_push(nginx: Fleet, name: str, words: tuple[str, ...]) -> None:
    """All confirmed, 0, and in the ledger."""
    mark = "-".join([*name.split(), *(word.strip("-") for word in words)])
    nginx.mark(mark)
    assert pushed(nginx, STREAMS[name], *words) == 0
    assert {nginx.served(host.name) for host in nginx.sandbox.hosts} == {mark}
    assert nginx.deploy("history")[1]["deploys"][-1]["result"] == "deployed"
    assert nginx.deploy("status")[0] == 0


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[] if name == "the disk is full" else [pytest.mark.long]) for name in STREAMS
])  # fmt: skip
def test_a_bad_push(nginx: Fleet, name: str) -> None:
    """All put back, 3, and in the ledger."""
    before = nginx.currents()
    repository.commit_edit(nginx.sandbox, "incident")
    try:
        assert pushed(nginx, STREAMS[name], "--allow-quarantined") == 3
    finally:
        repository.git(nginx.sandbox.config, "revert", "--no-edit", "HEAD")
    assert nginx.currents() == before
    assert nginx.deploy("history")[1]["deploys"][-1]["result"] == "reverted"
    assert nginx.deploy("status")[0] == 0


@pytest.mark.long
@pytest.mark.needs("root")
def test_the_disk_becomes_full_in_the_middle(nginx: Fleet, tmp_path: Path) -> None:
    """After the first words: a file system of one page that the test mounts for this command alone."""
    nginx.mark("full-in-the-middle")
    full = tmp_path / "full"
    full.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", FULL, "full", str(full), str(nginx.sandbox.config), *DEPLOY, "push",
         "--yes", "-v"],
        env={**nginx.sandbox.environ(), "PYTHONPATH": str(Path(__file__).parents[2])}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {nginx.served(host.name) for host in nginx.sandbox.hosts} == {"full-in-the-middle"}
    assert not os.listdir(full), "it was a mount of its own"
