"""What must be on time is on time: no lease runs out because others are being worked on, forward and back, and whoever
loses contact is not the release's fault. On fakes with time and few workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from deployer.engine.deploy.by_hand import abort
from deployer.engine.deploy.endings import ACTIVATING
from deployer.engine.deploy.lease import DUE, SILENT, Lease, Leases
from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.engine.warm import warm
from deployer.model.errors import Refused, Unreachable
from deployer.model.fleet import Host
from deployer.model.ledger import quarantined
from deployer.model.outcome import Outcome
from deployer.model.plan import HostPlan
from deployer.model.state import Order
from deployer.model.warming import Batch
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, World

NEWER = "bbbbbbbbbb-22222222"


@dataclass(frozen=True)
class Load:
    """A fleet that gives the deployer something to do. Times in seconds."""

    hosts: int
    forks: int
    activation: float
    lease: int
    serial: tuple[str, ...] = ("100%",)

    def world(self) -> World:
        world = World(tuple(f"web{number}" for number in range(1, self.hosts + 1)), forks=self.forks)
        values = {"confirm_timeout": float(self.lease), "serial": self.serial}
        world.request = replace(world.request, playbook=world.request.playbook.model_copy(update=values))
        return world

    def takes(self, verb: str, host: str) -> float:
        return self.activation if verb == "activate" else 0.2


LOADS = {
    "a wave on one fork": Load(10, 1, 5.0, 20),
    "the defaults": Load(130, 16, 5.0, 60),
    "short leases": Load(24, 4, 1.25, 5),
    "an activation longer than a third": Load(12, 2, 6.0, 12),
    "an activation longer than a lease": Load(12, 4, 20.0, 12),
    "200 hosts": Load(200, 2, 2.0, 15, ("1", "100%")),
}
loads = pytest.mark.parametrize("load", LOADS.values(), ids=list(LOADS))


def go(world: World, release: str) -> Outcome:
    package = world.release(release, release.encode())
    return push(world.request, package, world.ports, world.ledger, world.policy)


def back(world: World, target: str | None = None) -> Outcome:
    return rollback(world.request, world.ports, target, Consent(lambda plan: True), lambda lacking: {})[0]


def late(world: World) -> list[str]:
    """Hosts whose watchdog took them back although we lived."""
    return [name for name, machine in world.machines.items() if machine.late]


@loads
def test_no_lease_runs_out_while_others_are_activated(load: Load) -> None:
    """Hosts that were activated early are renewed while the later ones are activated, and confirmed."""
    world = load.world()
    world.hosts.takes = load.takes
    outcome = go(world, NEW)
    assert late(world) == []
    assert outcome.result == "deployed", outcome.error
    assert set(world.running().values()) == {NEW}
    assert sum(verb == "extend" for verb, _ in world.hosts.calls) > load.hosts / 4


@loads
def test_nor_in_a_rollback(load: Load) -> None:
    """One wave of all hosts: nobody goes back to the bad release."""
    world = load.world()
    for release in (NEW, NEWER):
        assert go(world, release).result == "deployed"
    world.hosts.takes = load.takes
    outcome = back(world)
    assert late(world) == []
    assert outcome.result == "deployed", outcome.error
    assert set(world.running().values()) == {NEW}


def test_nor_while_caches_are_warmed() -> None:
    """Every place is taken by warming for most of a lease."""
    world = Load(4, 4, 0.5, 6).world()

    class Slow:
        def ask(self, host: Host, urls: Sequence[str]) -> Batch:
            world.clock.sleep(5.0)
            return Batch(len(urls), 0, 0, 0)

    def warm_all(hosts: Sequence[HostPlan], lost: Callable[[], str]) -> None:
        warm(world.ports, Slow(), [host.host for host in hosts], lambda host: ("/",) * 60, 0.9, lost)

    world.policy = replace(world.policy, warm=warm_all, loses_cache=lambda host: True)
    assert go(world, NEW).result == "deployed"
    assert late(world) == []


def hang(world: World, verbs: tuple[str, ...], hosts: tuple[str, ...], seconds: float) -> None:
    """These take the question and never answer."""

    def fault(verb: str, host: str, when: str) -> BaseException | None:
        if when == "after" or verb not in verbs or host not in hosts:
            return None
        world.clock.sleep(seconds)
        return Unreachable(f"no answer within {seconds:.0f} s")

    world.hosts.fault = fault


def test_a_host_that_hangs_makes_no_other_one_silent() -> None:
    """It alone is named, everything is put back, and the release is not to blame."""
    world = Load(12, 2, 1.0, 15).world()
    world.hosts.takes = lambda verb, host: {"activate": 1.0, "extend": 0.2}.get(verb, 0.0)
    hang(world, ("extend", "revert"), ("web3",), 15.0)
    outcome = go(world, NEW)
    assert "web3 did not answer for 10 s" in outcome.error
    assert [name for name, end in outcome.hosts.items() if name in outcome.error.split("did not answer")[0]] == ["web3"]
    assert late(world) == ["web3"]
    assert set(world.running().values()) == {ADOPTED}
    assert quarantined(tuple(world.ledger.chain), "nginx") == {}
    assert go_on_alone(world).result == "deployed"


def go_on_alone(world: World) -> Outcome:
    """Later, when all answer again."""
    world.hosts.fault = lambda verb, host, when: None
    world.settle()
    return go(world, NEW)


@pytest.mark.parametrize("overlooked", [False, True])
def test_lost_contact_is_not_the_releases_fault(overlooked: bool) -> None:
    """A host that went back alone: reverted, exit 3, no quarantine; and nobody may overlook it."""
    world = World()
    world.policy = replace(world.policy, go_on=lambda verdict: overlooked)
    world.request = replace(
        world.request, playbook=world.request.playbook.model_copy(update={"bake": 60.0, "confirm_timeout": 6.0})
    )
    world.policy = replace(world.policy, gate=long_gate(world))
    world.hosts.fault = lambda verb, host, when: (
        Refused("deploy 1 is reverted", "expired") if (verb, when) == ("extend", "before") else None
    )
    outcome = go(world, NEW)
    assert (outcome.result, outcome.exit_code) == ("reverted", 3)
    assert outcome.verdict is not None
    assert outcome.verdict.ruling == "inconclusive"
    assert "web1 refused its lease renewal" in outcome.error
    assert quarantined(tuple(world.ledger.chain), "nginx") == {}


def long_gate(world: World) -> type:
    """Nothing is decided within a minute."""

    class Long(world.policy.gate):  # type: ignore[name-defined,misc]
        def observe(self, sample):  # type: ignore[no-untyped-def]
            self.ticks -= sample.t < 60
            return super().observe(sample)

    return Long


def test_the_way_back_does_not_wait_for_activations_under_way() -> None:
    """Both places are taken by hosts that hang in their activation: the others are put back all the same, at once."""
    world = Load(6, 2, 0.0, 30, ("4", "100%")).world()
    leases = Leases(world.ports, Order("2-beef", 2, "push", NEW, 30))
    began = world.clock.time
    for _ in range(2):
        world.ports.executor.submit(world.clock.sleep, 60.0)
    leases.hold(world.fleet[0], began - 15.0)
    assert ("extend", "web1") in world.hosts.calls
    assert world.clock.time == began


def test_an_activation_that_is_answered_after_the_undoing_is_not_held() -> None:
    """Whoever hears no revert must go back alone: its lease is not renewed from then on."""
    world = World()
    leases = Leases(world.ports, Order("2-beef", 2, "push", NEW, 30))
    leases.hold(world.fleet[0], world.clock.time)
    leases.end()
    leases.hold(world.fleet[1], world.clock.time - 29.0)
    with world.clock.pulse(1.0, leases.renew):
        world.clock.sleep(60.0)
    assert world.hosts.calls == []
    assert leases.lost() == ""


def test_an_activation_that_was_not_answered_may_be_at_work_for_longer_than_its_lease() -> None:
    """Its host's watchdog lets it end, and takes no revert before: it is asked until then, and seen back."""
    world = World()
    lease = world.request.playbook.confirm_timeout
    lost: list[float] = []

    def fault(verb: str, host: str, when: str) -> BaseException | None:
        if (verb, when) == ("activate", "after"):
            lost.append(world.clock.time)
            return Unreachable("no answer within 60 s")
        if (verb, when) == ("revert", "before") and lost and world.clock.time < lost[0] + lease + ACTIVATING - 5:
            return Refused("another verb is running", "busy")
        return None

    world.hosts.fault = fault
    outcome = go(world, NEW)
    assert outcome.result == "reverted", outcome.error
    assert set(world.running().values()) == {ADOPTED}


