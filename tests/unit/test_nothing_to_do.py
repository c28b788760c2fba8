"""A git remote that takes the connection and says nothing, where git only adds to what hosts have said: `deploy status`,
and `deploy rollback` where nothing is to be done."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.engine.deploy.target import Aim
from deployer.model.errors import LedgerUnavailable
from deployer.model.events import Notice
from deployer.model.fleet import Fleet
from deployer.model.ledger import Ended
from deployer.wiring.afterwards import one_further
from deployer.wiring.context import Context
from deployer.wiring.holder import lock_line
from tests.fakes.world import NEW
from tests.unit.test_git import checkout, git

__all__ = ["checkout"]


@pytest.fixture
def silent(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The context of a command whose git remote takes the connection and says nothing."""
    monkeypatch.setattr("deployer.adapters.git.ledger.SECONDS", 600)
    options: Any = SimpleNamespace(yes=True, interactive=False)
    playbook: Any = SimpleNamespace(name="nginx")
    with socket.create_server(("127.0.0.1", 0)) as server:
        git(checkout, "remote", "add", "origin", f"git://127.0.0.1:{server.getsockname()[1]}/config.git")
        yield Context(options, checkout, Fleet({}, {}, {}), playbook, "production", (), frozenset())


@pytest.mark.timeout(60)
def test_who_did_it_is_asked_for_seconds_only(silent: Context) -> None:
    """All that git could add is a name: it is not waited for as a deploy would, and that it was not reached is said."""
    events: list[Notice] = []
    ports: Any = SimpleNamespace(emit=events.append)
    assert not one_further(silent, ports, Aim(NEW, "stay", number=7), ())
    warning, told = events
    assert (warning.level, told.level) == ("warning", "info")
    assert "the ledger cannot be reached: fatal: git did not end within 4 s" in warning.text
    assert told.text == f"every host is on {NEW}, where deploy 7 left it"
    adopted = Aim("0000000000-", "stay", number=7)
    assert not one_further(silent, ports, adopted, ("web2", "web3"))
    text = "every host but web2, web3 is on the configuration as it was found, where deploy 7 left it"
    assert events[-1].text == text, "only what was read is counted"


@pytest.mark.timeout(60)
def test_the_lock_is_asked_for_seconds_only(silent: Context) -> None:
    """`deploy status` has what the hosts said; git is not waited for, and what waits for it stays."""
    entry = Ended("7-abcd", "production", "nginx", "rollback", NEW, "t", 0.0, result="deployed")
    silent.memory.put_aside(entry)
    line, chain, _ = lock_line(silent)
    assert line == (
        "lock: unknown: the ledger cannot be reached: fatal: git did not end within 4 s; 1 record(s) wait to be written"
    )
    assert chain == ()
    assert [waiting for _, waiting in silent.memory.pending("production")] == [entry]


def test_a_git_that_breaks_off_is_no_bug(checkout: Path) -> None:
    """After the head was read: what it says is told, by the same words."""
    ledger = GitLedger(checkout, "production", Memory(checkout))
    ledger.append(Ended("1-abcd", "production", "nginx", "push", NEW, "t", 0.0), len(ledger.read()))
    blob = git(checkout, "rev-parse", f"{ledger.branch}:records/000001.json")
    (checkout / ".git/objects" / blob[:2] / blob[2:]).unlink()
    tree = git(checkout, "rev-parse", f"{ledger.branch}:records")
    (checkout / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(LedgerUnavailable, match="the ledger cannot be read: "):
        GitLedger(checkout, "production", Memory(checkout)).read()
