"""What one host alone says of the fleet: counted as far as the ledger knows it, and asked there only when it matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from deployer.adapters.local.runs import KINDS
from deployer.engine.deploy.by_hand import abort, confirm
from deployer.engine.deploy.closing import closings
from deployer.engine.deploy.lock import SILENT, free_lock
from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.engine.deploy.target import Aim
from deployer.engine.deploy.witness import Recall, Witness, unreadable
from deployer.model.desired import desired
from deployer.model.errors import DeployError, LockedError
from deployer.model.events import Notice
from deployer.model.ledger import Ended, Entry
from deployer.model.outcome import Outcome
from deployer.model.quorum import shared
from deployer.model.state import HostState, Order, number_of
from tests.fakes.final import final
from tests.fakes.hostile import OLD, A, B, C, Liar, flying
from tests.fakes.world import SIZES, World
from tests.unit.test_one_liar import at_rest, in_flight
from tests.unit.test_target import host

AB = "1 adopt f, 2 push a, 5 push b"
D = "dddddddddd-44444444"


def aim(*states: HostState, recall: Recall = unreadable) -> Aim:
    world = World.of(len(states))
    return Witness(world.request, world.ports, dict(zip(world.names, states, strict=True)), recall).aim()


def knows(*entries: tuple[str, str, str]) -> Recall:
    """A ledger with these: record, deploy, release."""
    return lambda: tuple(
        KINDS[record](deploy, "production", "nginx", "push", release, "bob", 1.0) for record, deploy, release in entries
    )


CANARY = host(AB, record="8 push c pending")
REST = [host(AB)] * 3


def test_a_canary_that_the_ledger_knows() -> None:
    """The others keep what they had before it, and its release is called bad."""
    found = aim(CANARY, *REST, recall=knows(("INTENT", "8-beef", C)))
    assert (found.release, found.kind, found.leaves) == (B, "undo", C)


def test_a_canary_that_the_ledger_does_not_know() -> None:
    """It is that host's own: the others go where they would go without it."""
    assert (aim(CANARY, *REST, recall=knows()).release, aim(*REST).release) == (A, A)
    refused = knows(("INTENT", "8-beef", C), ("OUTCOME", "8-beef", C))
    chain = tuple(replace(entry, result="refused") if isinstance(entry, Ended) else entry for entry in refused())
    assert aim(CANARY, *REST, recall=lambda: chain).release == A, "nothing of a refused deploy reached a host"


def test_a_canary_and_no_ledger() -> None:
    """No telling: the others stay, nothing is called bad, and it is said."""
    found = aim(CANARY, *REST)
    assert (found.release, found.kind, found.leaves) == (B, "finish", "")


def test_a_rollback_that_one_host_alone_knows_is_not_followed() -> None:
    """With the ledger and without: theirs is the way that their own history leads."""
    for alone in (host(AB, record="8 rollback c pending"), host(AB + ", 8 away b, 8 rollback c")):
        for recall in (unreadable, knows()):
            assert aim(alone, *REST, recall=recall).release == A
    written = Ended("8-beef", "production", "nginx", "rollback", C, "bob", 1.0, previous=B)
    alone = host(AB + ", 8 away b, 8 rollback c")
    assert aim(alone, *REST, recall=lambda: (written,)).release == C, "one that was recorded is finished"


def test_a_line_slipped_into_the_past() -> None:
    """A release that never was on the others is no place to go to."""
    liar = host("1 adopt f, 2 push a, 3 push c, 5 push b")
    assert aim(liar, *REST).release == aim(liar, *REST, recall=knows()).release == A


def test_what_hosts_did_one_after_the_other_is_theirs() -> None:
    """Three pushes with --limit, each to one host: the ledger is not asked, no number is missed."""
    states = [host(f"1 adopt f, 2 push a, {number} push b") for number in (5, 6, 7)]

    def never() -> tuple[Entry, ...]:
        raise AssertionError("asked")

    assert aim(*states, recall=never).release == A
    assert aim(*REST, recall=never).release == A


