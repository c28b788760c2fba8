"""The repository is input, never code: whatever a commit holds, nothing of it is run, and nothing outside is touched."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import deployer
from deployer.adapters.git.releases import Commit, Repository
from deployer.adapters.git.repository import open_repository, run_git
from deployer.adapters.git.signatures import Rule, Signer
from deployer.adapters.local import children
from deployer.adapters.local.rendering import render_packages
from deployer.adapters.reading.bounded import read_input
from deployer.adapters.reading.inventory import load_inventory
from deployer.cli import run
from deployer.model.errors import DeployError, InputError
from deployer.model.fleet import Host
from deployer.model.release import SourceFile
from deployer.services import SERVICES
from deployer.services.base import AccessLog, ServiceSettings
from deployer.wiring.context import build
from deployer.wiring.evidence import evidence_for, measure_for
from deployer.wiring.options import Options
from deployer.wiring.revision import release_of
from tests.fakes.strangers import CHECK, Stranger, git

TEMPLATE = (SourceFile("a.conf", b"{{ inventory_hostname }}", template=True),)


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path)


def test_no_module_of_the_checkout_is_imported(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the process that renders, whatever PYTHONPATH says: every name that could be imported lies in wait."""
    stranger.plant_modules("")
    monkeypatch.chdir(stranger.root)
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    found = render_packages(TEMPLATE, [Host("web1")])
    assert found["web1"]["a.conf"] == (b"web1", False)
    assert stranger.ran() == ""


@pytest.mark.parametrize("entry", ["deploy", "python -P -m deployer"])
def test_nor_by_the_command_itself(stranger: Stranger, entry: str) -> None:
    """Both ways to start it in the checkout; `python -m` without -P asks for the working folder, and gets it."""
    stranger.plant_modules("")
    words = [Path(sys.executable).with_name("deploy")] if entry == "deploy" else [sys.executable, *entry.split()[1:]]
    done = subprocess.run(
        [*words, "status"], cwd=stranger.root, env=stranger.environ(), capture_output=True, text=True, check=False
    )
    assert stranger.ran() == ""
    assert done.returncode in (1, 4), done.stderr  # its hosts are not there
    assert "web1" in done.stdout + done.stderr