def test_a_lease_counts_from_the_question_that_was_answered() -> None:
    """A slow answer does not make it younger; a busy host and silence leave it as it was; a refusal ends it."""
    lease = Lease(Host("web1"), 100.0, 30)
    assert lease.spent(110.0) == pytest.approx(DUE)
    assert lease.spent(120.0) == pytest.approx(SILENT)
    world = World()
    state = world.hosts.survey(world.fleet[0])
    assert lease.answered(state, 111.0).since == 111.0
    assert lease.answered(state, 99.0).since == 100.0
    assert lease.answered(Unreachable("no answer"), 111.0) == lease
    assert lease.answered(Refused("another verb is running", "busy"), 111.0) == lease
    assert lease.answered(Refused("it went back", "expired"), 111.0).refused == "it went back"


def test_a_slow_wave_of_many_hosts_meets_no_cap() -> None:
    """No host's hard cap, and not the end of the lock, comes before a slow wave of many hosts is through."""
    world = Load(150, 1, 5.0, 15).world()
    world.hosts.takes = lambda verb, host: 5.0 if verb == "activate" else 0.0
    assert go(world, NEW).result == "deployed"
    intent = next(entry for entry in world.ledger.chain if entry.record == "INTENT")
    assert intent.expires > world.clock.now()


def test_refused_is_told_from_late() -> None:
    """What these tests rely on: a fake host whose lease nobody renews goes back alone, and says so."""
    world = World()
    world.machines["web1"].releases[NEW] = {}
    order = Order("2-beef", 2, "push", NEW, 30)
    world.hosts.activate(world.fleet[0], order)
    world.clock.sleep(31.0)
    assert late(world) == ["web1"]
    with pytest.raises(Refused):
        world.hosts.extend(world.fleet[0], order)


def test_abort_waits_no_longer_than_a_lease() -> None:
    """However long a host says that its watchdog sleeps."""
    world = World()
    machine = world.machines["web1"]
    machine.phase, machine.deploy, machine.target, machine.deadline = "pending", "7-beef", NEW, world.clock.time + 3500
    world.hosts.fault = lambda verb, host, when: Refused("another verb runs", "busy") if verb == "revert" else None
    began = world.clock.time
    outcome, _ = abort(world.request, world.ports)
    assert outcome.result == "stranded"
    assert world.clock.time - began < 2 * world.request.playbook.confirm_timeout
