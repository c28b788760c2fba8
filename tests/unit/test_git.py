"""Releases and the ledger on real git repositories."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.adapters.git.releases import Repository, unified_diff
from deployer.adapters.git.repository import GitFailed, open_repository, run_git
from deployer.adapters.local.rendering import render_packages
from deployer.adapters.local.runs import FIELDS, KINDS, Runs, entry_from_json, entry_to_json
from deployer.model.errors import DeployError, InputError, LedgerMoved, LedgerUnavailable
from deployer.model.fleet import Host
from deployer.model.ledger import Ended, Entry, Intent
from deployer.model.release import Package

HOSTS = (Host("web1", vars={"http_port": 81, "origin": "o:1"}), Host("web2", vars={"http_port": 82, "origin": "o:1"}))


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path, files: dict[str, str], message: str = "change") -> str:
    for name, text in files.items():
        path = folder / "playbooks/nginx/files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, {"nginx.conf.j2": "listen {{ http_port }};\n", "conf.d/a.conf": "one\n"}, "first")
    return folder


def release(folder: Path, revision: str = "HEAD") -> str:
    repository = Repository(folder)
    return repository.release(repository.resolve(revision), "nginx", HOSTS, render_packages).id


def test_a_release_is_named_by_content(checkout: Path) -> None:
    """Reverting a commit, and commits that touch nothing of ours, give back the old id; the work tree is not read."""
    first = release(checkout)
    commit(checkout, {"conf.d/a.conf": "two\n"})
    assert release(checkout) != first
    git(checkout, "revert", "--no-edit", "HEAD")
    commit(checkout, {"../../../README": "elsewhere\n"})
    (checkout / "playbooks/nginx/files/conf.d/a.conf").write_text("not committed\n")
    assert release(checkout) == first
    assert Repository(checkout).dirty("nginx") == ["playbooks/nginx/files/conf.d/a.conf"]


def test_a_renamed_file_is_two_names_in_full(checkout: Path) -> None:
    folder = "playbooks/nginx/files/conf.d"
    subprocess.run(["git", "mv", f"{folder}/a.conf", f"{folder}/b.conf"], cwd=checkout, check=True)
    assert Repository(checkout).dirty("nginx") == [f"{folder}/a.conf", f"{folder}/b.conf"]


def test_templates_are_rendered_per_host(checkout: Path) -> None:
    """And a changed variable is another release."""
    repository = Repository(checkout)
    found = repository.release(repository.resolve("HEAD"), "nginx", HOSTS, render_packages)
    assert found.packages["web1"].files["nginx.conf"] == (b"listen 81;\n", False)
    assert found.packages["web2"].files["nginx.conf"] == (b"listen 82;\n", False)
    other = (Host("web1", vars={"http_port": 91}),)
    assert repository.release(repository.resolve("HEAD"), "nginx", other, render_packages).id != found.id
    commit(checkout, {"b.conf.j2": "x {{ htp_port }}\n"})
    with pytest.raises(InputError, match=r"b\.conf\.j2:1: 'htp_port' is undefined") as caught:
        release(checkout)
    assert "http_port" in caught.value.hint


def test_hosts_that_exchange_their_contents(checkout: Path) -> None:
    """Are another release; where all hosts have the same, one more of them is not. The old name of such a release
    stays."""
    repository = Repository(checkout)
    commit_ = repository.resolve("HEAD")

    def named(**ports: int) -> str:
        hosts = [Host(name, vars={"http_port": port}) for name, port in ports.items()]
        return repository.release(commit_, "nginx", hosts, render_packages).id

    assert named(web1=81, web2=82) != named(web1=82, web2=81)
    assert named(web1=81, web2=82) == named(web2=82, web1=81)
    assert named(web1=81) == named(web1=81, web2=81)
    sources = repository.sources(commit_.sha, "nginx")
    digest = hashlib.sha256()
    for s in sources:
        digest.update(f"{s.path}\0{int(s.executable)}{int(s.template)}\0{len(s.content)}\0".encode() + s.content)
    files = {"nginx.conf": (b"listen 81;\n", False), "conf.d/a.conf": (b"one\n", False)}
    digest.update(b"\0rendered\0" + Package("", files).manifest().encode())
    assert named(web1=81).partition("-")[2] == digest.hexdigest()[:8]


@pytest.mark.parametrize(
    "revision",
    [
        "nope",
        "",
        "-u",
        "--output=/tmp/x",
        "HEAD..HEAD",
        "HEAD:README",
        "a b",
        "HEAD^{tree}",
        "$(id)",
        "0" * 40,
        "tree-tag",
    ],
)
def test_what_is_no_commit(checkout: Path, revision: str) -> None:
    """Refused by name; nothing is run, nothing is written."""
    git(checkout, "tag", "tree-tag", "HEAD^{tree}")
    with pytest.raises(InputError) as caught:
        release(checkout, revision)
    assert repr(revision) in caught.value.message


def test_a_submodule_cannot_be_deployed(checkout: Path) -> None:
    """Commit, path, mode and why."""
    sha = git(checkout, "rev-parse", "HEAD")
    git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{sha},playbooks/nginx/files/conf.d/sub")
    git(checkout, "commit", "-q", "-m", "hostile")
    with pytest.raises(InputError, match=r"conf.d/sub: a submodule \(mode 160000\)"):
        release(checkout)


@pytest.mark.parametrize(
    "name", ["a b.conf", "-x.conf", "a\nb.conf", 'a"b.conf', "é.conf", ".manifest", "d" * 200 + "/" + "x" * 100]
)
def test_names_that_are_not_allowed(checkout: Path, name: str) -> None:
    """Named, quoted, refused."""
    commit(checkout, {name: "x\n"})
    with pytest.raises(InputError, match=r"not allowed|used by the deployer"):
        release(checkout)


def test_a_path_that_leaves_the_tree(checkout: Path) -> None:
    """git can hold `..` as the name of a tree's entry."""
    blob = git(checkout, "rev-parse", "HEAD:playbooks/nginx/files/conf.d/a.conf")

    def tree(text: str) -> str:
        return subprocess.run(
            ["git", "mktree"], cwd=checkout, input=text, capture_output=True, text=True, check=True
        ).stdout.strip()

    inner = tree(f"100644 blob {blob}\tevil.conf\n")
    below = inner
    for name in ("..", "files", "nginx", "playbooks"):
        below = tree(f"040000 tree {below}\t{name}\n")
    sha = git(checkout, "commit-tree", "-m", "x", below)
    with pytest.raises(InputError, match="leaves the tree"):
        release(checkout, sha)


