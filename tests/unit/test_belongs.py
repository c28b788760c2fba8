"""The same host under two environments: one ledger or a clear refusal, never "tampering"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.push import push
from deployer.engine.deploy.repair import repair
from deployer.model.errors import DeployError
from tests.fakes.world import World
from tests.unit.test_git import checkout, entry  # noqa: F401


def test_hosts_of_another_environment_are_refused_by_its_name() -> None:
    """push, adopt and repair; nothing is changed and nothing recorded."""
    world = World()
    assert push(world.request, world.release(), world.ports, world.ledger, world.policy).result == "deployed"
    mine = world.ledger.chain
    deploy = mine[0].deploy
    world.ledger.others, world.ledger.chain = {(deploy, name): "production" for name in world.names}, []
    request = replace(world.request, environment="staging")
    before = world.running()
    for act in (
        lambda: push(request, world.release("b" * 10 + "-22222222"), world.ports, world.ledger, world.policy),
        lambda: adopt(request, world.ports, world.ledger),
        lambda: repair(request, world.ports, world.ledger, lambda plan: True, lambda *_: {}),  # type: ignore[arg-type]
    ):
        with pytest.raises(DeployError, match=r"another environment: web1 \(production\)") as caught:
            act()
        assert "-e production" in caught.value.hint
    assert world.ledger.chain == []
    assert world.running() == before
    world.ledger.chain = mine
    assert push(world.request, world.release(), world.ports, world.ledger, world.policy).result == "unchanged"


def test_which_ledger_knows_a_deploy(checkout: Path) -> None:  # noqa: F811
    """On real git; a ledger that cannot be read is none that knows it."""
    for name, deploy in (("production", "1-abcd"), ("staging", "1-beef")):
        book = GitLedger(checkout, name, Memory(checkout))
        book.append(replace(entry(deploy), environment=name, hosts={"web1": "x"}), len(book.read()))
    book = GitLedger(checkout, "production", Memory(checkout))
    assert book.environment_of("1-beef", "web1") == "staging"
    assert book.environment_of("1-abcd", "web1") == ""
    assert book.environment_of("1-beef", "web2") == "", "an id is no secret; that ledger never heard of this host"
    Memory(checkout).set_seen("staging", "1" * 40)
    assert book.environment_of("1-beef", "web1") == ""
