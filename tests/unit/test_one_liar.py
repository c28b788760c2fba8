"""One host lies, every command runs: the others, and the ledger, are what they are without it.

Without it: honest, unreachable, or not in the inventory at all. A push may be undone by it, too, as by any host that
fails in the middle of one. Which of these a lie comes closest to is the liar's choice; there is no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
from _pytest.mark.structures import ParameterSet

from deployer.adapters.measuring.ready import Ready
from deployer.adapters.measuring.tally import CheckResult
from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.by_hand import abort, confirm
from deployer.engine.deploy.plan import plan_push
from deployer.engine.deploy.push import push
from deployer.engine.deploy.repair import lagging, repair
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.engine.deploy.unadopt import unadopt
from deployer.engine.doctor import doctor
from deployer.engine.ports import Hosts
from deployer.engine.survey import survey
from deployer.engine.warm import warm
from deployer.model.desired import desired
from deployer.model.errors import DeployError, HostError, Refused, Unreachable
from deployer.model.examination import Examination
from deployer.model.fleet import Host
from deployer.model.ledger import Ended, Entry, quarantined
from deployer.model.release import Package
from deployer.model.schema.health import HealthCheck
from deployer.model.state import Order
from deployer.model.warming import Batch
from tests.fakes.hostile import CONSISTENT, EXTREMES, OLD, A, B, C, Liar, Lie
from tests.fakes.hosts import FakeHosts, copy_of
from tests.fakes.world import World

LIAR = "web4"
NEXT = "dddddddddd-44444444"
LEASES = 200.0  # seconds: two leases of the test's playbook, the look for a sign of life, and the tries between
VERBS = 20 * 60.0  # seconds beyond it: so many answers, each as late as it may be


# --- the fleets it happens to


def at_rest(size: int) -> World:
    """Every host on B, the second of two pushes."""
    world = World.of(size)
    world.forks = size
    for release in (A, B):
        package = world.release(release, release.encode())
        assert push(world.request, package, world.ports, world.ledger, world.policy).result == "deployed"
    return world


def in_flight(size: int) -> World:
    """C is pending on two hosts; its deployer died, and its signs of life with it."""
    world = at_rest(size)
    package = world.release(C, C.encode())
    number = len(world.ledger.chain) + 1
    world.intend(f"{number}-dead", C)
    for host in world.fleet:
        world.hosts.stage(host, package.packages[host.name])
    for host in world.fleet[:2]:
        world.hosts.activate(host, Order(f"{number}-dead", number, "push", C, 3000))
    return world


def lagging_one(size: int) -> World:
    """web3 missed B."""
    world = World.of(size)
    for release, limit in ((A, world.names), (B, [name for name in world.names if name != "web3"])):
        if release == B:
            world.hosts.fault = lambda verb, host, when: Unreachable("no route") if host == "web3" else None
        request = replace(world.request, limit=frozenset(limit))
        package = world.release(release, release.encode())
        assert push(request, package, world.ports, world.ledger, world.policy).result == "deployed"
    world.hosts.fault = lambda verb, host, when: None
    return world


def fresh(size: int) -> World:
    """Nothing is adopted."""
    world = World.of(size)
    for machine in world.machines.values():
        machine.adopted, machine.dest, machine.good, machine.fence, machine.history = False, "foreign", "", 0, []
    return world


SCENES: Mapping[str, Callable[[int], World]] = {
    "at rest": at_rest, "in flight": in_flight, "one lags": lagging_one, "fresh": fresh,
}  # fmt: skip


@cache
def built(scene: str, size: int) -> World:
    return SCENES[scene](size)


def copied(scene: str, size: int, absent: bool = False) -> World:
    """The same fleet, afresh; without the last host where that is absent."""
    pattern = built(scene, size)
    world = World(tuple(name for name in pattern.names if not (absent and name == LIAR)))
    world.clock.time = pattern.clock.time
    machines = copy_of(pattern.machines)
    world.machines.update({name: machines[name] for name in world.names})
    world.ledger.chain = list(pattern.ledger.chain)
    return world


# --- the commands


@dataclass
class Ran:
    """What the operator was told of the others; the refusal, "" for none."""

    told: object = None
    refusal: str = ""


def deploy(world: World) -> object:
    return push(world.request, world.release(NEXT, b"next"), world.ports, world.ledger, world.policy).hosts


def planned(world: World) -> object:
    return plan_push(world.request, world.release(NEXT, b"next"), world.ports).hosts


def wanted(world: World) -> Callable[[Mapping[str, str]], Mapping[str, Package]]:
    return lambda hosts: {n: world.release(r, r.encode()).packages[n] for n, r in hosts.items() if r in (A, B, C)}


def written(world: World, entries: tuple[Entry, ...]) -> None:
    for entry in entries:
        world.ledger.append(entry, len(world.ledger.chain))


def back(world: World) -> object:
    consent = Consent(lambda plan: True)
    outcome, entries = rollback(world.request, world.ports, None, consent, wanted(world), world.ledger.read)
    written(world, entries)
    return outcome.hosts


def settled(verb: Callable[..., tuple[object, tuple[Entry, ...]]]) -> Callable[[World], object]:
    def command(world: World) -> object:
        outcome, entries = verb(world.request, world.ports, world.ledger.read)
        written(world, entries)
        return outcome.hosts  # type: ignore[attr-defined]

    return command


def mended(world: World) -> object:
    return repair(world.request, world.ports, world.ledger, lambda plan: True, wanted(world)).hosts


def looked(world: World) -> object:
    states = survey(world.ports, world.fleet)
    return lagging(desired(world.ledger.read(), "nginx"), states)


def examined(world: World) -> object:
    """The liar's word is its own line; nothing is compared between hosts."""

    def examine(host: Host) -> Examination:
        if isinstance(world.ports.hosts, Liar) and host.name == LIAR:
            raise HostError("the host's answer cannot be read")
        return Examination(user="deploy", free_kb=10**6, agent=True)

    return doctor(world.ports, world.fleet, examine)


