"""What the fakes promise to the tests: calls queue, time passes only when everybody waits, and always the same way."""

from __future__ import annotations

import pytest

from deployer.engine.deploy.push import push
from tests.fakes.clock import FakeClock
from tests.fakes.executor import Queue
from tests.fakes.world import NEW, World


def test_calls_queue_first_in_first_out() -> None:
    """Five calls of a second in two places take three seconds, whatever beats beside them."""
    clock, said = FakeClock(), list[tuple[str, float]]()
    pool = Queue(clock, 2)

    def call(name: str) -> str:
        clock.sleep(1.0)
        said.append((name, clock.time - 1000.0))
        return name

    with clock.pulse(2.0, lambda: said.append(("beat", clock.time - 1000.0))):
        futures = [pool.submit(call, name) for name in "abcde"]
        assert [future.result() for future in futures] == list("abcde")
    assert [word for word in said if word[0] != "beat"] == [("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 3)]
    assert ("beat", 2.0) in said


def test_the_same_run_is_the_same_run() -> None:
    """Call by call, to the second."""

    def once() -> list[tuple[str, str, float]]:
        world = World.of(20)
        world.hosts.takes = lambda verb, host: {"activate": 2.0, "extend": 0.5}.get(verb, 0.1)
        assert push(world.request, world.release(), world.ports, world.ledger, world.policy).result
        return [(*call, at) for call, at in zip(world.hosts.calls, world.hosts.at, strict=True)]

    first = once()
    assert first == once()
    assert first[-1][2] > 1000.0 + 20 * 2.0 / 2


def test_who_is_killed_does_nothing_more() -> None:
    """Queued calls, calls under way and pulses end; watchdogs go on."""
    world, did = World.of(4), list[str]()
    world.machines["web1"].phase, world.machines["web1"].current = "pending", NEW
    world.machines["web1"].deadline = world.clock.time + 30

    def call(name: str) -> None:
        world.clock.sleep(1.0)
        did.append(name)
        if name == "web2":
            raise world.clock.kill(InterruptedError("killed"))

    with world.clock.pulse(0.7, lambda: did.append("beat")):
        for name in world.names:
            world.ports.executor.submit(call, name)
        with pytest.raises(InterruptedError):
            world.clock.sleep(5.0)
    world.clock.sleep(60)
    assert did == ["beat", "web1", "web2"]
    assert world.machines["web1"].phase == "idle"


def test_waiting_for_ever_is_noticed() -> None:
    """Not a test that hangs."""
    with pytest.raises(RuntimeError, match="for ever"):
        FakeClock().wait(lambda: False)
