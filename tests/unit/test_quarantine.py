"""Which releases are refused until --allow-quarantined, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.deploy.by_hand import confirm
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.ledger import Command, Ended, Entry, quarantined, stood
from deployer.model.state import Order
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, World

A, B = "aaaaaaaaaa-11111111", "bbbbbbbbbb-22222222"


def ended(result: str, verdict: str = "", because: str = "", command: Command = "push", release: str = B) -> Ended:
    """An OUTCOME of `release`, which took the place of A."""
    return Ended(
        "12-ab12", "production", "nginx", command, release, "alice@laptop", 60.0,
        previous=A, result=result, because=because, verdict=verdict,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (ended("reverted", "regressed", "errors 4 % vs 0 %"), "reverted by deploy 12-ab12: errors 4 % vs 0 %"),
        (ended("reverted", "failed", "web1: not valid"), "reverted by deploy 12-ab12: web1: not valid"),
        (ended("stranded", "regressed", "errors; not verified back: web1"),
         "reverted by deploy 12-ab12: errors; not verified back: web1"),
        (ended("reverted", "inconclusive", "no data"), None),
        (ended("reverted", "", "lost"), None),
        (ended("interrupted", "regressed", "Ctrl-C"), None),
        (ended("refused", "failed", "no space"), None),
        (ended("reverted", "regressed", "web1 did not answer for 20 s"), None),
        (ended("reverted", "regressed", "web1, web2 did not answer for 20 s; not verified back: web1: silent"), None),
        (ended("reverted", "regressed", "web-1.eu refused its lease renewal: deploy 9 is reverted here"), None),
        (ended("stranded", "healthy", "web1: no answer"), None),
    ],
)  # fmt: skip
def test_a_push(entry: Entry, why: str | None) -> None:
    """Only its own fault, whether every host is back or not; also in the words of older records."""
    assert quarantined((entry,), "nginx").get(B) == why
    assert quarantined((entry,), "varnish") == {}


def test_a_rollback_calls_what_it_left_bad_and_a_deploy_ends_it() -> None:
    """The reason names the deploy."""
    back = ended("deployed", command="rollback", release=B)
    assert quarantined((back,), "nginx") == {A: "left by rollback 12-ab12 of alice@laptop"}
    assert quarantined((ended("stranded", "", "web1: silent", "rollback"),), "nginx") == {
        A: "left by rollback 12-ab12 of alice@laptop: web1: silent"
    }
    assert quarantined((back, ended("deployed", "healthy", release=A)), "nginx") == {}
    undone = ended("stranded", "", "web1: silent", release=A)
    assert A in quarantined((back, undone), "nginx"), "what was to be undone was not deployed"
    assert quarantined((back, ended("stranded", "healthy", "web1: silent", release=A)), "nginx") == {}, "decided"
    assert quarantined((ended("reverted", "", "aborted by bob", "rollback"),), "nginx") == {}
    assert quarantined((ended("interrupted", "", "", "rollback"),), "nginx") == {}


def test_a_rollback_in_flight_that_a_person_confirms() -> None:
    """It is recorded as the rollback that it is, and what it left is quarantined; a second confirm does nothing."""
    world = World()
    for machine in world.machines.values():
        machine.releases[NEW] = {}
        machine.good = machine.current = machine.loaded = NEW
    for host in world.fleet:
        world.hosts.activate(host, Order("9-dead", 9, "rollback", ADOPTED, 60, leaves=NEW))
    outcome, entries = confirm(world.request, world.ports)
    assert (outcome.result, outcome.deploy, outcome.release) == ("deployed", "9-dead", ADOPTED)
    assert [(e.command, e.release, e.previous) for e in entries] == [("rollback", ADOPTED, NEW)]
    assert quarantined(entries, "nginx") == {NEW: "left by rollback 9-dead of alice@laptop: confirmed by alice@laptop"}
    assert confirm(world.request, world.ports) == (outcome_unchanged(world), ())


def outcome_unchanged(world: World) -> object:
    """What confirm says where nothing is in flight."""
    return type(confirm(world.request, world.ports)[0])("unchanged", environment="production", playbook="nginx")


def test_two_deploys_in_flight_are_both_closed() -> None:
    """Each with its own hosts, by a rollback."""
    world = World()
    for number, host in enumerate(world.fleet[:2], 8):
        world.machines[host.name].releases[NEW] = {}
        world.hosts.activate(host, Order(f"{number}-dead", number, "push", NEW, 60))
        world.intend(f"{number}-dead", NEW)
    outcome, entries = rollback(
        world.request, world.ports, None, Consent(lambda plan: True), lambda wanted: {}, world.ledger.read
    )
    assert (outcome.result, set(world.running().values())) == ("deployed", {ADOPTED})
    assert [(e.deploy, e.command, e.result, dict(e.hosts)) for e in entries[:-1]] == [
        ("8-dead", "push", "reverted", {"web1": ADOPTED}),
        ("9-dead", "push", "reverted", {"web2": ADOPTED}),
    ]
    assert (entries[-1].command, entries[-1].previous) == ("rollback", NEW)


def test_when_a_release_stood() -> None:
    """The last time; open-ended while it stands."""
    first, second = ended("deployed", release=A), ended("deployed", release=B)
    chain = (first, replace(second, at=90.0))
    assert (stood(chain, "nginx", A), stood(chain, "nginx", B), stood(chain, "nginx", NEW[:-1])) == (
        (60.0, 90.0),
        (90.0, 90.0),
        None,
    )
