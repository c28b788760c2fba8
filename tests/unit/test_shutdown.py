"""A host that is shut down while a deploy is pending on it: it boots into its old release, and is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.deploy.by_hand import abort
from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.errors import DeployError
from deployer.model.events import Judged, Notice
from deployer.model.outcome import Outcome
from deployer.model.state import number_of
from tests.fakes.final import final
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, SIZES, World


def shut_down_at_the_verdict(world: World, name: str, takes: float, away: float) -> None:
    """As soon as the canary is judged: somebody reboots `name` because it is slow."""

    def emit(event: object) -> None:
        world.events.append(event)  # type: ignore[arg-type]
        if isinstance(event, Judged):
            world.machines[name].shut_down(world.clock.monotonic(), takes, away)

    world.ports = replace(world.ports, emit=emit)


def pushed(world: World) -> Outcome:
    return push(world.request, world.release(NEW), world.ports, world.ledger, world.policy)


def is_over(world: World) -> None:
    """After a push that went back: neither a rollback nor the same push, which is refused, changes anything."""
    assert final(world, lambda: back(world)).result == "unchanged"
    with pytest.raises(DeployError, match="quarantined"):
        final(world, lambda: pushed(world))
    assert world.running() == dict.fromkeys(world.names, ADOPTED)


@pytest.mark.parametrize(("takes", "away"), [(4.0, 10.0), (20.0, 5.0), (0.0, 12.0)])
@pytest.mark.parametrize("hosts", SIZES)
def test_a_reboot_within_the_deadline_is_waited_for(hosts: int, takes: float, away: float) -> None:
    """Exit 3: the host is back and verified, told as going down and not as stuck."""
    world = World.of(hosts)
    world.probes.bad = NEW
    shut_down_at_the_verdict(world, "web1", takes, away)
    outcome = pushed(world)
    assert (outcome.result, outcome.exit_code) == ("reverted", 3), outcome
    assert (outcome.hosts["web1"].state, outcome.hosts["web1"].verified) == ("reverted", True)
    assert world.running() == dict.fromkeys(world.names, ADOPTED)
    told = [event.text for event in world.events if isinstance(event, Notice)]
    assert sum("web1: going down; comes back on the old release" in text for text in told) == (takes > 0)
    assert {host for verb, host in world.hosts.calls if verb == "activate"} == {"web1"}, "the others were left alone"
    is_over(world)


@pytest.mark.parametrize("hosts", SIZES)
def test_a_host_that_stays_away_is_named_as_going_down(hosts: int) -> None:
    """Its deadline is over: exit 4, and what is said of it is what will happen; then it does."""
    world = World.of(hosts)
    world.probes.bad = NEW
    shut_down_at_the_verdict(world, "web1", 4.0, 120.0)
    outcome = pushed(world)
    assert (outcome.result, outcome.exit_code) == ("stranded", 4)
    end = outcome.hosts["web1"]
    assert (end.state, end.verified) == ("unreachable", False)
    assert f"going down: comes back on {ADOPTED}" in end.error
    world.settle()
    is_over(world)


@pytest.mark.parametrize("hosts", SIZES)
def test_a_host_that_hangs_in_its_shutdown(hosts: int) -> None:
    """It answers to the last, and always that it is going down: it is pending, not failed."""
    world = World.of(hosts)
    world.probes.bad = NEW
    shut_down_at_the_verdict(world, "web1", 90.0, 5.0)
    end = pushed(world).hosts["web1"]
    assert end.state == "pending"
    assert f"going down: comes back on {ADOPTED}" in end.error
    world.settle()
    is_over(world)


@pytest.mark.parametrize("hosts", SIZES[1:])
def test_a_host_that_is_going_down_takes_no_activation(hosts: int) -> None:
    """Nothing was changed on it: the push is undone without blame, and it is not waited for in vain."""
    world = World.of(hosts)
    shut_down_at_the_verdict(world, "web2", 10.0, 30.0)
    outcome = pushed(world)
    assert (outcome.result, outcome.exit_code) == ("reverted", 3), outcome
    assert "going down" in outcome.error
    assert "quarantined" not in outcome.hint
    world.settle()  # it is there again
    assert final(world, lambda: back(world)).result == "unchanged"
    assert world.running() == dict.fromkeys(world.names, ADOPTED)


@pytest.mark.parametrize("hosts", SIZES)
def test_abort_waits_for_a_host_that_reboots(hosts: int) -> None:
    """What a dead deployer left pending, on a host that somebody restarts meanwhile."""
    world = World.of(hosts)
    activate(world, "web1")
    world.machines["web1"].shut_down(world.clock.monotonic(), 6.0, 8.0)
    outcome, _ = final(world, lambda: abort(world.request, world.ports))
    assert outcome.result == "reverted", outcome
    assert world.running() == dict.fromkeys(world.names, ADOPTED)


@pytest.mark.parametrize(("takes", "away"), [(6.0, 8.0), (20.0, 5.0)])
@pytest.mark.parametrize("hosts", SIZES)
def test_a_rollback_waits_for_a_host_that_reboots(hosts: int, takes: float, away: float) -> None:
    """A dead deployer's push is pending, and a person who rolls back meets a host that is restarted meanwhile: the
    others are back first, then it is, too; a second rollback changes nothing."""
    world = World.of(hosts)
    for name in world.names:
        activate(world, name)
    world.machines["web1"].shut_down(world.clock.monotonic(), takes, away)
    outcome = final(world, lambda: back(world))
    assert (outcome.result, outcome.exit_code) == ("deployed", 0), outcome
    assert world.running() == dict.fromkeys(world.names, ADOPTED)


@pytest.mark.parametrize("hosts", SIZES)
def test_nor_does_it_forget_where_that_host_was_to_go(hosts: int) -> None:
    """It boots into what it had confirmed, which is not where the rollback goes: it is walked like the others."""
    world = World.of(hosts)
    assert pushed(world).result == "deployed"
    newer = "bbbbbbbbbb-22222222"
    activate(world, "web1", newer, "9-aaaa")
    world.machines["web1"].shut_down(world.clock.monotonic(), 6.0, 8.0)
    outcome = final(world, lambda: back(world, ADOPTED))
    assert (outcome.result, outcome.exit_code) == ("deployed", 0), outcome
    assert world.running() == dict.fromkeys(world.names, ADOPTED)


def back(world: World, target: str | None = None) -> Outcome:
    return rollback(world.request, world.ports, target, Consent(lambda plan: True), lambda lacking: {})[0]


def activate(world: World, name: str, release: str = NEW, deploy: str = "2-aaaa") -> None:
    """As a deployer that died right afterwards left it."""
    machine = world.machines[name]
    machine.releases[release] = {"nginx.conf": "1" * 64}
    machine.deploy, machine.fence = deploy, number_of(deploy)
    machine.target = machine.current = machine.loaded = release
    machine.phase, machine.deadline, machine.hard = "pending", world.clock.monotonic() + 30, 10**6
