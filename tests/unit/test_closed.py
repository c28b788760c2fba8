"""Somebody else ends a push that is at work: it is seen before the next wave and while it is watched, everything touched
goes back, and the true reason is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.engine.deploy.lock import closing
from deployer.engine.deploy.push import push
from deployer.model.errors import LedgerUnavailable, LockClosed, Refused
from deployer.model.events import Event, Phase, Watched, WaveStarted
from deployer.model.ledger import Ended, hosts_of, quarantined, same_deploy
from deployer.model.outcome import Outcome
from deployer.model.sample import Sample
from deployer.model.state import Order
from deployer.model.verdict import Reading
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, SIZES, ThreeTicks, World

When = Callable[[Event], bool]


def at_work(world: World, when: When, act: Callable[[], None]) -> Outcome:
    """A push, in which somebody does `act` once, at the first event that is `when`."""
    done: list[bool] = []

    def emit(event: Event) -> None:
        world.events.append(event)
        if not done and when(event):
            done.append(True)
            act()

    try:
        ports = replace(world.ports, emit=emit)
        return push(world.request, world.release(), ports, world.ledger, world.policy)
    finally:
        assert done


def close(world: World, because: str, result: str = "released") -> None:
    """By another person, in the ledger."""
    intent = next(entry for entry in reversed(world.ledger.chain) if entry.record == "INTENT")
    entry = replace(closing(intent, "root@x", because, world.clock.now()), result=result)
    world.ledger.chain.append(replace(entry, number=len(world.ledger.chain) + 1))


def first_tick(event: Event) -> bool:
    return isinstance(event, Watched)


@pytest.mark.parametrize("hosts", SIZES)
@pytest.mark.parametrize("blind", [False, True], ids=["the heartbeat saw it", "it saw nothing"])
@pytest.mark.parametrize(
    ("because", "result"),
    [("lock released by hand", "released"), ("taken back by rollback 13-5fb1", "reverted")],
    ids=["released", "rolled back"],
)
def test_a_push_that_somebody_closed_goes_no_further(
    hosts: int, blind: bool, because: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is activated, everything touched is back, nobody is blamed, and who did it is told."""
    world = World.of(hosts)
    if blind:
        monkeypatch.setattr(world.ledger, "moved", lambda: False)
    outcome = at_work(world, first_tick, lambda: close(world, because, result))
    assert (outcome.result, outcome.exit_code) == ("reverted", 3)
    deploy = world.ledger.chain[0].deploy
    assert outcome.error == f"deploy {deploy} was closed by root@x: {because}"
    assert "gives more evidence" not in outcome.hint
    assert {host for verb, host in world.hosts.calls if verb == "activate"} == {"web1"}
    ticks = sum(isinstance(event, Watched) for event in world.events)
    assert ticks == (3 if blind else 1), "while it is watched where that was seen, else before the next wave"
    assert not any(isinstance(e, WaveStarted) and e.number > 1 for e in world.events)
    assert set(world.running().values()) == {ADOPTED}
    assert NEW not in quarantined(tuple(world.ledger.chain), "nginx")


@pytest.mark.parametrize("hosts", SIZES)
def test_before_the_first_wave_nothing_is_activated(hosts: int) -> None:
    """It is refused, exit 1: no host was changed."""
    world = World.of(hosts)
    with pytest.raises(LockClosed, match="closed by root@x: lock released by hand") as caught:
        at_work(
            world,
            lambda event: isinstance(event, Phase) and event.name == "baseline",
            lambda: close(world, "lock released by hand"),
        )
    assert caught.value.exit_code == 1
    assert not [verb for verb, _ in world.hosts.calls if verb == "activate"]


@pytest.mark.parametrize("hosts", SIZES)
def test_what_does_not_close_it_stops_nobody(hosts: int) -> None:
    """Another playbook's record moves the ledger, too."""
    world = World.of(hosts)

    def other() -> None:
        entry = replace(world.ledger.chain[0], playbook="varnish", deploy="2-aaaa", number=len(world.ledger.chain) + 1)
        world.ledger.chain.append(entry)
        world.ledger.chain.append(
            same_deploy(Ended, entry, hosts=hosts_of(entry), result="released", number=entry.number + 1)
        )

    assert at_work(world, first_tick, other).result == "deployed"


@pytest.mark.parametrize("hosts", SIZES)
def test_a_ledger_that_cannot_be_reached_meanwhile_stops_nobody(hosts: int) -> None:
    """Only the decision needs it."""
    world = World.of(hosts)

    def gone(verb: str, when: str) -> BaseException | None:
        decided = any(isinstance(event, Phase) and event.name == "decision" for event in world.events)
        return LedgerUnavailable("git is gone") if verb == "read" and not decided else None

    def away() -> None:
        world.ledger.fault = gone
        world.ledger.known = 0  # the heartbeat saw something

    assert at_work(world, first_tick, away).result == "deployed"


def taken_back(world: World, *names: str) -> None:
    """By a colleague's rollback, on these hosts, which then wrote it down; the heartbeat has not looked since."""
    deploy = world.ledger.chain[0].deploy
    for host in world.fleet:
        if host.name in names:
            world.hosts.revert(host, Order(deploy, 1, "rollback", NEW, 30))
    close(world, "taken back by rollback 13-5fb1", "reverted")
    world.ledger.moved = lambda: False  # type: ignore[method-assign]


@pytest.mark.parametrize("hosts", SIZES)
def test_a_refused_renewal_is_told_by_its_cause(hosts: int) -> None:
    """web1 says that it went back; why, only the ledger knows."""
    world = World.of(hosts)
    world.policy = replace(world.policy, gate=Patient)
    outcome = at_work(world, first_tick, lambda: taken_back(world, "web1"))
    assert any("refused its lease renewal" in str(event) for event in world.events)
    assert (outcome.result, outcome.exit_code, outcome.verdict) == ("reverted", 3, None)
    assert outcome.error.endswith("was closed by root@x: taken back by rollback 13-5fb1")
    assert NEW not in quarantined(tuple(world.ledger.chain), "nginx")


@pytest.mark.parametrize("hosts", SIZES)
def test_an_activation_that_a_rollback_took_back_is_not_the_releases_fault(hosts: int) -> None:
    """It went back before it was proven, as a bad one does."""
    world = World.of(hosts)

    def fault(verb: str, host: str, when: str) -> BaseException | None:
        if (verb, when) != ("activate", "after") or host != "web1":
            return None
        taken_back(world, "web1")
        return Refused("deploy went back before it was proven", "unproven")

    world.hosts.fault = fault
    outcome = push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert (outcome.result, outcome.exit_code) == ("reverted", 3)
    assert outcome.error.endswith("was closed by root@x: taken back by rollback 13-5fb1")
    assert NEW not in quarantined(tuple(world.ledger.chain), "nginx")


@pytest.mark.parametrize("hosts", SIZES)
def test_without_a_ledger_the_host_is_quoted(hosts: int) -> None:
    """Nobody is waited for."""
    world = World.of(hosts)
    world.policy = replace(world.policy, gate=Patient)

    def away() -> None:
        taken_back(world, "web1")
        world.ledger.fault = lambda verb, when: LedgerUnavailable("git is gone") if verb == "read" else None

    outcome = at_work(world, first_tick, away)
    assert (outcome.result, outcome.exit_code) == ("reverted", 3)
    assert "web1 refused its lease renewal" in outcome.error


class Patient(ThreeTicks):
    """Does not decide."""

    def observe(self, sample: Sample) -> Reading:
        return Reading("continue", seconds=sample.t)
