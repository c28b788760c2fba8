"""Repositories as people have them: remotes, servers that refuse, clones of every kind, names of every kind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.adapters.git.releases import Repository
from deployer.model.errors import DeployError, InputError, LedgerUnavailable
from tests.unit.test_git import checkout, commit, entry, git, release

__all__ = ["checkout"]


def server(folder: Path, checkout: Path, name: str = "origin", *options: str) -> Path:
    """A bare repository that `checkout` calls `name`."""
    bare = folder / f"{name}.git"
    git(folder, "init", "-q", "--bare", *options, str(bare))
    git(checkout, "remote", "add", name, str(bare))
    git(checkout, "push", "-q", name, "HEAD:refs/heads/main")
    return bare


def ledger(checkout: Path, memory: str) -> GitLedger:
    return GitLedger(checkout, "production", Memory(checkout.parent / memory))


def append(checkout: Path, memory: str = "memory") -> int:
    found = ledger(checkout, memory)
    return found.append(entry(), len(found.read())).number


def test_a_remote_of_any_name(checkout: Path, tmp_path: Path) -> None:
    """The only one is the one; two clones share its ledger, and no lock of their own."""
    bare = server(tmp_path, checkout, "upstream")
    git(tmp_path, "clone", "-q", "-o", "mine", str(bare), "other")
    assert append(checkout, "a") == 1
    assert append(tmp_path / "other", "b") == 2


def test_a_remote_that_is_not_found_is_no_lack_of_remotes(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a misspelt one nor several of which none is origin: nothing is written anywhere."""
    server(tmp_path, checkout, "upstream")
    monkeypatch.setenv("DEPLOY_LEDGER_REMOTE", "upstram")
    with pytest.raises(LedgerUnavailable, match=r"there is no remote 'upstram' \(DEPLOY_LEDGER_REMOTE\)") as caught:
        append(checkout)
    assert caught.value.hint == "its remotes are: upstream"
    monkeypatch.delenv("DEPLOY_LEDGER_REMOTE")
    bare = server(tmp_path, checkout, "fork")
    with pytest.raises(LedgerUnavailable, match="none of the remotes fork, upstream is called origin") as caught:
        append(checkout)
    assert caught.value.hint == "say which one holds it: DEPLOY_LEDGER_REMOTE=fork"
    assert "deployments" not in git(checkout, "for-each-ref")
    monkeypatch.setenv("DEPLOY_LEDGER_REMOTE", "fork")
    assert append(checkout) == 1
    assert "deployments/production" in git(bare, "for-each-ref")


@pytest.mark.parametrize(
    "words",
    [
        "GitLab: You are not allowed to push code to protected branches on this project.",
        "error: GH006: Protected branch update failed for refs/heads/deployments/production.",
    ],
)
def test_a_server_that_refuses_is_quoted_in_full(checkout: Path, tmp_path: Path, words: str) -> None:
    """Its own words, and what to unprotect."""
    bare = server(tmp_path, checkout)
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho '{words}' >&2\necho 'Ask whoever owns it.' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(LedgerUnavailable, match="the remote refuses the ledger") as caught:
        append(checkout)
    assert f"{words} / Ask whoever owns it. / pre-receive hook declined" in caught.value.message
    assert "deployments/production and deployments-alive/production/*" in str(caught.value.hint)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_a_branch_that_is_in_the_way(checkout: Path, tmp_path: Path, remote: bool) -> None:
    """`deployments` is a branch: there can be no `deployments/production`. It is no rival who was first."""
    where = server(tmp_path, checkout) if remote else checkout
    git(where, "update-ref", "refs/heads/deployments", git(checkout, "rev-parse", "HEAD"))
    with pytest.raises(LedgerUnavailable) as caught:
        append(checkout)
    assert "refs/heads/deployments" in caught.value.message


