"""What a checkout can look like when somebody means harm, beside what a commit holds: huge, in odd shapes, with drivers and
programs named in git's own configuration. Time and memory are the kernel's to bound, not a clock's.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deployer.adapters.git.repository import open_repository
from deployer.model.errors import DeployError
from tests.fakes.strangers import ODD, Stranger, control_characters, git

# Seconds of one process's own work, and KiB of its memory: what is above is killed, and so ends with a signal.
BOUNDED = ("sh", "-c", 'ulimit -t 30; ulimit -v 1500000; exec "$@"', "bounded")
BIG = 300 * 1024 * 1024


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    made = Stranger(tmp_path)
    made.commit()
    return made


def judged(stranger: Stranger, done: subprocess.CompletedProcess[str], *codes: int) -> str:
    """All that it said."""
    said = done.stdout + done.stderr
    assert done.returncode in codes, said
    assert stranger.ran() == ""
    assert "Traceback" not in said
    assert [*control_characters(said)] == []
    return said


@pytest.mark.parametrize("shape", ["new", "grown", "many", "deep", "names"])
def test_a_work_tree_of_any_size(stranger: Stranger, shape: str) -> None:
    """What was never committed is not deployed, and is not read: 300 MB beside a file or in its place, 50,000 files, 500
    folders within each other, names that a terminal obeys."""
    files = stranger.root / "playbooks/nginx/files"
    if shape in ("new", "grown"):
        name = {"new": "big.conf", "grown": "nginx.conf.j2"}[shape]
        with (files / name).open("ab") as file:
            file.truncate(BIG)
    elif shape == "many":
        for number in range(50_000):
            if number % 500 == 0:
                (files / f"d{number // 500}").mkdir()
            (files / f"d{number // 500}/{number}.conf").touch()
    elif shape == "deep":
        (files / ("d/" * 500)).mkdir(parents=True)
        (files / ("d/" * 500) / "a.conf").touch()
    else:
        for number in range(3):
            (files / f"a{ODD}{number}\n.conf").touch()
    for words in (("plan", "nginx"), ("push", "nginx", "--yes")):
        judged(stranger, stranger.deploy(*words, before=BOUNDED), 1, 4)


def test_what_the_users_own_configuration_names(stranger: Stranger) -> None:
    """Filters, drivers of diff and merge, a pager, aliases of what we call, hooks, a monitor: a commit chooses by
    attributes which of them a file gets, and none of them is run by what only reads."""
    stranger.write({"evil.sh": stranger.program("evil.sh"), "hooks/pre-push": stranger.program("hook"),
                    "hooks/reference-transaction": stranger.program("hook"),
                    ".gitattributes": "* filter=evil diff=evil merge=evil\n"})  # fmt: skip
    stranger.commit()
    evil = str(stranger.root / "evil.sh")
    drivers = ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "diff.evil.command",
               "merge.evil.driver", "diff.external", "core.pager", "core.fsmonitor", "core.editor", "core.askPass",
               "core.alternateRefsCommand", "gpg.program", "gpg.ssh.program", "interactive.diffFilter", "pager.log",
               "sequence.editor", "uploadpack.packObjectsHook", "gc.recentObjectsHook")  # fmt: skip
    for key in drivers:
        git(stranger.root, "config", key, evil)
    for word in ("log", "status", "rev-parse", "cat-file", "ls-tree", "config", "rev-list", "version"):
        git(stranger.root, "config", f"alias.{word}", f"!{evil}")
    git(stranger.root, "config", "core.hooksPath", str(stranger.root / "hooks"))
    git(stranger.root, "config", "log.showSignature", "true")
    stranger.canary.unlink(missing_ok=True)
    (stranger.root / "playbooks/nginx/files/nginx.conf.j2").write_text("listen {{ http_porT }};\n")
    for words in (("plan", "nginx"), ("push", "nginx", "--yes"), ("history", "nginx"), ("rollback", "nginx", "--yes")):
        judged(stranger, stranger.deploy(*words, PAGER=evil, GIT_PAGER=evil), 0, 1, 4)


@pytest.mark.parametrize("key", ["include.path", "includeIf.gitdir:/.path"])
def test_configuration_that_a_commit_can_write(stranger: Stranger, key: str) -> None:
    """Included, also by a condition that holds: refused and named."""
    stranger.write(
        {"evil.sh": stranger.program("evil.sh"), "team.cfg": f"[core]\n\tsshCommand = {stranger.root}/evil.sh\n"}
    )
    git(stranger.root, "config", key, "../team.cfg")
    said = judged(stranger, stranger.deploy("history", "nginx"), 1)
    assert "git is configured by team.cfg of the checkout" in " ".join(said.split())


def test_a_git_folder_that_a_commit_can_write(stranger: Stranger) -> None:
    """`git init --separate-git-dir data` in the checkout: `data/config` of the next commit is git's own. What is
    suggested mends it; where git keeps it anyway (.git, a submodule's in .git/modules) is no such folder."""
    (stranger.root / "data").mkdir()
    git(stranger.root, "init", "-q", "--separate-git-dir", "data/git")
    assert (stranger.root / ".git").is_file()
    stranger.write({"evil.sh": stranger.program("evil.sh")})
    git(stranger.root, "config", "core.sshCommand", str(stranger.root / "evil.sh"))
    git(stranger.root, "remote", "add", "origin", "ssh://nowhere.invalid/x")
    said = " ".join(judged(stranger, stranger.deploy("history", "nginx"), 1).split())
    assert ".git leads to data/git of the checkout: a commit could make git run programs" in said
    assert "git init --separate-git-dir FOLDER" in said
    git(stranger.root, "init", "-q", "--separate-git-dir", str(stranger.folder / "kept"))
    assert open_repository(stranger.root)


def test_a_submodule_is_a_checkout_as_any(stranger: Stranger, tmp_path: Path) -> None:
    """Its `.git` is a file that leads into the one above."""
    (tmp_path / "above").mkdir()
    above = Stranger(tmp_path / "above")
    git(above.root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(stranger.root), "config")
    assert (above.root / "config/.git").is_file()
    assert open_repository(above.root / "config")


@pytest.mark.parametrize(
    "content", ["gitdir: playbooks\n", "gitdir: /nonexistent\n", "gitdir: .git\n", "", f"gitdir: {ODD}\n", "\0"]
)
def test_a_git_file_of_nonsense(stranger: Stranger, content: str) -> None:
    """Unpacked from an archive: no repository, said in one line."""
    (stranger.root / ".git").rename(stranger.folder / "away")
    (stranger.root / ".git").write_text(content)
    with pytest.raises(DeployError, match=r"does not read|no git repository|leads to"):
        open_repository(stranger.root)
    judged(stranger, stranger.deploy("history", "nginx"), 1)


@pytest.mark.parametrize("shape", ["file", "fifo", "link", "loop"])
def test_deploy_folders_of_any_shape(stranger: Stranger, shape: str) -> None:
    """`.deploy` as a file, a pipe, a link: nothing is written through it, and no command hangs or breaks on it."""
    place = stranger.root / ".deploy"
    if shape == "file":
        place.write_text("mine\n")
    elif shape == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to(stranger.outside if shape == "link" else ".deploy")
    before = sorted(stranger.outside.iterdir())
    for words in (("show", "1-abcd"), ("push", "nginx", "--yes"), ("rollback", "nginx", "--yes"), ("status", "nginx")):
        judged(stranger, stranger.deploy(*words), 1, 4)
    assert sorted(stranger.outside.iterdir()) == before
    assert shape != "file" or place.read_text() == "mine\n"
