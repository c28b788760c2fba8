"""Repositories as people have them, through the commands, with real hosts: links, a checkout as CI makes it, commits
whose text a terminal would obey."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox import repository
from tests.fakes.strangers import ODD, control_characters
from tests.fleet.conftest import DEPLOY, Fleet, make_fleet

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("repositories")]


@pytest.fixture(scope="module")
def edge() -> Iterator[Fleet]:
    """Two nginx hosts that have had one push."""
    for fleet in make_fleet("nginx", 2):
        fleet.mark("first")
        code, body, err = fleet.deploy("push", "--yes")
        assert code == 0, (body, err)
        yield fleet


def test_links_land_as_files(edge: Fleet) -> None:
    """Those of Debian: of a file, of a folder, of a link. The host has regular files, and differs in nothing."""
    files = edge.sandbox.config / "playbooks/nginx/files"
    (files / "sites-available").mkdir()
    (files / "sites-available/shop.j2").write_text("# {{ inventory_hostname }} {{ group_names | join(' ') }}\n")
    (files / "sites-enabled").mkdir()
    (files / "sites-enabled/shop").symlink_to("../sites-available/shop")
    (files / "sites-enabled/too").symlink_to("shop")
    (files / "enabled").symlink_to("sites-enabled")
    repository.commit(edge.sandbox, "sites")
    said = edge.start("plan").communicate(timeout=200)[0]
    assert "sites-enabled/shop" in said
    code, body, err = edge.deploy("push", "--yes")
    assert code == 0, (body, err)
    for host in ("web1", "web2"):
        for path in ("sites-available/shop", "sites-enabled/shop", "sites-enabled/too", "enabled/too"):
            landed = edge.root(host) / "current" / path
            assert not landed.is_symlink()
            assert landed.read_text() == f"# {host} edge production\n"
    assert edge.deploy("plan", "--detailed-exitcode")[0] == 0
    (files / "sites-enabled/out").symlink_to("/etc/passwd")
    repository.commit(edge.sandbox, "a link that leads out")
    code, body, _ = edge.deploy("push", "--yes")
    assert (code, body["result"]) == (1, "refused")
    assert "sites-enabled/out: a link to '/etc/passwd', which is absolute" in body["error"]["message"]
    repository.git(edge.sandbox.config, "reset", "-q", "--hard", "HEAD~1")


def on_a_terminal(fleet: Fleet, *words: str) -> str:
    """`deploy WORDS`, as a person sees it."""
    ours, its = pty.openpty()
    environ = {
        **fleet.sandbox.environ(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TERM": "xterm",
        "COLUMNS": "80",
    }
    child = subprocess.Popen(
        [*DEPLOY, *words], cwd=fleet.sandbox.config, env=environ, stdin=subprocess.DEVNULL, stdout=its, stderr=its
    )
    os.close(its)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how a terminal ends
            break
        if not part:
            break
        said += part
    os.close(ours)
    child.wait(200)
    return said.decode(errors="replace")


@pytest.mark.long
def test_p27_what_a_commit_says_reaches_no_terminal(edge: Fleet) -> None:
    """A subject, an author and a changed line that erase the plan and write another: in every command that shows them."""
    file = edge.sandbox.config / "playbooks/nginx/files/odd.conf"
    file.write_text(f"# {ODD} hidden\n")
    config = edge.sandbox.config
    repository.git(config, "add", "-A")
    author = f"--author={ODD} mallory <m@m>"
    repository.git(config, "commit", "-q", author, "-m", f"tidy {ODD} production: nothing to do")
    shown = [(words, on_a_terminal(edge, *words)) for words in (("plan",), ("plan", "-v"))]
    assert all("mallory" in said or "tidy" in said for _, said in shown)
    assert all("hidden" in said for _, said in shown), "the changed line is there to be seen"
    code, body, err = edge.deploy("push", "--yes", "-m", f"because {ODD}")
    assert code == 0, (body, err)
    lines = [("history",), ("show", body["deploy"]), ("status",)]
    shown += [(words, on_a_terminal(edge, *words)) for words in lines]
    assert all(body["release"] in said for _, said in shown)
    for words, said in shown:
        for part in ("\x1b]0;", "\x1b[1G\x1b", "\x9b", "\u202e", "\u2066", "\x7f", "\x08"):
            assert part not in said, (words, part)
    for words in [("plan",), *lines]:
        for more in ((), ("--json",)):
            out, complaint = edge.start(*words, *more).communicate(timeout=200)
            assert [*control_characters(out + complaint)] == [], words


@pytest.mark.long
def test_a_checkout_of_depth_one_as_ci_makes_it(edge: Fleet, tmp_path: Path) -> None:
    """What names a release is one sentence with the remedy, before anything is touched; the ledger, the lock and the way
    back need no history."""
    sandbox = edge.sandbox
    repository.git(sandbox.config, "push", "-q", "origin", "HEAD:main")
    ci = tmp_path / "ci"
    ci.mkdir()
    repository.git(ci, "init", "-q")
    repository.git(ci, "remote", "add", "origin", f"file://{sandbox.folder}/origin.git")
    sha = repository.git(sandbox.config, "rev-parse", "HEAD")
    repository.git(ci, "fetch", "-q", "--no-tags", "--depth=1", "origin", f"+{sha}:refs/remotes/origin/main")
    repository.git(ci, "checkout", "-q", "--force", "-B", "main", "refs/remotes/origin/main")

    def deploy(*words: str) -> tuple[int, dict[str, object], str]:
        done = subprocess.run(
            [*DEPLOY, *words, "--json"], cwd=ci, env={**sandbox.environ(), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout), done.stderr

    before = edge.currents()
    for words in (("plan",), ("push", "--yes")):
        code, _, err = deploy(*words)
        assert code == 1, err
        assert f"the history of this clone ends at {sha[:10]}" in err
        assert "hint: run git fetch --unshallow (in CI: fetch-depth: 0)" in " ".join(err.split())
    assert edge.currents() == before
    records = edge.deploy("history")[1]
    assert deploy("history")[:2] == (0, records)
    code, body, err = deploy("rollback", "--yes")
    assert (code, body["result"]) == (0, "deployed"), err
    assert edge.currents() != before
    assert len(str(deploy("history")[1])) > len(str(records))
    assert edge.deploy("history")[1] == deploy("history")[1]
    repository.git(ci, "fetch", "-q", "--unshallow")
    assert deploy("plan")[0] == 0
