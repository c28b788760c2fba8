"""Break every call on every host, before and after its effect, and compare the fleet with the exit code.

On one host, on a few, and on more than can be asked at a time. The oracle looks at the machines themselves. Whatever broke: exit 0 means all on the new release; 1, 3 and 130 mean
all on the old one; and a host on the new release after exit 4 is named by the outcome as not reverted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from deployer.engine.deploy.push import push
from deployer.model.errors import DeployError, LedgerUnavailable, Refused, Unreachable
from deployer.model.outcome import Outcome
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, SIZES, World

CELLS = 24  # calls broken on a fleet whose calls are too many to break each


@dataclass
class Breaker:
    """Raises at the `at`-th host call (counted over the whole run), `when` before or after its effect. lasting: that
    host never answers again."""

    at: int
    when: str
    error: Callable[[], BaseException]
    lasting: bool = False
    seen: int = 0
    gone: str = ""
    fired: str = ""

    def __call__(self, verb: str, host: str, when: str) -> BaseException | None:
        if when == "before":
            self.seen += 1
            if host == self.gone:
                return self.error()
        if self.seen - 1 == self.at and when == self.when and not self.fired:
            self.fired = verb
            if self.lasting:
                self.gone = host
            return self.error()
        return None


def run(world: World) -> tuple[int, Outcome | None]:
    """Push as the command does; the exit code and, if the walk began, the outcome."""
    try:
        outcome = push(world.request, world.release(), world.ports, world.ledger, world.policy)
    except DeployError as error:
        return error.exit_code, None
    return outcome.exit_code, outcome


def judge(world: World, code: int, outcome: Outcome | None, what: str) -> None:
    """The independent oracle."""
    world.hosts.fault = lambda verb, host, when: None
    world.settle()
    ends = world.running()
    assert "MIXED" not in ends.values(), f"{what}: exit {code}, hosts {ends}"
    on_new = {name for name, release in ends.items() if release == NEW}
    if code == 0:
        assert on_new == set(world.names), f"{what}: exit 0 but {ends}"
    elif code in (1, 3, 130):
        assert not on_new, f"{what}: exit {code} but {on_new} on the new release"
    else:
        assert code == 4, f"{what}: exit {code}"
        assert outcome is not None
        named = {n for n, end in outcome.hosts.items() if end.state not in ("reverted", "untouched")}
        assert on_new <= named, f"{what}: {on_new - named} left on the new release unnamed"
        assert outcome.error
        assert all(name in outcome.error for name in named if not outcome.hosts[name].verified), outcome.error


def again(world: World, code: int, outcome: Outcome | None, what: str) -> None:
    """The same command once more: where everything is done it does nothing, and what was bad is not tried again."""
    ends, asked = world.running(), len(world.hosts.calls)
    regressed = outcome is not None and outcome.verdict is not None and outcome.verdict.ruling == "regressed"
    if code == 0:
        assert run(world)[0] == 0, what
    elif regressed and world.ledger.chain[-1].record == "OUTCOME":
        assert run(world) == (1, None), what
    else:
        return
    assert world.running() == ends, what
    assert {verb for verb, _ in world.hosts.calls[asked:]} <= {"survey"}, what


def calls_of(bad: str, hosts: int) -> range:
    """The host calls of a run when nothing breaks; of a large fleet, some of them."""
    world = World.of(hosts)
    world.probes.bad = bad
    run(world)
    total = len(world.hosts.calls)
    assert total > 5
    return range(total) if hosts < 10 else range(0, total, total // CELLS)


ERRORS = {
    "silence": lambda: Unreachable("no answer within 5 s"),
    "refusal": lambda: Refused("no space left on device", "disk"),
    "bug": lambda: ValueError("boom"),
}


@pytest.mark.parametrize("bad", ["", NEW], ids=["healthy", "regressing"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("kind", list(ERRORS))
@pytest.mark.parametrize("hosts", SIZES)
def test_every_call_broken(hosts: int, bad: str, when: str, lasting: bool, kind: str) -> None:
    """No single broken call leaves a host on the new release unannounced."""
    calls = calls_of(bad, hosts)
    fired = 0
    for at in calls:
        world = World.of(hosts)
        world.probes.bad = bad
        breaker = Breaker(at, when, ERRORS[kind], lasting and kind == "silence")
        world.hosts.fault = breaker
        code, outcome = run(world)
        fired += bool(breaker.fired)
        judge(world, code, outcome, f"{kind} {when} call {at} ({breaker.fired})")
        again(world, code, outcome, f"{kind} {when} call {at} ({breaker.fired}), again")
    assert fired == len(calls)


@pytest.mark.parametrize("error", [LedgerUnavailable("git is gone"), DeployError("the ledger was rewritten")], ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("record", ["read", "INTENT", "DECISION", "OUTCOME"])
@pytest.mark.parametrize("hosts", SIZES)
def test_every_ledger_call_broken(hosts: int, record: str, when: str, error: DeployError) -> None:
    """Git gone, or rewritten, at any record: nothing is confirmed without a decision, and the outcome is put aside."""
    world = World.of(hosts)
    world.ledger.fault = lambda verb, w: error if (verb, w) == (record, when) else None
    code, outcome = run(world)
    world.ledger.fault = lambda verb, w: None
    judge(world, code, outcome, f"ledger {record} {when}")
    assert (code == 0) == (record == "OUTCOME" or (record, when) == ("read", "after"))
    if record == "OUTCOME":
        assert [entry.record for entry in world.ledger.aside] == ["OUTCOME"]


class Killed(BaseException):
    """SIGKILL: no handler of ours runs."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("hosts", SIZES)
def test_deployer_killed_at_every_call(hosts: int, when: str) -> None:
    """Whoever dies before the decision leaves the whole fleet on the old release by confirm_timeout."""
    for at in calls_of("", hosts):
        world = World.of(hosts)

        def dies(world: World = world) -> BaseException:
            return world.clock.kill(Killed())

        breaker = Breaker(at, when, dies)
        world.hosts.fault = breaker
        with pytest.raises(Killed):
            run(world)
        world.hosts.fault = lambda verb, host, when: None
        decided = any(entry.record == "DECISION" for entry in world.ledger.chain)
        world.clock.sleep(world.request.playbook.confirm_timeout + 1)
        ends = world.running()
        assert "MIXED" not in ends.values()
        if not decided:
            assert set(ends.values()) == {ADOPTED}, f"killed {when} call {at} ({breaker.fired}): {ends}"
