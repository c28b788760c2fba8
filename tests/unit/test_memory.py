"""What is believed lies where no commit can write, and nothing is written through what a commit put there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory, state_home
from deployer.adapters.local.runs import Runs, entry_to_json
from deployer.cli import run
from deployer.model.errors import DeployError
from tests.unit.test_git import checkout, entry, git  # noqa: F401


def test_a_commit_plants_nothing_that_is_believed(checkout: Path) -> None:  # noqa: F811
    """A record that waits to be written, and the head of the ledger as it was seen, come out of a pull."""
    planted = checkout / ".deploy"
    (planted / "pending").mkdir(parents=True)
    (planted / "seen").mkdir()
    bad = json.dumps(entry_to_json(entry("9-abcd", "OUTCOME")))
    (planted / "pending/production.1.9-abcd.OUTCOME.json").write_text(bad)
    book = GitLedger(checkout, "production", Memory(checkout))
    book.append(entry(), len(book.read()))
    (planted / "seen/production").write_text("0" * 40)
    git(checkout, "add", "-f", ".deploy")
    git(checkout, "commit", "-qm", "planted")
    book = GitLedger(checkout, "production", Memory(checkout))
    assert book.back_fill() == []
    assert len(book.read()) == 1


def test_what_was_seen_survives_a_new_clone_in_the_same_place(checkout: Path) -> None:  # noqa: F811
    """The checkout is deleted and cloned again: a ledger that was shortened meanwhile is still noticed."""
    book = GitLedger(checkout, "production", Memory(checkout))
    for record in ("INTENT", "DECISION"):
        book.append(entry(record=record), len(book.read()))
    git(checkout, "update-ref", "refs/heads/deployments/production", "refs/heads/deployments/production~1")
    again = GitLedger(checkout, "production", Memory(checkout))
    with pytest.raises(DeployError, match="was rewritten") as caught:
        again.read()
    accept = caught.value.hint.split("delete ")[1]
    assert not Path(accept).is_relative_to(checkout)
    Path(accept).unlink()
    assert len(GitLedger(checkout, "production", Memory(checkout)).read()) == 1


def test_each_checkout_has_its_own(tmp_path: Path) -> None:
    """Two of the same name share nothing; one that is reached through a link is the same."""
    for name in ("a/config", "b/config"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a/config")
    Memory(tmp_path / "a/config").set_seen("production", "1" * 40)
    assert Memory(tmp_path / "link").seen("production") == "1" * 40
    assert Memory(tmp_path / "b/config").seen("production") == ""


@pytest.mark.parametrize("place", [".deploy", ".deploy/runs", ".deploy/runs/1-abcd"])
def test_nothing_is_written_or_read_through_a_link(tmp_path: Path, place: str) -> None:
    """`.deploy` in a pull may be a link to anywhere."""
    outside = tmp_path / "outside"
    (outside / "runs/1-abcd").mkdir(parents=True)
    (outside / "1-abcd").mkdir()
    for folder in (outside, outside / "1-abcd", outside / "runs/1-abcd"):
        (folder / "run.json").write_text('{"result": "deployed"}')
        (folder / "samples.jsonl").write_text("{}\n")
    before = sorted((p, p.read_bytes()) for p in outside.rglob("*") if p.is_file())
    root = tmp_path / "config"
    (root / place).parent.mkdir(parents=True)
    (root / place).symlink_to(outside)
    runs = Runs(root)
    runs.write_run("1-abcd", {"result": "reverted"})
    runs.append_sample("1-abcd", "{}")
    assert "link" in runs.warning
    assert runs.read_run("1-abcd") is None
    assert runs.read_samples("1-abcd") is None
    assert sorted((p, p.read_bytes()) for p in outside.rglob("*") if p.is_file()) == before


def test_state_below_the_checkout_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI job whose home is its checkout: nothing is remembered, and it is said."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "config/.cache"))
    (tmp_path / "config").mkdir()
    memory = Memory(tmp_path / "config")
    memory.set_seen("production", "1" * 40)
    assert "set XDG_STATE_HOME" in memory.warning
    assert memory.seen("production") == ""
    assert not list((tmp_path / "config").iterdir())
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert state_home() == tmp_path / "home/.local/state/deployer"


def test_a_run_that_git_tracks_is_no_evidence(
    checkout: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Anybody who may commit could have written it."""
    monkeypatch.chdir(checkout)
    Runs(checkout).write_run("9-abcd", {"environment": "production", "result": "deployed"})
    assert run(["show", "9-abcd"]) == 0
    git(checkout, "add", "-f", ".deploy")
    for words in (["show", "9-abcd"], ["show", "9-abcd", "--replay"]):
        assert run(words) == 1
        assert "tracked by git" in capsys.readouterr().err