def test_what_children_get(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our environment what they need; nothing of ours, and no place that a commit could write."""
    for name in ("DEPLOY_BECOME_PASSWORD", "PYTHONPATH", "GIT_DIR", "GIT_CONFIG_PARAMETERS", "MY_TOKEN", "LD_PRELOAD"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PATH", f":.:bin:{os.environ['PATH']}")
    for name in ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "https_proxy", "HTTPS_PROXY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "needed")
    assert set(children.environment(children.NOTHING)) <= {"PATH", "LD_LIBRARY_PATH"}
    for kind in (children.NOTHING, children.ANY, children.SSH, children.GIT):
        got = children.environment(kind)
        assert "x" not in got.values()
        assert all(part.startswith("/") for part in got["PATH"].split(os.pathsep))
    needed = {name for name, value in children.environment(children.GIT).items() if value == "needed"}
    assert needed == {"SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "https_proxy", "HTTPS_PROXY", "GITHUB_TOKEN"}
    assert "GITHUB_TOKEN" not in children.environment(children.SSH)


def test_every_child_is_given_its_environment() -> None:
    """Whoever starts a process names its environment; the sandbox, which nobody deploys with, aside."""
    package = Path(deployer.__file__).parent
    for file in package.rglob("*.py"):
        text = file.read_text()
        started = text.count("subprocess.run(") + text.count("subprocess.Popen(")
        if started and "sandbox" not in file.parts:
            assert text.count("env=environment(") + text.count("env={**environment(") == started, file
        assert "os.system(" not in text
        assert "os.exec" not in text


def test_git_is_imported_in_one_place() -> None:
    """GitPython runs `git version` when it is imported: with our whole environment, found in the working folder where
    PATH says so."""
    package = Path(deployer.__file__).parent
    found = [
        f"{file.name}: {line.strip()}"
        for file in package.rglob("*.py")
        for line in file.read_text().splitlines()
        if re.match(r"\s*(import git|from git)\b", line) and line != "    from git import Repo"
    ]
    assert found == ["repository.py: import git"]
    for name in package.rglob("*.py"):  # for the types alone
        text = name.read_text()
        assert text.count("    from git import Repo") == text.count("if TYPE_CHECKING:\n    from git import Repo"), name


def test_a_repository_inside_the_checkout(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole bare repositories at the root and in folders: git reads the checkout's own, and runs nothing of theirs."""
    stranger.plant_git()
    sha = stranger.commit()
    for folder in ("", "playbooks", "sub"):
        repository = Repository(stranger.root / folder)
        assert repository.resolve("HEAD").sha == sha
        (stranger.root / folder / "playbooks/nginx/files").mkdir(parents=True, exist_ok=True)
        repository.dirty("nginx")
    assert stranger.ran() == ""
    done = stranger.deploy("history", below="sub")
    assert (done.returncode, stranger.ran()) == (0, ""), done.stderr


@pytest.mark.parametrize("found", ["nothing", "a broken .git"])
def test_a_repository_that_is_only_inside(stranger: Stranger, found: str) -> None:
    """Unpacked from an archive: there is no repository but the stranger's, so there is none."""
    stranger.plant_git()
    subprocess.run(["rm", "-rf", str(stranger.root / ".git")], check=True)
    if found != "nothing":
        (stranger.root / ".git").mkdir()
    with pytest.raises(DeployError, match=r"not in a git repository|no git repository|does not read|bare repository"):
        open_repository(stranger.root / "sub")
    done = stranger.deploy("history", below="sub")
    assert done.returncode == 1
    assert stranger.ran() == ""


def test_configuration_in_the_checkout(stranger: Stranger) -> None:
    """`git config include.path ../.gitconfig` is a habit that lets the next commit run programs here: refused, named."""
    stranger.plant_git()
    stranger.commit()
    git(stranger.root, "config", "include.path", "../.gitconfig")
    with pytest.raises(DeployError, match=r"git is configured by \.gitconfig of the checkout") as caught:
        open_repository(stranger.root)
    assert "include" in caught.value.hint
    assert stranger.ran() == ""


def test_filters_and_hooks_are_not_run(stranger: Stranger) -> None:
    """Even where the user configured a filter of that name: what is read is what git stores."""
    stranger.plant_git()
    stranger.commit()
    for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "core.fsmonitor"):
        git(stranger.root, "config", key, str(stranger.root / "evil.sh"))
    git(stranger.root, "config", "filter.evil.required", "true")
    git(stranger.root, "config", "core.hooksPath", "hooks")
    stranger.canary.unlink(missing_ok=True)
    changed = stranger.root / "playbooks/nginx/files/nginx.conf.j2"
    changed.write_text("listen {{ http_porT }};\n")  # as long as before: git has to look into it
    assert Repository(stranger.root).dirty("nginx") == ["playbooks/nginx/files/nginx.conf.j2"]
    run_git(open_repository(stranger.root), "update-ref", "refs/heads/other", "HEAD")
    assert stranger.ran() == ""


def test_a_checkout_of_the_users_own_kind(stranger: Stranger, tmp_path: Path) -> None:
    """Work trees and subfolders go on working, and configuration by environment stays."""
    stranger.write({"config/inventory.yml": "x\n", "config/playbooks/nginx/files/a.conf": "a\n"})
    sha = stranger.commit()
    git(stranger.root, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    for root, below in ((tmp_path / "tree", ""), (tmp_path / "tree/config", "config/"), (stranger.root, "")):
        repository = Repository(root)
        assert (repository.resolve("HEAD").sha, repository.below) == (sha, below)
        assert repository.sources(sha, "nginx")
    environ = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "given"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        assert run_git(open_repository(stranger.root), "config", "user.name") == b"given\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stats socket /run/x!!EXEC:'touch /tmp/owned'\nlog ring@r\n", r"haproxy\.cfg:1: the stats socket .* cannot be read"),
        ("stats socket /run/x,fork\nlog ring@r\n", r"haproxy\.cfg:1: the stats socket"),
        ("stats socket /run/x\nlog 'ring@r;disable server a/b'\n", "the log ring 'r;disable server a/b' cannot be read"),
    ],
)  # fmt: skip
def test_a_path_of_a_file_is_no_command(text: str, says: str) -> None:
    """socat reads more than a path in its addresses, HAProxy more than a name in its commands."""
    with pytest.raises(InputError, match=says):
        SERVICES["haproxy"].access_log({"haproxy.cfg": text.encode()}, ServiceSettings("/etc/haproxy", "/r"))


def test_a_path_of_a_variable_is_no_command() -> None:
    """`|` before a path means a command, where a phrasebook wrote it."""
    settings = ServiceSettings("/etc/haproxy", "/r", vars={"haproxy_access_log": "|touch /tmp/owned"})
    with pytest.raises(InputError, match="no absolute path"):
        SERVICES["haproxy"].access_log({"haproxy.cfg": b"log-format '%ST %s %Ta'\n"}, settings)
    with pytest.raises(InputError, match="no absolute path"):
        AccessLog("|touch /tmp/owned", ("", "status", ""), 1.0)