def test_a_number_counts_as_far_as_a_second_host_goes_along() -> None:
    """A line that all have, with a number of its own, is no newer than theirs."""
    liar = host(AB + ", 99 push a")
    assert aim(liar, *REST, recall=knows()).release == A


@pytest.mark.parametrize("size", SIZES[1:])
def test_without_git_a_lone_push_holds_the_others_and_a_person_moves_them(size: int) -> None:
    """Exit 4 by its name; nobody else hears of it; --to goes on, and so does leaving it out."""
    for lie in (OLD["in flight at the top"], lambda s: flying(s, "99-beef", "push", C)):
        world = at_rest(size)
        world.ports = replace(world.ports, hosts=Liar(world.hosts, "web4", lie))
        others = [name for name in world.names if name != "web4"]
        fences = {world.machines[name].fence for name in others}
        outcome = final(world, lambda world=world: back(world), "web4")  # type: ignore[misc]
        assert (outcome.exit_code, {world.running()[n] for n in others}) == (4, {B})
        assert any(isinstance(e, Notice) and "web4: push" in e.text for e in world.events)
        assert {world.machines[name].fence for name in others} == fences
        final(world, lambda world=world: back(world, to=A), "web4")  # type: ignore[misc]
        assert {world.running()[n] for n in others} == {A}


def back(world: World, to: str | None = None) -> Outcome:
    return rollback(world.request, world.ports, to, Consent(lambda plan: True), lambda wanted: {})[0]


@pytest.mark.parametrize("size", SIZES[1:])
def test_the_canary_told_by_the_ledger_alone_is_told_to_the_others(size: int) -> None:
    """So that they know it when it is gone; a push that was invented is told to nobody."""
    world = at_rest(size)
    number = len(world.ledger.chain) + 1
    canary = world.fleet[0]
    world.hosts.stage(canary, world.release(C, b"c").packages["web1"])
    world.hosts.activate(canary, Order(f"{number}-beef", number, "push", C))
    final(world, lambda: abort(world.request, world.ports, lambda: ()))
    assert world.machines["web2"].deploy != f"{number}-beef"
    world.hosts.activate(canary, Order(f"{number + 1}-beef", number + 1, "push", C))
    world.intend(f"{number + 1}-beef", C)
    final(world, lambda: abort(world.request, world.ports, world.ledger.read))
    assert world.machines["web2"].deploy == f"{number + 1}-beef"


# --- records


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_deploy_that_ended_is_not_closed_again(size: int) -> None:
    """web4 says that the last push is pending; an abort by it would undo the decision for all."""
    world = at_rest(size)
    last = world.ledger.chain[-1]
    before = desired(world.ledger.read(), "nginx")
    world.ports = replace(world.ports, hosts=Liar(world.hosts, "web4", lambda s: flying(s, last.deploy, "push", A)))
    for verb in (abort, confirm):
        _, entries = final(world, lambda verb=verb: verb(world.request, world.ports, world.ledger.read))  # type: ignore[misc]
        assert entries == ()
    assert desired(world.ledger.read(), "nginx") == before == dict.fromkeys(world.names, B)


@pytest.mark.parametrize("size", SIZES[1:])
def test_an_abort_after_the_decision_unsays_those_that_went_back(size: int) -> None:
    """The push is decided and stranded at one host, which is aborted: the others keep what was said."""
    world = at_rest(size)
    world.ports = replace(world.ports, hosts=Liar(world.hosts, "web4", pends_after(world)))
    assert push(world.request, world.release(C, b"c"), world.ports, world.ledger, world.policy).result == "stranded"
    _, entries = final(world, lambda: abort(world.request, world.ports, world.ledger.read))
    for entry in entries:
        world.ledger.append(entry, len(world.ledger.chain))
    wish = desired(world.ledger.read(), "nginx")
    assert {wish[name] for name in ("web1", "web2", "web3")} == {C}


def pends_after(world: World) -> Callable[[HostState], HostState]:
    """Never through with the deploy that it has."""
    return lambda s: flying(s, s.deploy, "push", C) if s.current == C else s