def test_lfs_pointers_twins_and_nothing(checkout: Path) -> None:
    """Each its own text."""
    commit(checkout, {"big.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"})
    with pytest.raises(InputError, match="Git LFS pointer"):
        release(checkout)
    git(checkout, "rm", "-q", "playbooks/nginx/files/big.bin")
    commit(checkout, {"conf.d/A.conf": "x\n"})
    with pytest.raises(InputError, match="collides with"):
        release(checkout)
    with pytest.raises(InputError, match="nothing to deploy"):
        Repository(checkout).sources(git(checkout, "rev-parse", "HEAD"), "varnish")


def test_hostile_repository_configuration_is_not_run(checkout: Path, tmp_path: Path) -> None:
    """core.fsmonitor and hooks of the clone are commands of strangers."""
    trap = tmp_path / "trap"
    git(checkout, "config", "core.fsmonitor", f"touch {trap}")
    hooks = checkout / ".git/hooks"
    for name in ("post-index-change", "reference-transaction", "pre-push"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (hooks / name).chmod(0o755)
    Repository(checkout).dirty("nginx")
    GitLedger(checkout, "production", Memory(checkout)).append(entry(), 0)
    assert not trap.exists()


def test_a_shallow_clone_that_ends_too_early(checkout: Path, tmp_path: Path) -> None:
    """Refused with the command that mends it."""
    commit(checkout, {"../../../README": "x\n"})
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{checkout}", "shallow")
    with pytest.raises(DeployError, match="ends at") as caught:
        release(tmp_path / "shallow")
    assert "unshallow" in caught.value.hint


def test_diff(checkout: Path) -> None:
    """As the files are in git."""
    repository = Repository(checkout)
    before = repository.sources(git(checkout, "rev-parse", "HEAD"), "nginx")
    sha = commit(checkout, {"conf.d/a.conf": "two\n"})
    assert "-one\n+two" in unified_diff(before, repository.sources(sha, "nginx"))


def entry(deploy: str = "1-abcd", record: str = "INTENT") -> Entry:
    return KINDS[record](deploy, "production", "nginx", "push", "a" * 10 + "-" + "b" * 8, "alice", 1.0)


def ledger(folder: Path) -> GitLedger:
    return GitLedger(folder, "production", Memory(folder))


@pytest.fixture
def clones(checkout: Path, tmp_path: Path) -> list[Path]:
    """Four clones of one bare remote."""
    git(tmp_path, "clone", "-q", "--bare", str(checkout), "remote.git")
    for number in range(4):
        git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), f"clone{number}")
    return [tmp_path / f"clone{number}" for number in range(4)]