class Asks:
    """Answers of HTTP servers: the liar's all fail."""

    def ask(self, host: Host, urls: object) -> Batch:
        return Batch(asked=25, failed=25) if host.name == LIAR else Batch(asked=25, hits=25, told=25)


CHECK = HealthCheck.model_validate({"probes": [{"name": "home", "url": "/"}], "limit": {"error_rate": "2%"}})


@dataclass
class Asked:
    """Probes: the liar's fails."""

    lies: bool

    def once(self, hosts: Sequence[Host], only: object = None) -> Sequence[CheckResult]:
        said = {LIAR: "no"} if self.lies else {}
        return [CheckResult(host.name, "home", "required", said.get(host.name, "")) for host in hosts]


def checked(world: World) -> object:
    """What it answers to probes is its own line, too; nothing is missing on another host."""
    ready = Ready(CHECK, Asked(isinstance(world.ports.hosts, Liar)), {}, {})
    assert [text for text in ready.missing(world.fleet).refused if not text.startswith(f"{LIAR}: ")] == []
    return {one.host: one for one in ready.results}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that failed is asked again without waiting."""
    monkeypatch.setattr("deployer.adapters.measuring.ready.AGAIN", 0)


def warmed(world: World) -> object:
    return warm(world.ports, Asks(), world.fleet, lambda host: ["/"] * 25, 0.9, lambda: "")


COMMANDS: Mapping[str, Callable[[World], object]] = {
    "plan": planned, "push": deploy, "rollback": back, "abort": settled(abort), "confirm": settled(confirm),
    "repair": mended, "status": looked,
    "adopt": lambda world: adopt(world.request, world.ports, world.ledger).hosts,
    "unadopt": lambda world: unadopt(world.request, world.ports, world.ledger).hosts,
    "doctor": examined, "warm": warmed, "check": checked,
}  # fmt: skip


CHANGING = ("push", "rollback", "abort", "confirm", "repair")


def run(world: World, command: str) -> Ran:
    try:
        return Ran(told=COMMANDS[command](world))
    except DeployError as error:
        return Ran(refusal=error.message)


# --- what is compared


def seen(world: World) -> tuple[object, ...]:
    """The other hosts' disks and processes, and what the ledger says of them."""
    others = {
        name: (m.adopted, m.dest, m.current, m.good, m.loaded, m.phase, m.alarm, lines(m.history))
        for name, m in world.machines.items()
        if name != LIAR
    }
    chain = tuple(world.ledger.chain)
    wishes = {host: release for host, release in desired(chain, "nginx").items() if host != LIAR}
    return others, wishes, frozenset(quarantined(chain, "nginx"))


def lines(history: list[object]) -> tuple[tuple[str, str], ...]:
    return tuple((line.command, line.release) for line in history)  # type: ignore[attr-defined]


@cache
def without_it(scene: str, command: str, size: int) -> tuple[tuple[object, ...], ...]:
    """As it is honest, unreachable, not there, or fails at its activation (twice); and how long that takes."""
    worlds = [copied(scene, size), copied(scene, size, absent=True)]
    gone, unheard, unfit = Unreachable("no answer", sent=False), Unreachable("no answer"), Refused("no", "unproven")
    for verbs, error in ((None, gone), ("activate", unheard), ("activate", unfit)):
        world = copied(scene, size)
        world.hosts.fault = breaking(verbs, error)
        worlds.append(world)
    found = []
    for world in worlds[: 5 if command == "push" else 3]:
        began = world.clock.time
        run(world, command)
        found.append((seen(world), world.clock.time - began))
    return tuple(found)


