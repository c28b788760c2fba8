"""Signed revisions, with real keys and real git: who signed counts, not who is written down as the author."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployer.adapters.git.releases import Repository
from deployer.adapters.git.signatures import Rule, Signer, read_allowed, split, verify
from deployer.cli import run
from deployer.model.errors import InputError
from tests.needs import need
from tests.unit.test_git import commit, git

FILES = {"inventory.yml": "all: {children: {edge: {hosts: {web1: {}}}}}\n",
         "playbooks/nginx/playbook.yml": "service: nginx\nhosts: edge\ndest: /etc/nginx\n"}  # fmt: skip


class Desk:
    """A checkout, keys, and a signed commit."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self.work.mkdir()
        git(self.work, "init", "-q")
        for name, text in FILES.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text)
        commit(self.work, {"nginx.conf": "one\n"})

    def key(self, name: str) -> str:
        path = self.folder / name
        if not path.exists():
            need("ssh-keygen")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(path)], check=True)
        return " ".join(path.with_suffix(".pub").read_text().split()[:2])

    def signed(self, key: str, author: str = "bob <bob@example.com>", date: str = "") -> str:
        self.key(key)
        words = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.folder / key}"]
        when = ["--date", date] if date else []
        git(self.work, *words, "commit", "-q", "-S", "--allow-empty", "--author", author, *when, "-m", f"by {key}")
        return git(self.work, "rev-parse", "HEAD")

    def allow(self, *lines: str) -> Path:
        path = self.work / "allowed"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def verify(self, sha: str, allowed: Path, *only: str) -> Signer:
        return verify(Repository(self.work).repo, sha, Rule(allowed, only))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_keys_principal_is_who_it_was(desk: Desk) -> None:
    """A commit by "bob", signed with alice's key, is alice's."""
    sha = desk.signed("alice")
    found = desk.verify(sha, desk.allow(f"alice@example.com {desk.key('alice')}", f"bob@example.com {desk.key('bob')}"))
    assert found.principal == "alice@example.com"
    assert found.key.startswith("SHA256:")
    assert git(desk.work, "log", "-1", "--format=%an") == "bob"


def refused(desk: Desk, sha: str, says: str, *lines: str, only: tuple[str, ...] = ()) -> None:
    with pytest.raises(InputError, match=says):
        desk.verify(sha, desk.allow(*lines), *only)


def test_each_refusal_has_its_own_text(desk: Desk) -> None:
    """Unsigned, unknown, expired, not yet, other namespace, other principal, other kind of signature."""
    alice = desk.key("alice")
    refused(desk, git(desk.work, "rev-parse", "HEAD"), "is not signed", f"alice {alice}")
    sha = desk.signed("alice")
    refused(desk, sha, r"with SHA256:\S+, a key that allowed does not list", f"bob {desk.key('bob')}")
    refused(desk, sha, r"SHA256:\S+ of alice, a key that is not valid now", f'alice valid-before="20200101" {alice}')
    refused(desk, sha, "a key that is not valid now", f'alice valid-after="20990101" {alice}')
    refused(desk, sha, "a key that is not for git", f'alice namespaces="file" {alice}')
    refused(desk, sha, r"is signed by alice \(SHA256:\S+\), who may not sign", f"alice {alice}", only=("bob",))
    assert desk.verify(sha, desk.allow(f"alice {alice}"), "bob", "alice").principal == "alice"


def test_dating_back_does_not_revive_a_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """git believes the commit's own time (measured: `%G?` is G); the clock on the wall decides here."""
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2019-06-01T00:00:00Z")
    sha = desk.signed("alice", date="2019-06-01T00:00:00Z")
    line = f'alice valid-before="20200101" {desk.key("alice")}'
    words = ("-c", f"gpg.ssh.allowedSignersFile={desk.allow(line)}", "log", "-1", "--format=%G?", sha)
    assert git(desk.work, *words) == "G"
    refused(desk, sha, "a key that is not valid now", line)


def test_a_signature_of_something_else(desk: Desk) -> None:
    """A good signature under other content; a PGP one; one that is garbage."""
    sha = desk.signed("alice")
    raw = git(desk.work, "cat-file", "commit", sha)
    pgp = raw.replace("SSH SIGNATURE", "PGP SIGNATURE")
    torn = raw.replace("-----BEGIN SSH SIGNATURE-----\n ", "-----BEGIN SSH SIGNATURE-----\n AAAA")
    for text, says in ((raw.replace("by alice", "by mallory"), "does not belong to it"),
                       (pgp, "not with an SSH key"), (torn, "does not belong to it")):  # fmt: skip
        words = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
        forged = subprocess.run(words, cwd=desk.work, input=text + "\n", text=True, capture_output=True, check=True)
        refused(desk, forged.stdout.strip(), says, f"alice {desk.key('alice')}")


def test_programs_of_the_checkout_are_not_run(desk: Desk) -> None:
    """gpg.ssh.program in .git/config would decide otherwise, and run."""
    sha = desk.signed("mallory")
    trap = desk.folder / "trap"
    program = desk.folder / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\nexit 0\n")
    program.chmod(0o755)
    git(desk.work, "config", "gpg.ssh.program", str(program))
    refused(desk, sha, "does not list", f"alice {desk.key('alice')}")
    assert not trap.exists()


def test_nothing_to_verify_with_is_a_refusal(tmp_path: Path) -> None:
    """Missing, empty, a folder, not text."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n# nobody\n")
    for name in ("nowhere", "empty", "bytes", "."):
        with pytest.raises(InputError, match="cannot verify signatures"):
            read_allowed(tmp_path / name)


def test_the_signed_bytes(desk: Desk) -> None:
    """Exactly those git signed: without the header, with every other one."""
    payload, signature = split(b"tree 1\ngpgsig A\n B\n C\nencoding x\n\ngpgsig in the message\n")
    assert (payload, signature) == (b"tree 1\nencoding x\n\ngpgsig in the message\n", b"A\nB\nC\n")
    assert split(b"tree 1\n\nmessage\n") == (b"tree 1\n\nmessage\n", b"")


WHERE = {
    "playbook": ("require_signed: true\nallowed_signers: allowed\n", ""),
    "inventory": ("", "vars: {deploy_require_signed: true, deploy_allowed_signers: allowed}, "),
    "both": ("require_signed: true\nsigned_by: [alice, carol]\n", "vars: {deploy_allowed_signers: allowed, deploy_signed_by: [alice]}, "),
}  # fmt: skip


@pytest.mark.parametrize("where", list(WHERE))
def test_asked_for_by_the_playbook_or_the_environment(
    desk: Desk, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`deploy plan` refuses an unsigned revision; a signed one goes on to what is measured (nothing here)."""
    book, variables = WHERE[where]
    desk.allow(f"alice {desk.key('alice')}")
    for name, text in FILES.items():
        (desk.work / name).write_text(
            text.replace("{children", f"{{{variables}children") + (book if "playbook" in name else "")
        )
    git(desk.work, "add", "-A")
    git(desk.work, "commit", "-qm", "policy")
    monkeypatch.chdir(desk.work)
    assert run(["plan"]) == 1
    assert "is not signed" in capsys.readouterr().err
    desk.signed("mallory")
    assert run(["plan"]) == 1
    assert "does not list" in capsys.readouterr().err
    desk.signed("alice")
    assert run(["plan"]) == 1
    assert "has no probes" in capsys.readouterr().err
