"""A ledger that is not what it was: shortened, forked, changed in place, or behind its hosts. On real git."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.push import push
from deployer.model.errors import DeployError
from deployer.model.ledger import above_chain
from deployer.model.state import Confirmed
from tests.fakes.world import World
from tests.unit.test_git import checkout, entry, git  # noqa: F401

BRANCH = "refs/heads/deployments/production"


@pytest.fixture
def clones(checkout: Path, tmp_path: Path) -> tuple[Path, Path, Path]:  # noqa: F811
    """A bare remote with three records; a clone that has seen them, and one that has never looked."""
    git(tmp_path, "clone", "-q", "--bare", str(checkout), "remote.git")
    for name in ("seen", "fresh"):
        git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), name)
    book = ledger(tmp_path / "seen")
    for record in ("INTENT", "DECISION", "OUTCOME"):
        book.append(entry(record=record), len(book.read()))
    assert len(ledger(tmp_path / "fresh").read()) == 3
    Memory(tmp_path / "fresh").set_seen("production", "")
    return tmp_path / "remote.git", tmp_path / "seen", tmp_path / "fresh"


def ledger(folder: Path) -> GitLedger:
    return GitLedger(folder, "production", Memory(folder))


def on_top(
    remote: Path, edits: dict[str, str | None], parents: tuple[str, ...] = (BRANCH,), start: str = BRANCH
) -> None:
    """A commit on the branch, as somebody with a git client would make it. None: the file goes."""
    index = {"GIT_INDEX_FILE": str(remote / "evil-index")}

    def run(*words: str, text: str = "") -> str:
        identity = ["git", "-c", "user.name=m", "-c", "user.email=m@m"]
        done = subprocess.run(
            [*identity, *words], cwd=remote, env={**os.environ, **index}, input=text, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    run("read-tree", start)
    for path, text in edits.items():
        if text is None:
            run("update-index", "--index-info", text=f"0 {'0' * 40}\t{path}\n")
        else:
            run(
                "update-index",
                "--add",
                "--cacheinfo",
                f"100644,{run('hash-object', '-w', '--stdin', text=text)},{path}",
            )
    words = [word for parent in parents for word in ("-p", run("rev-parse", parent))]
    run("update-ref", BRANCH, run("commit-tree", *words, "-m", "evil", run("write-tree")))


def record(remote: Path, number: int) -> str:
    return git(remote, "show", f"{BRANCH}:records/{number:06d}.json")


def in_place(remote: Path) -> None:
    on_top(remote, {"records/000001.json": record(remote, 1).replace("alice", "mallory")})


def in_place_hidden(remote: Path) -> None:
    """The edit rides on a record that is appended properly."""
    last = record(remote, 3).replace('"number": 3', '"number": 4')
    on_top(remote, {"records/000002.json": record(remote, 2).replace("alice", "mallory"), "records/000004.json": last})


def shortened_in_place(remote: Path) -> None:
    on_top(remote, {"records/000003.json": None})


def smuggled(remote: Path) -> None:
    on_top(remote, {"README": "not a record\n"})


def merged(remote: Path) -> None:
    git(remote, "update-ref", "refs/heads/side", f"{BRANCH}~1")
    last = record(remote, 3).replace('"number": 3', '"number": 4')
    on_top(remote, {"records/000004.json": last}, (BRANCH, "refs/heads/side"))


CHANGES = {"in place": in_place, "hidden": in_place_hidden, "shortened": shortened_in_place, "other": smuggled, "merge": merged}  # fmt: skip


@pytest.mark.parametrize("who", ["seen", "fresh"])
@pytest.mark.parametrize("change", list(CHANGES))
def test_changed_by_a_commit_on_top(clones: tuple[Path, Path, Path], change: str, who: str) -> None:
    """A fast forward, so git has nothing against it; found by who saw it before, and by who never did."""
    remote, seen, fresh = clones
    CHANGES[change](remote)
    with pytest.raises(DeployError, match="was changed in place") as caught:
        ledger(seen if who == "seen" else fresh).read()
    assert "find out who did it" in caught.value.hint


def test_forked_and_shortened_and_gone(clones: tuple[Path, Path, Path]) -> None:
    """Against the head that was last seen here."""
    remote, seen, _ = clones
    head = git(remote, "rev-parse", BRANCH)
    on_top(
        remote, {"records/000003.json": record(remote, 3).replace("alice", "mallory")}, (f"{BRANCH}~1",), f"{BRANCH}~1"
    )
    with pytest.raises(DeployError, match="was rewritten: it was at"):
        ledger(seen).read()
    git(remote, "update-ref", BRANCH, f"{head}~2")
    with pytest.raises(DeployError, match="was rewritten: it was at"):
        ledger(seen).read()
    git(remote, "update-ref", "-d", BRANCH)
    with pytest.raises(DeployError, match="now at nothing"):
        ledger(seen).read()
    git(remote, "update-ref", BRANCH, head)
    assert len(ledger(seen).read()) == 3


def test_an_honest_ledger_goes_on(clones: tuple[Path, Path, Path]) -> None:
    """Both go on from any number of new records."""
    _, seen, fresh = clones
    for folder in (fresh, seen, fresh):
        book = ledger(folder)
        book.append(entry("4-beef"), len(book.read()))
    assert len(ledger(seen).read()) == 6


def test_a_ledger_behind_its_hosts() -> None:
    """The hosts have seen a push that the chain does not know: refused, hosts named; adopt makes a new start."""
    world = World()
    for number, machine in enumerate(world.machines.values()):
        machine.fence = 7 + number
    with pytest.raises(DeployError, match=r"web1 has seen deploy 7, web2 has seen deploy 8.*0 record") as caught:
        push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert "deploy adopt" in caught.value.hint
    assert world.running() == dict.fromkeys(world.names, "0000000000-00000000")
    assert adopt(world.request, world.ports, world.ledger).result == "deployed"
    assert push(world.request, world.release(), world.ports, world.ledger, world.policy).result == "deployed"


def test_what_explains_a_fence() -> None:
    """A rollback or an adoption that hosts remember, a late record; never a push."""
    late = replace(entry("9-0000", "OUTCOME"), number=1)
    fences = {"web1": 9}
    assert above_chain((), fences, {}) == fences
    assert above_chain((), fences, {"web1": (Confirmed(9, "push", "r"),)}) == fences
    assert above_chain((), fences, {"web1": (Confirmed(9, "rollback", "r"),)}) == {}
    assert above_chain((late,), fences, {}) == {}