@pytest.mark.parametrize("remote", [True, False])
def test_append_is_compare_and_swap(checkout: Path, clones: list[Path], remote: bool) -> None:
    """With a remote and without: the second of two writers is told."""
    folder = clones[0] if remote else checkout
    first, second = ledger(folder), ledger(clones[1] if remote else folder)
    assert first.read() == second.read() == ()
    assert first.append(entry(), 0).number == 1
    with pytest.raises(LedgerMoved):
        second.append(entry("1-beef"), 0)
    assert [e.deploy for e in second.read()] == ["1-abcd"]
    assert second.append(entry(record="OUTCOME"), 1).number == 2
    assert [e.record for e in first.read()] == ["INTENT", "OUTCOME"]
    assert git(folder, "status", "--porcelain") == ""


def test_many_writers_lose_nothing(clones: list[Path]) -> None:
    """Four clones, five records each, all at once."""

    def write(number: int) -> None:
        book = ledger(clones[number])
        for turn in range(5):
            while True:
                try:
                    book.append(entry(f"{number}-{turn:04x}"), len(book.read()))
                    break
                except LedgerMoved:
                    continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    chain = ledger(clones[0]).read()
    assert len({e.deploy for e in chain}) == 20
    assert [e.number for e in chain] == list(range(1, 21))


def test_git_gone_and_back(clones: list[Path], tmp_path: Path) -> None:
    """Unreachable is said as such; what was put aside is written later, once."""
    book = ledger(clones[0])
    book.append(entry(), len(book.read()))
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    with pytest.raises(LedgerUnavailable):
        book.read()
    book.put_aside(entry("2-abcd", "OUTCOME"))
    (tmp_path / "gone.git").rename(tmp_path / "remote.git")
    again = ledger(clones[0])
    assert [e.deploy for e in again.back_fill()] == ["2-abcd"]
    assert again.back_fill() == []
    assert [e.deploy for e in again.read()] == ["1-abcd", "2-abcd"]


def test_no_repository(tmp_path: Path) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(LedgerUnavailable, match="not in a git repository"):
        ledger(tmp_path).read()
    with pytest.raises(DeployError, match="not in a git repository"):
        Repository(tmp_path)


def test_a_rewritten_ledger_is_an_alarm(clones: list[Path], tmp_path: Path) -> None:
    """Shorter or forked against what was last seen here."""
    book = ledger(clones[0])
    book.append(entry(), len(book.read()))
    book.append(entry(record="OUTCOME"), len(book.read()))
    head = git(tmp_path / "remote.git", "rev-parse", "deployments/production~1")
    git(tmp_path / "remote.git", "update-ref", "refs/heads/deployments/production", head)
    with pytest.raises(DeployError, match="was rewritten"):
        ledger(clones[0]).read()
    git(tmp_path / "remote.git", "update-ref", "-d", "refs/heads/deployments/production")
    with pytest.raises(DeployError, match="was rewritten"):
        ledger(clones[0]).read()


