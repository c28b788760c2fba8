"""Two people roll back at once: one proceeds, the other joins; the fleet ends one step back, and both hear it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.errors import EXIT_LOCKED, LockedError, Unreachable
from deployer.model.fleet import Host
from deployer.model.ledger import Entry
from deployer.model.outcome import Outcome
from deployer.model.state import Order
from tests.fakes.final import final
from tests.fakes.world import NEW, SIZES, World

NEWER, NEWEST, DEAD = "bbbbbbbbbb-22222222", "cccccccccc-33333333", "dddddddddd-44444444"


def pushed(hosts: int = 3) -> World:
    """Three releases, one after the other."""
    world = World.of(hosts)
    for release in (NEW, NEWER, NEWEST):
        package = world.release(release, release.encode())
        assert push(world.request, package, world.ports, world.ledger, world.policy).result == "deployed"
    world.hosts.calls.clear()
    return world


def back(world: World, target: str | None = None) -> tuple[Outcome, tuple[Entry, ...]]:
    """Without git."""
    return rollback(world.request, world.ports, target, Consent(lambda plan: True), lambda wanted: {})


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
@pytest.mark.parametrize("hosts", SIZES)
def test_a_second_rollback_between_any_two_calls_of_the_first(hosts: int, when: str) -> None:
    """Both end with exit 0 on the release before; only what was bad is left; a third changes nothing. (Of the calls to
    a large fleet, some.)"""
    world = pushed(hosts)
    back(world)
    calls = len(world.hosts.calls)
    for at in range(1, calls + 1, 1 if hosts < 10 else calls // 12):
        world = pushed(hosts)
        second = Second(world, at, when)
        world.hosts.fault = second
        first, _ = back(world)
        assert (first.exit_code, second.codes) == (0, [0]), (at, first)
        assert set(world.running().values()) == {NEWER}, at
        left = {line.release for m in world.machines.values() for line in m.history if line.command == "away"}
        assert left == {NEWEST}
        assert final(world, lambda world=world: back(world))[0].result == "unchanged"  # type: ignore[misc]


@pytest.mark.parametrize("hosts", SIZES)
def test_a_push_that_was_faster_on_every_host_is_named(hosts: int) -> None:
    """Exit 5, nothing recorded; the next rollback takes back what is in flight, and then changes nothing."""
    world = pushed(hosts)

    def approve(plan: object) -> bool:
        for host in world.fleet:
            world.machines[host.name].releases[DEAD] = {}
            world.hosts.activate(host, Order("99-dead", 99, "push", DEAD, 60))
        return True

    with pytest.raises(LockedError, match=f"deploy 99-dead is changing {', '.join(world.names)} now") as caught:
        rollback(world.request, world.ports, None, Consent(approve), lambda wanted: {})
    assert caught.value.exit_code == EXIT_LOCKED
    outcome, entries = final(world, lambda: back(world))
    assert (outcome.result, outcome.release) == ("deployed", NEWEST)
    assert [(e.deploy, e.command, e.result) for e in entries[:1]] == [("99-dead", "push", "reverted")]
    assert set(world.running().values()) == {NEWEST}


@dataclass
class Rival:
    """Another person's rollback to NEWER, whose deployer dies once `host` is activated: before the first
    rollback's first `verb` there, which may go unanswered."""

    world: World
    host: str
    verb: str
    error: BaseException | None = None
    done: bool = False

    def __call__(self, verb: str, host: str, when: str) -> BaseException | None:
        if self.done or (verb, host, when) != (self.verb, self.host, "before"):
            return None
        self.done = True
        machine = self.world.machines[self.host]
        if machine.phase != "idle":
            machine.go_back()
        number = machine.fence + 5
        self.world.hosts.activate(Host(host), Order(f"{number}-dead", number, "rollback", NEWER, 30, leaves=NEWEST))
        return self.error


@pytest.mark.parametrize("hosts", SIZES)
def test_what_a_rival_left_pending_after_the_first_look_is_joined(hosts: int) -> None:
    """It was faster on one host, to the same release, and died: nobody else would confirm that host, which would go
    back to the bad release by itself."""
    world = pushed(hosts)
    rival = Rival(world, world.names[-1], "activate")
    world.hosts.fault = rival
    outcome, _ = final(world, lambda: back(world))
    assert rival.done
    assert (outcome.result, outcome.exit_code) == ("deployed", 0), outcome
    world.settle()
    assert set(world.running().values()) == {NEWER}


@pytest.mark.parametrize("hosts", SIZES)
def test_a_host_that_was_silent_and_is_joined_when_it_answers(hosts: int) -> None:
    """A push is in flight on it, nobody answers when that is to be taken back, and a rival has done it meanwhile."""
    world = pushed(hosts)
    last = world.fleet[-1]
    world.machines[last.name].releases[DEAD] = {}
    world.hosts.activate(last, Order("99-dead", 99, "push", DEAD, 30))
    world.intend("99-dead", DEAD)
    rival = Rival(world, last.name, "revert", Unreachable("no answer within 5 s"))
    world.hosts.fault = rival
    outcome, _ = final(world, lambda: back(world, NEWER))
    assert rival.done
    assert (outcome.result, outcome.exit_code) == ("deployed", 0), outcome
    world.settle()
    assert set(world.running().values()) == {NEWER}
