"""Being asked to stop, at every point of a deploy: each host call, each ledger call, each report, each sleep.

Before the decision all hosts go back, after it they are confirmed; a second time leaves them to their watchdogs. No
point leaves a lock of nobody, a host that nobody named, or a deploy that cannot be tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from deployer.engine.deploy.by_hand import abort
from deployer.engine.deploy.lock import LOOK
from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.errors import DeployError, Interrupted, LockedError
from deployer.model.events import Event, Notice
from deployer.model.ledger import Intent
from deployer.model.outcome import Outcome
from deployer.model.state import Order
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, SIZES, World
from tests.unit.test_break_every_call import CELLS, judge, run

NEWER = "bbbbbbbbbb-22222222"


@dataclass
class Strike:
    """Asks to stop, `times` times, at the `at`-th point of what follows."""

    world: World
    at: int
    times: int = 1
    seen: int = 0
    where: str = ""

    def __post_init__(self) -> None:
        world, emit = self.world, self.world.ports.emit

        def shown(event: Event) -> None:
            emit(event)
            self.point(type(event).__name__)

        world.ports = replace(world.ports, emit=shown)
        world.hosts.fault = lambda verb, host, when: self.point(f"{verb} {host} {when}")
        world.ledger.fault = lambda verb, when: self.point(f"ledger {verb} {when}")
        world.sleeper.begun = lambda: self.point("sleep")

    def point(self, where: str) -> None:
        if self.seen == self.at:
            self.where = where
            for _ in range(self.times):
                self.world.stop.ask()
        self.seen += 1


def points(hosts: int, bad: str) -> range:
    """Of a run that nobody stops; of a large fleet, some of them."""
    world = World.of(hosts)
    world.probes.bad = bad
    strike = Strike(world, -1)
    run(world)
    assert strike.seen > 30
    return range(strike.seen) if hosts < 10 else range(0, strike.seen, strike.seen // CELLS)


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("bad", ["", NEW], ids=["healthy", "regressing"])
@pytest.mark.parametrize("hosts", SIZES)
def test_asked_to_stop_at_every_point(hosts: int, bad: str, times: int) -> None:
    ends = set()
    for at in points(hosts, bad):
        world = World.of(hosts)
        world.probes.bad = bad
        strike = Strike(world, at, times)
        code, outcome = run(world)
        what = f"asked {times} times at point {at}, {strike.where}"
        chain = [*world.ledger.chain, *world.ledger.aside]
        judge(world, code, outcome, what)
        opened = {entry.deploy for entry in chain if entry.record == "INTENT"}
        assert opened == {entry.deploy for entry in chain if entry.record == "OUTCOME"}, what
        decided = any(entry.record == "DECISION" for entry in world.ledger.chain)
        if times == 1:
            assert code == (0 if decided else 3 if outcome is not None and outcome.result == "reverted" else 130), what
        else:
            assert code in ((0, 4) if decided else (3, 4, 130)), what
        ends.add(code)
        tried_again(world, bad, what)
    assert {130, 3 if bad else 0} <= ends


def tried_again(world: World, bad: str, what: str) -> None:
    """Nothing is in the way of the next one."""
    world.stop.count, world.hosts.fault, world.ledger.fault = 0, lambda *_: None, lambda *_: None
    world.sleeper.begun = lambda: None
    world.probes.bad = ""
    world.request = replace(world.request, allow_quarantined=bool(bad))
    assert run(world)[0] == 0, what
    assert set(world.running().values()) == {NEW}, what


def back(world: World) -> Outcome:
    return rollback(world.request, world.ports, NEW, Consent(lambda plan: True), lambda lacking: {})[0]


def pushed(hosts: int) -> World:
    world = World.of(hosts)
    for release in (NEW, NEWER):
        package = world.release(release, release.encode())
        assert push(world.request, package, world.ports, world.ledger, world.policy).result == "deployed"
    return world


@pytest.mark.parametrize("hosts", SIZES)
def test_a_rollback_asked_to_stop_at_every_point(hosts: int) -> None:
    """All there or all as they were, and the next one gets there."""
    world = pushed(hosts)
    strike = Strike(world, -1)
    back(world)
    for at in range(strike.seen) if hosts < 10 else range(0, strike.seen, strike.seen // CELLS):
        world = pushed(hosts)
        strike = Strike(world, at)
        try:
            code = back(world).exit_code
        except Interrupted as error:
            code = error.exit_code
        world.settle()
        assert code in (0, 130), f"{code} at {strike.where}"
        assert set(world.running().values()) == ({NEW} if code == 0 else {NEWER}), strike.where
        world.stop.count, world.hosts.fault = 0, lambda *_: None
        assert back(world).exit_code == 0
        assert set(world.running().values()) == {NEW}


def test_a_second_time_leaves_the_hosts_to_their_watchdogs() -> None:
    """It says so at once, naming them and when they are back; the outcome is recorded."""
    world = World()
    world.hosts.takes = lambda verb, host: 50.0 if verb == "revert" else 0.0
    world.hosts.fault = lambda verb, host, when: world.stop.ask() if (verb, when) == ("extend", "before") else None
    book = world.request.playbook.model_copy(update={"bake": 60.0})

    class Long(world.policy.gate):  # type: ignore[name-defined,misc]
        def observe(self, sample):  # type: ignore[no-untyped-def]
            self.ticks -= 1
            if sample.t > 12:
                world.stop.ask()
            return super().observe(sample)

    world.request, world.policy = replace(world.request, playbook=book), replace(world.policy, gate=Long)
    ended = ask_again_while_reverting(world)
    assert ended.exit_code == 4
    said = [event.text for event in world.events if isinstance(event, Notice) and event.level == "alarm"]
    assert any(text.startswith("left to their own watchdogs: web1, back by ") for text in said)
    assert world.ledger.chain[-1].record == "OUTCOME"
    world.settle()
    assert set(world.running().values()) == {ADOPTED}


def ask_again_while_reverting(world: World) -> Outcome:
    """The second one comes ten seconds into a revert that takes fifty."""
    plain = world.hosts.takes

    def takes(verb: str, host: str) -> float:
        if verb == "revert":
            world.clock.spawn(later)
        return plain(verb, host)

    def later() -> None:
        world.clock.sleep(10.0)
        world.stop.ask()

    world.hosts.takes = takes
    return push(world.request, world.release(), world.ports, world.ledger, world.policy)


def test_a_look_that_was_cut_short_has_seen_no_dead_owner() -> None:
    """The lock of one who lives is not taken because somebody else was interrupted while looking."""
    world = World()
    now = world.clock.now()
    owner = Intent("1-beef", "production", "nginx", "push", NEW, "bob@ci", now, 1, expires=now + 3600)
    world.ledger.chain.append(replace(owner, alive="7" * 16))
    world.ledger.signs["7" * 16] = now - 3600.0  # his clock is behind

    def strike() -> None:
        world.clock.sleep(LOOK / 2)
        world.stop.ask()

    world.clock.spawn(strike)
    with pytest.raises(Interrupted):
        push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert [entry.record for entry in world.ledger.chain] == ["INTENT"]


def test_an_answer_at_a_question_is_not_taken_for_no() -> None:
    """Ctrl-C at the prompt: interrupted, not refused."""
    world = World()

    def ask(plan: object) -> bool:
        world.stop.ask()
        return False

    world.policy = replace(world.policy, approve=ask)
    with pytest.raises(Interrupted):
        push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert not world.ledger.chain


def test_an_abort_finishes_its_round() -> None:
    """What it has told is read back and recorded; it does not go on asking who does not answer."""
    world = World()
    for host in world.fleet:
        world.machines[host.name].releases[NEW] = {}
        world.hosts.activate(host, Order("2-beef", 2, "push", NEW, 60))
    world.hosts.fault = lambda verb, host, when: world.stop.ask() if verb == "revert" and not world.stop.count else None
    outcome, entries = abort(world.request, world.ports)
    assert outcome.result == "reverted"
    assert len(entries) == 1
    assert set(world.running().values()) == {ADOPTED}


def test_errors_of_others_stay_what_they_are() -> None:
    """A lock that somebody holds is not an interruption."""
    assert not issubclass(LockedError, Interrupted)
    assert issubclass(Interrupted, DeployError)
    assert Interrupted("x").exit_code == 130
