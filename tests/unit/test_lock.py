"""A dead owner's lock is free without a person; a live one never loses it. On fakes, and on real git."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.git import heartbeat
from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.engine.deploy import lock
from deployer.engine.deploy.push import push
from deployer.engine.deploy.record import append
from deployer.model.errors import DeployError, LockedError
from deployer.model.events import Notice
from deployer.model.ledger import Decision, Ended, closed_by, same_deploy
from deployer.model.outcome import Outcome
from tests.fakes.world import MINE, NEW, World
from tests.unit.test_git import checkout, git  # noqa: F401

THEIRS = "7" * 16


def owned(alive: str = THEIRS) -> World:
    """bob's deploy holds the lock for another hour."""
    world = World()
    world.ledger.chain[:] = [replace(world.intend("1-beef", NEW), alive=alive)]
    world.ledger.signs[THEIRS] = world.clock.now()
    return world


def go(world: World) -> Outcome:
    return push(world.request, world.release(), world.ports, world.ledger, world.policy)


def bound(world: World) -> float:
    """Seconds after the last sign of life at which the lock must be free."""
    return world.request.playbook.confirm_timeout + lock.SILENT


def test_a_dead_owner_loses_the_lock_without_a_person() -> None:
    """At the latest confirm_timeout + 60 s after its last sign; its own decision is refused from then on."""
    world = owned()
    with pytest.raises(LockedError, match=r"1-beef by bob@ci .*seen alive 0 s ago"):
        go(world)
    world.clock.sleep(bound(world) - 1)
    with pytest.raises(LockedError, match="seen alive"):
        go(world)
    world.clock.sleep(2)
    before = world.clock.time
    assert go(world).result == "deployed"
    assert bound(world) + lock.LOOK < world.request.playbook.confirm_timeout + 60
    closed = next(e for e in world.ledger.chain if e.deploy == "1-beef" and e.record == "OUTCOME")
    assert (closed.result, "no sign of life" in closed.because) == ("released", True)
    assert THEIRS not in world.ledger.signs, "what the dead one left is tidied up"
    assert any(isinstance(e, Notice) and "taking over the lock" in e.text for e in world.events)
    assert world.clock.time - before >= lock.LOOK, "it was looked for"
    woken = same_deploy(Decision, world.ledger.chain[0], result="commit")
    with pytest.raises(DeployError, match="closed by"):
        append(world.ledger, woken, world.ports)


@pytest.mark.parametrize("wrong", [-7200.0, 7200.0], ids=["its clock is behind", "its clock is ahead"])
def test_a_wrong_clock_takes_no_lock_and_keeps_none(wrong: float) -> None:
    """Only whether the signs change while somebody looks counts."""
    world = owned()
    world.ledger.signs[THEIRS] += wrong

    def beat() -> None:
        world.ledger.signs[THEIRS] += 10

    with world.clock.pulse(10.0, beat), pytest.raises(LockedError, match="clock"):
        go(world)
    assert go(world).result == "deployed", "silent now"


def test_a_host_that_still_holds_its_change_keeps_the_lock() -> None:
    """Its leases are renewed by somebody: an owner whose git server is out of reach lives."""
    world = owned()
    world.clock.sleep(bound(world) + 1)
    machine = world.machines["web2"]
    machine.phase, machine.deploy, machine.target, machine.deadline = "pending", "1-beef", NEW, world.clock.time + 99
    with pytest.raises(LockedError, match="web2 still held by it, for at most 30 s"):
        go(world)
    machine.phase, machine.deploy = "idle", ""
    assert go(world).result == "deployed"


def test_an_owner_that_shows_no_signs_keeps_it_to_its_end() -> None:
    """An older deployer, or a server that takes no such branch."""
    world = owned(alive="")
    world.clock.sleep(bound(world) + 100)
    with pytest.raises(LockedError, match="ends by itself in"):
        go(world)


@pytest.mark.parametrize("shows", [True, False])
def test_a_deploy_says_under_which_name_it_lives(shows: bool) -> None:
    """In its INTENT; the signs end with it."""
    world = World()
    world.ledger.shows = shows
    assert go(world).result == "deployed"
    assert world.ledger.chain[0].alive == (MINE if shows else "")
    assert not world.ledger.signs


