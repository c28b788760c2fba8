"""What one host alone says steers that host and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.git.memory import Memory
from deployer.adapters.local.runs import Runs
from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.by_hand import abort, confirm
from deployer.engine.deploy.order import numbered
from deployer.engine.deploy.push import push
from deployer.engine.deploy.repair import repair
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.errors import DeployError
from deployer.model.events import Notice
from deployer.model.ledger import Ended, above_chain, unrecorded
from deployer.model.outcome import Outcome
from deployer.model.quorum import REACH, agreed, number_deploy
from deployer.model.state import TOP_NUMBER, Confirmed, HostState, Order
from tests.fakes.hostile import CONSISTENT, Liar
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, World

NEWER, NEWEST = "bbbbbbbbbb-22222222", "dddddddddd-44444444"
FIRST = Confirmed(1, "adopt", ADOPTED)


def test_the_number_of_a_deploy() -> None:
    """Above the ledger and above what a second host has seen; a far claim is its host's own."""
    assert number_deploy(30, {}).number == 31
    assert number_deploy(30, {"a": 12, "b": 9}).number == 31
    assert number_deploy(0, {"a": 12, "b": 9}).number == 13, "a limited rollback without git: one step above"
    assert number_deploy(0, {"a": 900_000}) == number_deploy(900_000, {"a": 1}), "one host is its own fleet"
    two = number_deploy(0, {"a": 12, "b": TOP_NUMBER})
    assert (two.number, two.apart) == (13, {"b": TOP_NUMBER + 1})
    three = number_deploy(30, {"a": 5000, "b": 5001, "c": 3})
    assert (three.number, three.apart) == (5002, {}), "a ledger that was lost: two hosts know"
    assert number_deploy(30, {"a": 12, "b": 31 + REACH}).apart == {"b": 32 + REACH}


@given(st.integers(0, 10**6), st.lists(st.integers(0, TOP_NUMBER), max_size=9), st.integers(0, TOP_NUMBER))
def test_one_more_host_moves_the_number_by_little(known: int, fences: list[int], lie: int) -> None:
    """Whatever it claims; every host takes the number that it is given, and none has more than twelve digits."""
    honest = {f"web{n}": fence for n, fence in enumerate(fences)}
    found = number_deploy(known, {**honest, "liar": lie})
    alone = number_deploy(known, honest)
    if len(honest) > 1:  # alone it is the fleet, and of two neither is more believable than the other
        assert found.number <= max(alone.number, known + 1, *fences, 1) + REACH + 1
    order = Order("", found.number, "rollback", NEW, apart=found.apart)
    for name, fence in {**honest, "liar": lie}.items():
        assert fence < order.on(name).number < 10**12


def test_a_line_that_one_host_invents_is_not_recorded() -> None:
    """Two hundred of them, and one that would quarantine the good release."""
    line = Confirmed(8, "rollback", NEW)
    honest = (FIRST, Confirmed(4, "push", NEW), Confirmed(7, "push", NEWER), line)
    invented = tuple(Confirmed(n, "rollback", NEW) for n in range(100, 300))
    late = unrecorded((), "production", "nginx", {"liar": (*honest, *invented), "web1": honest, "web2": honest}, 5.0)
    assert [(e.deploy, e.release, e.previous) for e in late] == [("8-0000", NEW, NEWER)]
    twisted = (FIRST, Confirmed(7, "push", NEWEST), line)
    late = unrecorded((), "production", "nginx", {"liar": twisted, "web1": honest, "web2": honest}, 5.0)
    assert [e.previous for e in late] == [NEWER], "what it claims to have left is not quarantined"
    assert unrecorded((), "production", "nginx", {"liar": twisted, "web1": honest[:3]}, 5.0) == []
    assert [e.deploy for e in unrecorded((), "production", "nginx", {"web1": honest}, 5.0)] == ["8-0000"]


def test_each_back_on_what_was_found_there() -> None:
    """Their releases have names of their own; it is one rollback."""
    own = ["0000000000-aaaaaaaa", "0000000000-bbbbbbbb"]
    lines = {
        f"web{n}": (Confirmed(1, "adopt", name), Confirmed(4, "push", NEW), Confirmed(7, "rollback", name))
        for n, name in enumerate(own)
    }
    (late,) = unrecorded((), "production", "nginx", lines, 5.0)
    assert (late.previous, dict(late.hosts)) == (NEW, {"web0": own[0], "web1": own[1]})


def test_late_records_have_a_bound() -> None:
    """Two hosts that lie alike write no more than this at once."""
    lines = (FIRST, *(Confirmed(n, "rollback", NEW) for n in range(10, 900)))
    late = unrecorded((), "production", "nginx", {"a": lines, "b": lines}, 5.0)
    assert [len(late), late[-1].deploy] == [50, "899-0000"]