def breaking(only: str | None, error: HostError) -> Callable[[str, str, str], BaseException | None]:
    """The liar's place in the fleet, honest and broken."""
    return lambda verb, host, when: error if host == LIAR and only in (None, verb) else None


def lying(scene: str, size: int, lie: Lie) -> World:
    world = copied(scene, size)
    # another environment's ledger has an id that it may repeat; that ledger never heard of the host
    world.ledger.others = {("5-0dd", name): "staging" for name in world.names if name != LIAR}
    world.ports = replace(world.ports, hosts=Liar(world.hosts, LIAR, lie))
    return world


def hold(scene: str, command: str, size: int, world: World, most: float) -> None:
    """Run it, and compare."""
    began, records = world.clock.time, len(world.ledger.chain)
    ran = run(world, command)
    known = without_it(scene, command, size)
    assert seen(world) in [view for view, _ in known], (ran, [view for view, _ in known])
    assert world.clock.time - began <= max(took for _, took in known) + most
    assert len(world.ledger.chain) <= records + 4
    told_truly(world, records)
    assert max(entry_number(entry) for entry in world.ledger.chain or [NOTHING]) <= 3000
    assert all(machine.fence <= 3000 for name, machine in world.machines.items() if name != LIAR)
    if ran.refusal and command not in ("unadopt", "adopt"):
        assert LIAR in ran.refusal or run(copied(scene, size), command).refusal, ran.refusal


def told_truly(world: World, records: int) -> None:
    """What `history` and `show` say of the others after it: the new records name no release that a host is not on."""
    outcomes = [entry for entry in world.ledger.chain[records:] if entry.record == "OUTCOME"]
    for host, release in outcomes[-1].hosts.items() if outcomes else ():
        machine = world.machines[host]
        assert host == LIAR or release in (machine.current, ""), (host, outcomes[-1])


def entry_number(entry: Entry) -> int:
    return int(entry.deploy.split("-")[0])


NOTHING = Ended("0-0", "production", "nginx", "push", A, "", 0.0)
ALL = {**CONSISTENT, **OLD, **EXTREMES}


def cells() -> Iterator[ParameterSet]:
    """Every command on every fleet; single fields on one of them, on the others with LIES=all."""
    for scene in SCENES:
        for command in COMMANDS:
            for lie in ALL:
                often = lie not in EXTREMES or (scene == "in flight" and command in CHANGING)
                name = f"{scene}, {command}, {lie}"
                if often or os.environ.get("LIES") == "all":
                    yield pytest.param(scene, command, lie, id=name)


@pytest.mark.parametrize(("scene", "command", "lie"), list(cells()))
def test_one_of_four(scene: str, command: str, lie: str) -> None:
    """Every command on every fleet, every lie."""
    hold(scene, command, 4, lying(scene, 4, ALL[lie]), LEASES)


@pytest.mark.parametrize("command", CHANGING)
@pytest.mark.parametrize("scene", ["at rest", "in flight", "one lags"])
def test_one_of_forty(scene: str, command: str) -> None:
    """The same of the lies that got furthest."""
    for lie in ("a rollback in flight to C", "a newer deploy of its own in flight", "B was called bad"):
        hold(scene, command, 40, lying(scene, 40, ALL[lie]), LEASES)


def refusing(code: str) -> Lie:
    def lie(state: object) -> object:
        raise Refused("no", code)

    return lie  # type: ignore[return-value]


@pytest.mark.parametrize("code", ["busy", "stale", "stopping", "usage", "disk"])
@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("scene", list(SCENES))
def test_it_does_what_it_is_asked_and_says_no(scene: str, command: str, code: str) -> None:
    """Whatever it says no with."""
    hold(scene, command, 4, lying(scene, 4, refusing(code)), LEASES)


@pytest.mark.parametrize("lie", ["the truth", "a rollback in flight to C", "a deploy of its own in flight"])
@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("scene", list(SCENES))
def test_it_is_as_slow_as_it_may_be(scene: str, command: str, lie: str) -> None:
    """Each answer a moment before its deadline (15 s to look, 60 s to change): the leases of the others are renewed."""
    world = lying(scene, 4, ALL.get(lie, lambda state: state))
    world.hosts.takes = lambda verb, host: 0.0 if host != LIAR else 14.0 if verb == "survey" else 59.0
    hold(scene, command, 4, world, LEASES + VERBS)


def test_satisfies_the_port() -> None:
    """A liar is a host."""
    liar: Hosts = Liar(FakeHosts(World().clock, {}), LIAR, lambda state: state)
    assert liar