@pytest.fixture
def clones(checkout: Path, tmp_path: Path) -> tuple[Path, Path, Path]:  # noqa: F811
    """A bare remote and two machines."""
    git(tmp_path, "clone", "-q", "--bare", str(checkout), "remote.git")
    for name in ("alice", "bob"):
        git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), name)
    return tmp_path / "remote.git", tmp_path / "alice", tmp_path / "bob"


def book(folder: Path) -> GitLedger:
    return GitLedger(folder, "production", Memory(folder))


def test_signs_of_life_over_a_real_remote(clones: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine sees them change; at the end they are gone, and nothing else was touched."""
    remote, alice, bob = clones
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.05)
    before = git(remote, "for-each-ref")
    with book(alice).heartbeat() as shown:
        name = shown()
        first = book(bob).sign_of(name)
        assert first.mark
        assert first.at > 1e9
        seen = {first.mark}
        while len(seen) < 3:
            seen.add(book(bob).sign_of(name).mark)
    assert not book(bob).sign_of(name).mark
    assert git(remote, "for-each-ref") == before
    book(bob).forget(name)
    assert "alive" not in git(bob, "for-each-ref")


@pytest.mark.parametrize("shared", [True, False], ids=["remote", "local"])
def test_the_heartbeat_sees_the_ledger_move(
    clones: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """A record of another machine, or process; not one of our own, and each look counts once."""
    _, alice, bob = clones
    if not shared:
        git(alice, "remote", "remove", "origin")
    monkeypatch.setattr(heartbeat, "HEARTBEAT", 0.05)
    mine, theirs = book(alice), book(bob if shared else alice)
    intent = replace(owned().ledger.chain[0], number=0)
    looks: list[bool] = []
    look = heartbeat.Heartbeat._look

    def counted(self: heartbeat.Heartbeat) -> None:
        look(self)
        looks.append(True)

    def looked_twice() -> None:
        """The second of them began after this was called."""
        until = len(looks) + 2
        while len(looks) < until:
            threading.Event().wait(0.01)

    monkeypatch.setattr(heartbeat.Heartbeat, "_look", counted)
    with mine.heartbeat() as shown:
        assert shown()
        mine.append(intent, len(mine.read()))
        looked_twice()
        assert not mine.moved()
        theirs.append(lock.closing(intent, "carol", "taken", 2.0), len(theirs.read()))
        looked_twice()
        assert mine.moved()
        assert closed_by(mine.read(), intent.deploy) == "deploy 1-beef was closed by carol: taken"
        looked_twice()
        assert not mine.moved()


def test_signs_of_life_without_a_remote(checkout: Path) -> None:  # noqa: F811
    """The local repository serves."""
    with book(checkout).heartbeat() as shown:
        assert book(checkout).sign_of(shown()).mark
    assert "alive" not in git(checkout, "for-each-ref")


def test_a_server_that_takes_no_such_branch(clones: tuple[Path, Path, Path]) -> None:
    """The deploy goes on; its lock ends by time."""
    remote, alice, _ = clones
    hook = remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\n! grep -q deployments-alive\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    with book(alice).heartbeat() as shown:
        assert shown() == ""


def test_a_name_is_never_an_option(checkout: Path) -> None:  # noqa: F811
    """It comes out of a ledger that others write."""
    for name in ("--upload-pack=x", "../heads/main", "", "*"):
        assert book(checkout).sign_of(name).mark == ""
        book(checkout).forget(name)


def test_the_lost_outcome_is_still_recorded(checkout: Path) -> None:  # noqa: F811
    """Whose lock was taken while its own outcome could not be written: what happened on the hosts is not lost."""
    ledger = book(checkout)
    world = owned()
    intent = replace(world.ledger.chain[0], number=0)
    ledger.append(intent, len(ledger.read()))
    ledger.append(lock.closing(intent, "carol", "taken", 2.0), len(ledger.read()))
    told = same_deploy(Ended, intent, result="reverted", verdict="regressed", because="origin requests doubled")
    ledger.memory.put_aside(told)
    assert [entry.result for entry in ledger.back_fill()] == ["reverted"]
    assert ledger.back_fill() == []
