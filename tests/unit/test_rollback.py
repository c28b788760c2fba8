"""Rollback on fakes: one release for the fleet, hosts that fail are reported, the others are back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from deployer.engine.deploy.by_hand import abort, confirm
from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.engine.deploy.target import aim_for
from deployer.model.errors import DeployError, Refused, Unreachable
from deployer.model.ledger import Entry
from deployer.model.outcome import Outcome
from deployer.model.state import Confirmed, HostState, Order
from tests.fakes.final import final
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, SIZES, World

NEWER = "bbbbbbbbbb-22222222"


def pushed(*releases: str, hosts: int = 3) -> World:
    """A world with these releases pushed in order."""
    world = World.of(hosts)
    for release in releases:
        package = world.release(release, release.encode())
        assert push(world.request, package, world.ports, world.ledger, world.policy).result == "deployed"
    world.hosts.calls.clear()
    return world


def back(world: World, target: str | None = None, further: bool = False) -> tuple[Outcome, tuple[Entry, ...]]:
    """Roll back with what the hosts have; the ledger is there to be asked. further: a person at a terminal says yes to one step more."""
    consent = Consent(lambda plan: True, lambda aim, apart: further)
    return rollback(world.request, world.ports, target, consent, lambda wanted: {}, world.ledger.read)


@pytest.mark.parametrize("hosts", SIZES)
def test_back_to_the_release_before(hosts: int) -> None:
    """All hosts, exit 0, and a record that quarantines what was left."""
    world = pushed(NEW, NEWER, hosts=hosts)
    outcome, (entry,) = final(world, lambda: back(world))
    assert (outcome.result, outcome.release, outcome.previous) == ("deployed", NEW, NEWER)
    assert set(world.running().values()) == {NEW}
    assert (entry.record, entry.command, entry.previous) == ("OUTCOME", "rollback", NEWER)
    world.ledger.chain.append(entry)
    with pytest.raises(DeployError, match="quarantined"):
        push(world.request, world.release(NEWER, NEWER.encode()), world.ports, world.ledger, world.policy)


def test_a_host_that_was_not_read_is_not_counted_as_back() -> None:
    """Whoever is asked whether to go further hears of it; it is named at the end as well."""
    world = pushed(NEW, NEWER)
    heard: list[tuple[str, ...]] = []

    def one_further(aim: object, apart: Sequence[str]) -> bool:
        heard.append(tuple(apart))
        return False

    back(world)
    world.hosts.fault = lambda verb, host, when: Unreachable("no route to host") if host == "web2" else None
    consent = Consent(lambda plan: True, one_further)
    outcome, _ = rollback(world.request, world.ports, None, consent, lambda wanted: {}, world.ledger.read)
    assert heard == [("web2",)]
    assert outcome.result == "stranded"
    assert "web2" in outcome.error


@pytest.mark.parametrize("hosts", SIZES)
def test_twice_changes_nothing_and_a_person_may_go_further(hosts: int) -> None:
    """A second person, a pager bot, a retry: the hosts are where the rollback left them. What was rolled back from is
    not last good any more."""
    world = pushed(NEW, NEWER, hosts=hosts)
    back(world)
    assert final(world, lambda: back(world))[0].result == "unchanged"
    assert set(world.running().values()) == {NEW}
    outcome, _ = back(world, further=True)
    assert (outcome.result, outcome.release, outcome.previous) == ("deployed", ADOPTED, NEW)
    assert final(world, lambda: back(world))[0].result == "unchanged"
    assert set(world.running().values()) == {ADOPTED}
    assert final(world, lambda: back(world, further=True))[0].result == "unchanged", "there is nothing further"


@pytest.mark.parametrize("hosts", SIZES)
def test_while_something_is_pending_it_is_aborted(hosts: int) -> None:
    """The host with a pending deploy goes back; hosts that never had it are told, and are what they were."""
    world = pushed(NEW, hosts=hosts)
    host = world.fleet[0]
    world.hosts.stage(host, world.release(NEWER, b"x").packages["web1"])
    world.hosts.activate(host, Order("9-aaaa", 9, "push", NEWER))
    world.intend("9-aaaa", NEWER)
    world.hosts.calls.clear()
    outcome, _ = final(world, lambda: back(world))
    assert outcome.release == NEW
    assert set(world.running().values()) == {NEW}
    assert {verb for verb, _ in world.hosts.calls} == {"survey", "revert"}
    assert {m.history[-1].release for m in world.machines.values()} == {NEW}
    if hosts > 1:
        world.hosts.fault = lambda verb, name, when: Unreachable("no route") if name == "web1" else None
        outcome, _ = final(world, lambda: back(world))
        assert outcome.release == NEW, "the host that had it is gone, and the others know of it"
        assert {m.history[-1].release for m in world.machines.values()} == {NEW}


@pytest.mark.parametrize("hosts", SIZES[1:])
def test_one_host_that_fails_is_reported_and_the_others_are_back(hosts: int) -> None:
    """Exit 4 naming it, as often as it is asked for; when the host is there again it follows, and that is all."""
    world = pushed(NEW, NEWER, hosts=hosts)
    world.hosts.fault = lambda verb, host, when: Unreachable("no route") if host == "web2" else None
    outcome, _ = final(world, lambda: back(world))
    assert outcome.exit_code == 4
    assert "web2" in outcome.error
    assert {end.state for name, end in outcome.hosts.items() if name != "web2"} == {"confirmed"}
    assert world.running() == {**dict.fromkeys(world.names, NEW), "web2": NEWER}
    world.hosts.fault = lambda verb, host, when: None
    assert final(world, lambda: back(world))[0].exit_code == 0
    assert set(world.running().values()) == {NEW}


@pytest.mark.parametrize("hosts", SIZES)
def test_a_host_that_cannot_load_it_keeps_what_runs(hosts: int) -> None:
    """Refused before the swap: reported, not undone elsewhere."""
    world = pushed(NEW, NEWER, hosts=hosts)
    last = world.names[-1]
    world.machines[last].invalid.add(NEW)
    outcome, _ = final(world, lambda: back(world))
    assert outcome.exit_code == 4
    assert "not valid" in outcome.hosts[last].error
    assert world.running() == {**dict.fromkeys(world.names, NEW), last: NEWER}


@pytest.mark.parametrize("hosts", SIZES[1:])
def test_a_host_that_lacks_it_gets_it_pushed(hosts: int) -> None:
    """From git if that can be read; else the host is named."""
    world = pushed(NEW, NEWER, hosts=hosts)
    del world.machines["web2"].releases[NEW]
    outcome, _ = final(world, lambda: back(world))
    assert outcome.exit_code == 4
    assert "cannot be read from git" in outcome.hosts["web2"].error
    package = world.release(NEW, NEW.encode()).packages["web2"]
    consent = Consent(lambda plan: True)
    outcome, _ = final(
        world,
        lambda: rollback(world.request, world.ports, NEW, consent, lambda wanted: dict.fromkeys(wanted, package)),
    )
    assert outcome.result == "deployed"
    assert set(world.running().values()) == {NEW}


@pytest.mark.parametrize("hosts", SIZES)
def test_a_release_that_no_host_can_take(hosts: int) -> None:
    """A slip of the pen: refused, with nothing changed; the right one then works."""
    world = pushed(NEW, NEWER, hosts=hosts)
    before = world.running()
    with pytest.raises(DeployError, match="cannot roll back to cccccccccc-33333333: web1: does not have it") as caught:
        final(world, lambda: back(world, "cccccccccc-33333333"))
    assert caught.value.exit_code == 1
    assert world.running() == before
    assert final(world, lambda: back(world))[0].result == "deployed"


@pytest.mark.parametrize("hosts", SIZES)
def test_no_host_answers(hosts: int) -> None:
    """A refusal naming every host."""
    world = pushed(NEW, hosts=hosts)
    world.hosts.fault = lambda verb, host, when: Unreachable("no route")
    with pytest.raises(DeployError, match="; ".join(f"{name}: no route" for name in world.names)):
        final(world, lambda: back(world))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("hosts", SIZES)
def test_every_call_broken(hosts: int, when: str) -> None:
    """Break every call (of a large fleet, some): exit 0 only with the whole fleet on the target, and no host is ever
    mixed."""
    world = pushed(NEW, NEWER, hosts=hosts)
    back(world)
    total = len(world.hosts.calls)
    for at in range(total) if hosts < 10 else range(0, total, total // 24):
        for error in (Unreachable("no answer"), Refused("no space", "disk")):
            world = pushed(NEW, NEWER, hosts=hosts)
            seen: list[int] = [0]

            def fault(
                verb: str, host: str, w: str, at: int = at, e: BaseException = error, seen: list[int] = seen
            ) -> BaseException | None:
                seen[0] += w == "before"
                return e if seen[0] - 1 == at and w == when else None

            world.hosts.fault = fault
            try:
                code = back(world)[0].exit_code
            except DeployError:
                code = 1
            world.hosts.fault = lambda verb, host, w: None
            world.settle()
            ends = world.running()
            assert "MIXED" not in ends.values(), f"{error!r} {when} call {at}: {ends}"
            assert code != 0 or set(ends.values()) == {NEW}
            assert code not in (1, 3, 130) or set(ends.values()) == {NEWER}
            if code == 0 and hosts < 10:
                assert final(world, lambda world=world: back(world))[0].result == "unchanged"  # type: ignore[misc]


def history(*lines: tuple[int, str, str]) -> HostState:
    """A host with this history."""
    return HostState(adopted=True, history=tuple(Confirmed(*line) for line in lines))


def test_target_is_worked_out_over_the_fleet() -> None:
    """A host that missed a deploy does not change the answer."""
    old = history((1, "adopt", ADOPTED), (2, "push", NEW))
    new = history((1, "adopt", ADOPTED), (2, "push", NEW), (3, "push", NEWER))
    assert (aim_for([old, new]).release, aim_for([old, new]).leaves) == (NEW, NEWER)
    assert aim_for([old]).release == "0000000000-"


@pytest.mark.parametrize("hosts", SIZES)
def test_abort_and_confirm_by_hand(hosts: int) -> None:
    """Pending everywhere: abort takes it back, confirm keeps it."""
    for verb, end in ((abort, ADOPTED), (confirm, NEW)):
        world = World.of(hosts)
        for host in world.fleet:
            world.hosts.stage(host, world.release().packages[host.name])
            world.hosts.activate(host, Order("5-aaaa", 5, "push", NEW))
        outcome, (entry,) = final(world, lambda verb=verb, world=world: verb(world.request, world.ports))  # type: ignore[misc]
        assert set(world.running().values()) == {end}
        assert (entry.deploy, outcome.exit_code) == ("5-aaaa", 3 if verb is abort else 0)