def test_what_closes_a_deploy_is_written_as_it_began() -> None:
    """The INTENT's release and command, whatever the first host in the list says."""
    world = in_flight(4)
    states = {name: world.hosts.survey(h) for name, h in zip(world.names, world.fleet, strict=True)}
    deploy = states["web1"].deploy
    states["web1"] = replace(states["web1"], target=A, command="rollback")
    states["web4"] = flying(states["web4"], "99999999999-beef", "push", A)
    held = {name: state for name, state in states.items() if state.in_flight}
    witness = Witness(world.request, world.ports, states, world.ledger.read)
    (entry,) = closings(witness, held, "aborted")
    assert (entry.deploy, entry.release, entry.command) == (deploy, C, "push")
    (entry,) = closings(Witness(world.request, world.ports, states), held, "aborted")
    assert entry.deploy == deploy, "two hosts say so; the ledger cannot be asked"


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_confirm_is_not_stopped_by_what_one_host_invents(size: int) -> None:
    """Its own deploy is left alone and named."""
    world = in_flight(size)
    for hosted in world.fleet[2:3]:
        dead = world.machines["web1"].deploy
        world.hosts.activate(hosted, Order(dead, number_of(dead), "push", C, 3000))
    world.ports = replace(world.ports, hosts=Liar(world.hosts, "web4", lambda s: flying(s, "80-beef", "push", C)))
    outcome, (entry,) = final(world, lambda: confirm(world.request, world.ports, world.ledger.read))
    assert {world.running()[n] for n in ("web1", "web2", "web3")} == {C}
    assert ("web4" in outcome.error, outcome.exit_code, entry.release) == (True, 4, C)


@pytest.mark.parametrize("size", SIZES[1:])
def test_two_deploys_that_are_known_are_not_confirmed_together(size: int) -> None:
    """Both are in the ledger."""
    world = in_flight(size)
    number = len(world.ledger.chain) + 1
    world.intend(f"{number}-beef", C, "web4")
    world.hosts.activate(world.fleet[3], Order(f"{number}-beef", number, "push", C, 3000))
    with pytest.raises(DeployError, match="different deploys are pending"):
        final(world, lambda: confirm(world.request, world.ports, world.ledger.read))


# --- the lock


@pytest.mark.parametrize("claim", ["the deploy", "another target", "not asked"])
def test_one_host_keeps_no_lock(claim: str) -> None:
    """It claims for ever to hold the dead owner's change: believed for a lease, and only what it may hold."""
    world = World.of(4)
    holder = world.intend("1-beef", C, *(["web1"] if claim == "not asked" else world.names))
    world.ledger.signs[holder.alive] = world.clock.now()
    target = A if claim == "another target" else C
    world.ports = replace(world.ports, hosts=Liar(world.hosts, "web4", lambda s: flying(s, "1-beef", "push", target)))
    lease = world.request.playbook.confirm_timeout
    world.clock.sleep(lease + SILENT + 1)
    if claim == "the deploy":
        with pytest.raises(LockedError, match="web4 still held by it, for at most 30 s"):
            free_lock(world.request, world.ports, world.ledger)
        world.clock.sleep(lease)
    last = free_lock(world.request, world.ports, world.ledger)[-1]
    assert isinstance(last, Ended)
    assert last.result == "released"


def test_two_hosts_keep_it() -> None:
    """Somebody renews their leases."""
    world = World.of(4)
    world.intend("1-beef", C)
    world.clock.sleep(600)
    held = {"web1", "web2"}

    class Held(Liar):
        def _told(self, host: object, state: HostState) -> HostState:
            return flying(state, "1-beef", "push", C) if host.name in held else state  # type: ignore[attr-defined]

    world.ports = replace(world.ports, hosts=Held(world.hosts, "", lambda s: s))
    with pytest.raises(LockedError, match="web1, web2 still held"):
        free_lock(world.request, world.ports, world.ledger)


def test_what_all_but_one_have() -> None:
    """One of three or more does not count; two differ."""
    assert (shared([B, B, B]), shared([B, B, C]), shared([B, C]), shared([B]), shared([])) == (B, B, "", B, "")
    assert shared([B, B, C, D]) == ""