def test_one_host_explains_its_own_fence_only() -> None:
    """An invented rollback far above hides no shortened ledger."""
    far = (Confirmed(TOP_NUMBER, "rollback", NEW),)
    fences = {"liar": 5, "web1": 7, "web2": 7}
    assert above_chain((), fences, {"liar": far, "web1": (), "web2": ()}) == {"web1": 7, "web2": 7}
    own = {"web1": (Confirmed(7, "rollback", NEW),), "web2": ()}
    assert above_chain((), {"web1": 7, "web2": 7}, own) == {"web2": 7}
    assert agreed({"a": [1, 1, 2], "b": [2]}) == {2}


def test_a_liar_is_named() -> None:
    """Once, with what it claims."""
    world = World()
    states = {name: HostState(adopted=True, fence=9) for name in world.names}
    order = numbered(Order("", 0, "rollback", NEW), 0, {**states, "web2": HostState(fence=TOP_NUMBER)}, world.ports)
    assert (order.number, order.on("web1").number, order.on("web2").number) == (10, 10, TOP_NUMBER + 1)
    assert order.deploy.startswith("10-")
    (event,) = world.events
    assert isinstance(event, Notice)
    assert f"web2 {TOP_NUMBER}" in event.text


def test_an_id_that_is_none_becomes_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    runs, memory = Runs(tmp_path / "checkout"), Memory(tmp_path / "checkout")
    runs.write_run("../../../outside", {"a": 1})
    runs.append_sample("../../../outside", "{}")
    memory.put_aside(Ended("../../../outside", "production", "nginx", "push", NEW, "alice", 1.0))
    assert "no deploy id" in runs.warning
    assert "no deploy id" in memory.warning
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# A canary whose deployer died looks the same: the way back settles it first, and names it while it does not settle.
PENDING = ("a newer deploy of its own in flight",)


def fleet(lie: str) -> World:
    """Four hosts on the second of two pushed releases; web4 lies from now on ("" for not)."""
    world = World(names=("web1", "web2", "web3", "web4"))
    for release in (NEW, NEWER):
        package = world.release(release, release.encode())
        assert push(world.request, package, world.ports, world.ledger, world.policy).result == "deployed"
    if lie:
        world.ports = replace(world.ports, hosts=Liar(world.hosts, "web4", CONSISTENT[lie]))
    return world


def pushed(world: World) -> Outcome:
    return push(world.request, world.release(NEWEST, b"newest"), world.ports, world.ledger, world.policy)


def rolled_back(world: World) -> Outcome:
    return rollback(world.request, world.ports, None, Consent(lambda plan: True), lambda wanted: {})[0]


def repaired(world: World) -> Outcome:
    return repair(world.request, world.ports, world.ledger, lambda plan: True, lambda wanted: {})


def aborted(world: World) -> Outcome:
    return abort(world.request, world.ports)[0]


def confirmed(world: World) -> Outcome:
    return confirm(world.request, world.ports)[0]


def adopted(world: World) -> Outcome:
    return adopt(world.request, world.ports, world.ledger)


@pytest.mark.parametrize("lie", list(CONSISTENT))
@pytest.mark.parametrize(
    "command", [rolled_back, repaired, aborted, confirmed, adopted, pushed], ids=lambda f: f.__name__
)
def test_a_lie_is_its_hosts_problem(command: object, lie: str) -> None:
    """Every command, every lie: the others end where they end without it, within the time of the leases; a push may
    be refused, before anything is changed, by the name of the host; no number is used up; the ledger is not flooded."""
    honest, lied = fleet(""), fleet(lie)
    expected = command(honest)  # type: ignore[operator]
    began, records = lied.clock.monotonic(), len(lied.ledger.chain)
    before = lied.running()
    refusal = ""
    try:
        found = command(lied)  # type: ignore[operator]
    except DeployError as error:
        refusal = error.message
    if refusal:
        assert command is pushed
        assert "web4" in refusal
        assert lied.running() == before
        return
    others = ("web1", "web2", "web3")
    if command is rolled_back and lie in PENDING:
        assert found.exit_code == 4
        assert "web4" in found.error
        assert {lied.running()[name] for name in others} == {NEWER}
        return
    assert {n: lied.running()[n] for n in others} == {n: honest.running()[n] for n in others}
    if expected.hosts:
        assert {n: found.hosts[n].state for n in others if n in found.hosts} == {
            n: expected.hosts[n].state for n in others if n in found.hosts
        }
    assert lied.clock.monotonic() - began <= 7200
    assert len(lied.ledger.chain) <= records + 4
    assert max(m.fence for name, m in lied.machines.items() if name != "web4") <= 10**4
