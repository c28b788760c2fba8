"""Rollback on real hosts: with nothing but SSH."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.fleet.conftest import Fleet

pytestmark = pytest.mark.timeout(600)

SPY = """
import os, sys
import deployer.wiring.afterwards as afterwards
def spy(*words):
    print("LOADED", *sorted({m.split(".")[0] for m in sys.modules}))
    sys.stdout.flush()
    os._exit(0)
afterwards.record = spy
from deployer.cli import run
run(["rollback", "--yes"])
"""


def push(fleet: Fleet, mark: str) -> None:
    fleet.mark(mark)
    code, body, err = fleet.deploy("push", "--yes")
    assert code == 0, (body, err)


def test_without_git_and_without_its_remote(nginx: Fleet) -> None:
    """The remote is gone and .git is moved away: every host is back, and what is to be recorded is said, and later
    done by the next command that reaches git."""
    before = nginx.settled()
    push(nginx, "two")
    config, remote = nginx.sandbox.config, nginx.sandbox.folder / "origin.git"
    shutil.move(config / ".git", nginx.sandbox.folder / "moved.git")
    shutil.move(remote, nginx.sandbox.folder / "gone.git")
    try:
        code, body, err = nginx.deploy("rollback", "--yes")
        assert (code, body["result"]) == (0, "deployed")
        assert {nginx.served(host.name) for host in nginx.sandbox.hosts} == {before}
        assert "recorded by the next command that reaches git" in err
        assert nginx.deploy("status")[0] == 0
    finally:
        shutil.move(nginx.sandbox.folder / "gone.git", remote)
        shutil.move(nginx.sandbox.folder / "moved.git", config / ".git")
    code, status, _ = nginx.deploy("status")
    assert code == 0
    assert body["deploy"] in status["lock"]
    deploys = nginx.deploy("history")[1]["deploys"]
    assert [(d["command"], d["deploy"]) for d in deploys][-1] == ("rollback", body["deploy"])
    assert nginx.deploy("push", "--yes")[0] == 1, "what was rolled back from is quarantined"


def test_nothing_heavy_is_imported_before_the_last_host_is_back(nginx: Fleet) -> None:
    """No git, httpx, numpy or rich."""
    before = nginx.settled()
    push(nginx, "four")
    done = subprocess.run(
        [sys.executable, "-c", SPY],
        cwd=nginx.sandbox.config,
        env=nginx.sandbox.environ(),
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=100,
    )
    loaded = done.stdout.split("LOADED ")[1].split()
    assert "paramiko" in loaded
    assert not {"git", "httpx", "numpy", "rich"} & set(loaded)
    assert {nginx.served(host.name) for host in nginx.sandbox.hosts} == {before}


def test_to_a_release_by_name(nginx: Fleet) -> None:
    """`--to`, and a name that is none."""
    before = nginx.settled()
    release = nginx.current("web1")
    push(nginx, "six")
    assert nginx.deploy("rollback", "--to", "--help", "--yes")[0] in (0, 64)
    assert nginx.deploy("rollback", "--to", "nonsense", "--yes")[0] == 64
    code, body, _ = nginx.deploy("rollback", "--to", "0123456789-01234567", "--yes")
    assert code == 1, "no host was changed (DESIGN.md section 4)"
    for host in nginx.sandbox.hosts:
        assert f"{host.name}: does not have it" in body["error"]["message"]
    code, body, _ = nginx.deploy("status")
    assert (code, body["lagging"]) == (0, {}), "what was refused is not what the hosts should run"
    assert nginx.deploy("rollback", "--to", release, "--yes")[0] == 0
    assert nginx.served("web2") == before


def test_a_host_that_lacks_the_release_gets_it_pushed(nginx: Fleet) -> None:
    """From git, under the very same name."""
    before = nginx.settled()
    release = nginx.current("web2")
    push(nginx, "eight")
    shutil.rmtree(nginx.root("web2") / "releases" / release)
    assert nginx.deploy("rollback", "--yes")[0] == 0
    assert nginx.served("web2") == before


def test_a_host_that_is_gone_is_named_and_the_others_are_back(nginx: Fleet) -> None:
    """Exit 4."""
    before = nginx.settled()
    push(nginx, "ten")
    config = nginx.sandbox.folder / "ssh_config"
    text = config.read_text()
    known = nginx.sandbox.folder / "known_hosts"
    keys = known.read_text()
    port = nginx.host("web3").ssh_port
    known.write_text("".join(line for line in keys.splitlines(True) if f":{port} " not in line))
    code, body, _ = nginx.deploy("rollback", "--yes")
    known.write_text(keys)
    config.write_text(text)
    assert code == 4
    assert body["hosts"]["web3"]["state"] == "unreachable"
    assert "unknown" in body["hosts"]["web3"]["error"]
    assert (nginx.served("web1"), nginx.served("web3")) == (before, "ten")
    assert nginx.deploy("rollback", "--to", nginx.current("web1"), "--yes")[0] == 0
    assert nginx.served("web3") == before


def test_to_a_release_that_no_host_holds_any_more(nginx: Fleet) -> None:
    """Confirmed once, pruned since: it is read from git, once, and every host gets its own."""
    before = nginx.settled()
    release = nginx.current("web1")
    push(nginx, "after-it")
    for host in nginx.sandbox.hosts:
        shutil.rmtree(nginx.root(host.name) / "releases" / release)
    code, body, err = nginx.deploy("rollback", "--yes", "--to", release)
    assert (code, body["release"]) == (0, release), err
    assert {nginx.served(host.name) for host in nginx.sandbox.hosts} == {before}
    assert all((nginx.root(host.name) / "releases" / release).is_dir() for host in nginx.sandbox.hosts)