def test_the_commit_that_was_verified_is_the_one_that_is_read(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch moves after the first look at it: signature, release and author are those of one commit."""
    first = stranger.commit("signed")
    stranger.write({"playbooks/nginx/files/evil.conf": "evil\n"})
    second = stranger.commit("not signed")
    git(stranger.root, "reset", "-q", "--hard", first)
    monkeypatch.chdir(stranger.root)
    words = dict.fromkeys(("playbook", "inventory", "environment", "limit"))
    context = build(Options(**words, forks=1, json=False, output="plain", yes=True, verbose=False))
    seen = []
    resolve = Repository.resolve

    def moving(self: Repository, revision: str) -> Commit:
        found = resolve(self, revision)
        git(stranger.root, "update-ref", "refs/heads/main", second)
        return found

    monkeypatch.setattr(Repository, "resolve", moving)
    monkeypatch.setattr("deployer.wiring.revision.signing_rule", lambda context: Rule(Path("/none")))
    monkeypatch.setattr(
        "deployer.adapters.git.signatures.verify", lambda repo, sha, rule: seen.append(sha) or Signer("alice", "key")
    )
    release = release_of(context, "main")
    assert (seen, release.revision) == ([first], first)
    assert all("evil.conf" not in package.files for package in release.packages.values())


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "link"),
        ("plan", "nginx", "-i", "linked.yml"),
        ("check", "nginx"),
        ("status", "nginx", "-i", "sub/inventory.yml"),
    ],
)
def test_a_link_out_of_the_checkout(
    stranger: Stranger, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error repeats a line of the file: a commit must not choose which. Also a folder on the way that is a link."""
    stranger.plant_links()
    stranger.write({"health_checks/storefront.yml": "x"})
    (stranger.root / "health_checks/storefront.yml").unlink()
    (stranger.root / "health_checks/link.yml").rename(stranger.root / "health_checks/storefront.yml")
    monkeypatch.chdir(stranger.root)
    assert run([*words]) == 1
    said = capsys.readouterr().err
    assert "it is a link that leads out of the checkout" in said
    assert "hunter3" not in said


def test_a_link_to_the_repositorys_own_configuration(stranger: Stranger) -> None:
    """It may hold a login. A link within the checkout is read; a folder that leads out is not."""
    git(stranger.root, "config", "http.extraHeader", "Authorization: hunter5")
    (stranger.root / "health_checks/a.yml").symlink_to("../.git/config")
    (stranger.root / "health_checks/b.yml").symlink_to("storefront.yml")
    (stranger.root / "more").symlink_to(stranger.outside)
    for name in ("health_checks/a.yml", "more/key.yml"):
        with pytest.raises(InputError, match="leads out of the checkout"):
            read_input(stranger.root / name)
    assert read_input(stranger.root / "health_checks/b.yml") == CHECK
    assert read_input(stranger.outside / "key.yml")  # not in any checkout: the user named it


def test_a_file_of_any_size(stranger: Stranger) -> None:
    """Is not read beyond what is allowed."""
    with (stranger.root / "inventory.yml").open("r+b") as file:
        file.truncate(300 * 1024 * 1024)
    os.link(stranger.root / "inventory.yml", stranger.root / "hosts")
    for name in ("inventory.yml", "hosts"):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match="larger than"):
            load_inventory(stranger.root / name)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_a_command_of_a_health_check_is_asked_for(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    """`exec: on: deployer` runs here: a commit alone cannot have that, the operator lets it."""
    stranger.write(
        {"health_checks/storefront.yml": CHECK + "sources: {exec: {five: {command: 'echo 5', on: deployer}}}\n"}
    )
    stranger.commit()
    monkeypatch.chdir(stranger.root)
    words = dict.fromkeys(("playbook", "inventory", "environment", "limit"))
    context = build(Options(**words, forks=1, json=False, output="plain", yes=True, verbose=False))
    release = release_of(context, "HEAD")
    with pytest.raises(InputError, match=r"would run commands on this machine \(five\)") as caught:
        evidence_for(context, release, print, run=True)
    assert "--allow-exec" in caught.value.hint
    assert evidence_for(context, release, print), "what changes nothing runs no command"
    assert measure_for(context, evidence_for(context, release, print, run=True, allow_exec=True))
