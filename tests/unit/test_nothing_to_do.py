"""`deploy rollback` where nothing is to be done, with a git remote that takes the connection and says nothing."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.adapters.ledger import GitLedger
from deployer.adapters.memory import Memory
from deployer.commands import rollback
from deployer.engine.target import Aim
from deployer.model.events import Notice
from tests.fakes.world import NEW
from tests.unit.test_git import checkout, git

__all__ = ["checkout"]


@pytest.mark.timeout(60)
def test_who_did_it_is_asked_for_seconds_only(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that git could add is a name: it is not waited for as a deploy would, and that it was not reached is said."""
    monkeypatch.setattr("deployer.adapters.ledger.SECONDS", 600)
    events: list[Notice] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        git(checkout, "remote", "add", "origin", f"git://127.0.0.1:{silent.getsockname()[1]}/config.git")
        memory, options = Memory(checkout), SimpleNamespace(yes=True, interactive=False)
        context: Any = SimpleNamespace(root=checkout, environment="production", memory=memory, options=options)
        context.playbook, context.ledger = SimpleNamespace(name="nginx"), GitLedger(checkout, "production", memory)
        ports: Any = SimpleNamespace(emit=events.append)
        assert not rollback.one_further(context, ports, Aim(NEW, "stay", number=7))
    warning, told = events
    assert (warning.level, told.level) == ("warning", "info")
    assert "the ledger cannot be reached: fatal: git did not end within 4 s" in warning.text
    assert told.text == f"every host is on {NEW}, where deploy 7 left it"