def test_environments_are_branch_names(checkout: Path) -> None:
    """Nothing else."""
    for name in ("-x", "a b", "a..b", "a.lock", "", "a/b"):
        with pytest.raises(InputError):
            ledger_of(checkout, name)


def ledger_of(folder: Path, environment: str) -> GitLedger:
    return GitLedger(folder, environment, Memory(folder))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda x: st.lists(x) | st.dictionaries(st.sampled_from(list(FIELDS)), x),
)


@pytest.mark.parametrize("at", [10**400, -(10**400), float("nan"), float("inf"), 1e12])
def test_a_time_that_no_calendar_has(at: float) -> None:
    """Refused when it is read, not when it is shown."""
    with pytest.raises(ValueError, match="at is no time"):
        entry_from_json({**entry_to_json(Intent("1-a", "e", "p", "push", "r", "w", 0.0)), "at": at})


@given(JSON)
def test_any_json_is_a_record_or_a_value_error(body: object) -> None:
    """Strict, and nothing else is raised."""
    try:
        assert entry_from_json(body)
    except ValueError:
        return


def test_a_record_survives_the_round_trip() -> None:
    """Every field."""
    full = Ended(
        "3-aaaa",
        "e",
        "p",
        "rollback",
        "r",
        "w",
        2.5,
        4,
        "prev",
        "rev",
        "why",
        9.0,
        "deployed",
        "b",
        "healthy",
        {"h": "r"},
    )
    assert entry_from_json(entry_to_json(full)) == full


def test_what_cannot_be_written_is_a_warning(tmp_path: Path, state: Path) -> None:
    """A deploy never ends because its own notes cannot be written."""
    (tmp_path / ".deploy").write_text("a file is in the way")
    (state / "deployer").write_text("here, too")
    runs, memory = Runs(tmp_path), Memory(tmp_path)
    memory.put_aside(entry())
    runs.write_run("1-abcd", {})
    assert "cannot write" in runs.warning
    assert "cannot remember" in memory.warning


def test_an_interrupted_git_leaves_no_timer(checkout: Path) -> None:
    """A command that was interrupted ends now, not when the time that git was given is over."""
    before = threading.active_count()
    main = threading.main_thread().ident
    assert main is not None

    def strike() -> None:
        while not (checkout / "begun").exists():
            time.sleep(0.01)  # the test's own limit ends this
        signal.pthread_kill(main, signal.SIGINT)

    striker = threading.Thread(target=strike, daemon=True)
    repo = open_repository(checkout)
    striker.start()
    with pytest.raises(KeyboardInterrupt):
        run_git(repo, "-c", "alias.wait=!touch begun; exec sleep 5", "wait", seconds=60)
    striker.join()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(5)
    assert threading.active_count() == before


def test_git_has_a_deadline_and_so_has_all_that_it_started(checkout: Path) -> None:
    """A process of git's that goes on holds nobody: it dies with git."""
    words = ("-c", "alias.hang=!sh -c 'echo $$ > child; exec sleep 600' & wait", "hang")
    begun = checkout / "child"
    for seconds in (1, 4, 16, 64):  # as many as this machine needs to begin
        with pytest.raises(GitFailed, match=f"did not end within {seconds} s"):
            run_git(open_repository(checkout), *words, seconds=seconds)
        if begun.exists() and begun.read_text().strip():
            break
    child = Path(f"/proc/{begun.read_text().strip()}")
    while child.exists() and "zombie" not in (child / "status").read_text():
        time.sleep(0.01)  # the test's own limit ends this


def test_a_git_that_cannot_read_is_said(checkout: Path) -> None:
    """An object that is gone, in the middle of a release."""
    repository = Repository(checkout)
    found = repository.resolve("HEAD")
    tree = git(checkout, "rev-parse", "HEAD^{tree}")
    (checkout / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(DeployError, match=f"cannot read {found.sha[:10]} from git"):
        repository.release(found, "nginx", HOSTS, render_packages)