SETTINGS = [
    "push.gpgSign=true",
    "commit.gpgSign=true",
    "push.default=nothing",
    "push.followTags=true",
    "fetch.prune=true",
    "fetch.pruneTags=true",
    "remote.origin.prune=true",
    "core.quotePath=false",
    "status.showUntrackedFiles=no",
    "log.date=human",
    "core.abbrev=4",
    "color.ui=always",
    "log.decorate=full",
    "transfer.fsckObjects=true",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_a_person(checkout: Path, tmp_path: Path, setting: str) -> None:
    """They are for a person's own commits and pushes: the ledger is written all the same, and takes nothing along."""
    bare = server(tmp_path, checkout)
    before = release(checkout)
    git(checkout, "tag", "-a", "-m", "mine", "mine")
    git(checkout, "config", *setting.split("=", 1))
    assert append(checkout) == 1
    assert append(checkout, "another") == 2
    assert "refs/tags/mine" not in git(bare, "for-each-ref")
    assert "refs/tags/mine" in git(checkout, "for-each-ref", "--color=never")
    assert release(checkout) == before
    (checkout / "playbooks/nginx/files/new.conf").write_text("new\n")
    assert Repository(checkout).dirty("nginx") == ["playbooks/nginx/files/new.conf"]


def test_an_address_that_is_rewritten(checkout: Path, tmp_path: Path) -> None:
    """url.insteadOf."""
    bare = server(tmp_path, checkout)
    git(checkout, "remote", "set-url", "origin", "company:shop.git")
    git(checkout, "config", f"url.{bare}.insteadOf", "company:shop.git")
    assert append(checkout) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root: it gives a repository to somebody else")
def test_a_checkout_of_another_user(checkout: Path) -> None:
    """As in containers of CI: git's reason, and the line that it advises."""
    for folder, _, files in os.walk(checkout):
        for name in ("", *files):
            os.chown(Path(folder) / name, 12345, 12345, follow_symlinks=False)
    with pytest.raises(DeployError, match="detected dubious ownership in repository at") as caught:
        Repository(checkout)
    assert f"git config --global --add safe.directory {checkout}" in str(caught.value.hint)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_a_repository_of_sha256(tmp_path: Path, remote: bool) -> None:
    """Releases and the ledger, as with SHA-1."""
    folder = tmp_path / "work"
    git(tmp_path, "init", "-q", "--object-format=sha256", "work")
    first = commit(folder, {"nginx.conf.j2": "listen {{ http_port }};\n"})
    assert len(first) == 64
    if remote:
        server(tmp_path, folder, "origin", "--object-format=sha256")
    assert release(folder).startswith(first[:10])
    assert release(folder, first[:12]) == release(folder)
    assert append(folder) == 1
    assert append(folder) == 2
    with pytest.raises(InputError, match="no branch, tag or commit of that name"):
        release(folder, "nope")


@pytest.mark.parametrize("how", ["shallow", "blobless", "treeless", "worktree", "detached", "packed", "submodule"])
def test_clones_of_every_kind(checkout: Path, tmp_path: Path, how: str) -> None:
    """The release is the same one, and the ledger is shared."""
    bare = server(tmp_path, checkout)
    git(bare, "config", "uploadpack.allowFilter", "true")
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    url, other = f"file://{bare}", tmp_path / "other"
    commit(checkout, {"late.conf": "late\n"})
    git(checkout, "push", "-q", "origin", "HEAD:main")
    wanted = release(checkout)
    assert append(checkout, "a") == 1
    if how == "worktree":
        git(checkout, "worktree", "add", "-q", "--detach", str(other))
    elif how == "submodule":
        git(tmp_path, "init", "-q", "outer")
        git(tmp_path / "outer", "-c", "protocol.file.allow=always", "submodule", "add", "-q", url, "inner")
        other = tmp_path / "outer/inner"
    else:
        options = {"shallow": ["--depth=2"], "blobless": ["--filter=blob:none"], "treeless": ["--filter=tree:0"]}
        git(tmp_path, "clone", "-q", *options.get(how, []), url, "other")
        git(other, *{"detached": ["checkout", "-q", "--detach"], "packed": ["pack-refs", "--all"]}.get(how, ["status"]))
    assert release(other) == wanted
    assert append(other, "b") == 2
    assert append(checkout, "a") == 3


def test_a_bare_clone_is_told(checkout: Path, tmp_path: Path) -> None:
    """There is no inventory in it."""
    bare = server(tmp_path, checkout)
    with pytest.raises(DeployError, match="is a bare repository") as caught:
        Repository(bare)
    assert "git worktree add" in str(caught.value.hint)


def test_every_way_to_name_a_revision(checkout: Path, tmp_path: Path) -> None:
    """As git reads it."""
    server(tmp_path, checkout)
    first = git(checkout, "rev-parse", "HEAD")
    git(checkout, "branch", "-q", "--set-upstream-to=origin/main")
    git(checkout, "tag", "-a", "-m", "note", "rel/2026.1")
    git(checkout, "branch", "grün/ä#1")
    git(checkout, "branch", "it's+(odd)&;$x")
    second = commit(checkout, {"conf.d/b.conf": "two\n"}, "second: fix (it)")
    ways = {
        "HEAD~1": first, "HEAD^": first, "@~": first, "@{u}": first, "HEAD@{1}": first, "rel/2026.1": first,
        "refs/tags/rel/2026.1": first, "rel/2026.1^{}": first, "grün/ä#1": first, "it's+(odd)&;$x": first,
        "origin/main": first, first[:7]: first, ":/first": first, "HEAD^{/first}": first,
        ":/second: fix": second, "HEAD": second, "@": second, f"rel/2026.1-1-g{second[:7]}": second,
    }  # fmt: skip
    repository = Repository(checkout)
    assert {way: repository.resolve(way).sha for way in ways} == ways


@pytest.mark.parametrize(
    "way", ["main..HEAD", "^HEAD", "HEAD:playbooks", ":/no such text", "@{yesterweek}", "a\nb", "HEAD "]
)
def test_what_names_no_one_revision(checkout: Path, way: str) -> None:
    """Refused by its name."""
    with pytest.raises(InputError) as caught:
        Repository(checkout).resolve(way)
    assert repr(way) in caught.value.message


def test_git_gives_its_own_reason(checkout: Path, tmp_path: Path) -> None:
    """What is no missing name is not told as one."""
    repository = Repository(checkout)
    (checkout / ".git/HEAD").write_text("nonsense\n")
    with pytest.raises(InputError) as caught:
        repository.resolve("HEAD")
    assert "no branch, tag or commit" not in caught.value.message
    assert "fatal:" in caught.value.message


def test_git_words_without_git() -> None:
    """The reader of refusals never fails."""
    from deployer.adapters.git.refusals import reason

    assert reason(subprocess.SubprocessError("")) == "git failed"


@pytest.mark.needs("ssh-keygen")
def test_a_signature_in_a_repository_of_sha256(tmp_path: Path) -> None:
    """Its header has another name there."""
    from deployer.adapters.git.signatures import Rule, verify

    folder, key = tmp_path / "work", tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "allowed").write_text(f"alice@example.com {key.with_suffix('.pub').read_text()}")
    git(tmp_path, "init", "-q", "--object-format=sha256", "work")
    (folder / "a").write_text("a\n")
    git(folder, "add", "-A")
    signed = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "commit", "-q", "-S", "-m", "signed")
    git(folder, *signed)
    repository = Repository(folder)
    sha = repository.resolve("HEAD").sha
    assert verify(repository.repo, sha, Rule(tmp_path / "allowed")).principal == "alice@example.com"


def test_a_plan_says_what_is_not_committed(checkout: Path) -> None:
    """Where there is nothing to do, above all: whoever forgot to commit is told."""
    from types import SimpleNamespace
    from typing import Any

    from deployer.console.pages.plan import Beside, text

    (checkout / "playbooks/nginx/files/conf.d/a.conf").write_text("edited\n")
    (checkout / "playbooks/nginx/files/conf.d/new.conf").write_text("new\n")
    dirty = Repository(checkout).dirty("nginx")
    assert dirty == ["playbooks/nginx/files/conf.d/a.conf", "playbooks/nginx/files/conf.d/new.conf"]
    found: Any = SimpleNamespace(
        hosts={}, environment="production", playbook="nginx", release="r", unchanged=["web1"], warnings=tuple(dirty)
    )
    assert text(found, Beside("subject", "diff", "proof", "took", "step")).splitlines()[1:] == [
        f"! {path}" for path in dirty
    ]
