"""Two people roll back at once: one proceeds, the other joins; the fleet ends one step back, and both hear it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from deployer.engine.push import push
from deployer.engine.rollback import Consent, rollback
from deployer.model.errors import EXIT_LOCKED, LockedError
from deployer.model.ledger import Entry
from deployer.model.outcome import Outcome
from deployer.model.state import Order
from tests.fakes.world import NEW, World

NEWER, NEWEST = "bbbbbbbbbb-22222222", "cccccccccc-33333333"


def pushed() -> World:
    """Three releases, one after the other."""
    world = World()
    for release in (NEW, NEWER, NEWEST):
        package = world.release(release, release.encode())
        assert push(world.request, package, world.ports, world.ledger, world.policy).result == "deployed"
    world.hosts.calls.clear()
    return world


def back(world: World) -> tuple[Outcome, tuple[Entry, ...]]:
    """Without git."""
    return rollback(world.request, world.ports, None, Consent(lambda plan: True), lambda wanted: {})


@dataclass
class Second:
    """The second person's whole command, before or after the effect of the `at`-th call of the first one's."""

    world: World
    at: int
    when: str
    seen: int = 0
    codes: list[int] = field(default_factory=list)

    def __call__(self, verb: str, host: str, when: str) -> None:
        self.seen += when == "before"
        if (self.seen, when) == (self.at, self.when) and not self.codes:
            self.world.hosts.fault = lambda verb, host, when: None
            self.codes.append(back(self.world)[0].exit_code)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_rollback_between_any_two_calls_of_the_first(when: str) -> None:
    """Both end with exit 0 on the release before; only what was bad is left; a third changes nothing."""
    world = pushed()
    back(world)
    for at in range(1, len(world.hosts.calls) + 1):
        world = pushed()
        second = Second(world, at, when)
        world.hosts.fault = second
        first, _ = back(world)
        assert (first.exit_code, second.codes) == (0, [0]), (at, first)
        assert set(world.running().values()) == {NEWER}, at
        left = {line.release for m in world.machines.values() for line in m.history if line.command == "away"}
        assert left == {NEWEST}
        world.hosts.calls.clear()
        assert back(world)[0].result == "unchanged"
        assert {verb for verb, _ in world.hosts.calls} == {"survey"}


def test_a_push_that_was_faster_on_every_host_is_named() -> None:
    """Exit 5, nothing recorded; the next rollback takes back what is in flight, and then changes nothing."""
    world = pushed()

    def approve(plan: object) -> bool:
        for host in world.fleet:
            world.machines[host.name].releases["dddddddddd-44444444"] = {}
            world.hosts.activate(host, Order("99-dead", 99, "push", "dddddddddd-44444444", 60))
        return True

    with pytest.raises(LockedError, match="deploy 99-dead is changing web1, web2, web3 now") as caught:
        rollback(world.request, world.ports, None, Consent(approve), lambda wanted: {})
    assert caught.value.exit_code == EXIT_LOCKED
    outcome, entries = back(world)
    assert (outcome.result, outcome.release) == ("deployed", NEWEST)
    assert [(e.deploy, e.command, e.result) for e in entries[:1]] == [("99-dead", "push", "reverted")]
    assert back(world)[0].result == "unchanged"
    assert set(world.running().values()) == {NEWEST}
