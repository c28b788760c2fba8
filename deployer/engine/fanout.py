"""Do one thing on many hosts at once; one host's failure is that host's result.

What a worker calls is shared with other workers, so it is one of: a host verb (its adapter keeps nothing; the transport
locks, see adapters/ssh/transport.py), `emit` (one event at a time), a value made before the fan-out. Git, rendering,
the ledger and the files of this machine are the main thread's: what is the fleet's is done once, before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

from deployer.engine.ports import LEAVE, TURN_BACK, Ports
from deployer.model.errors import HostError, Interrupted, Unreachable
from deployer.model.fleet import Host

T = TypeVar("T")


def heed(ports: Ports) -> None:
    """Raise Interrupted where somebody asked us to stop. Called where going on is decided, and nowhere else."""
    if ports.stop.asked() >= TURN_BACK:
        raise Interrupted("interrupted before any host was changed", hint="run it again when you are ready")


def each(ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    """Run `call` for every host on the bounded executor and wait for all. Every host is in the answer. Raises
    Interrupted, without waiting any longer, when somebody asks us to stop."""
    heed(ports)
    results = _gather(ports, _begin(ports.executor, hosts, call), TURN_BACK)
    heed(ports)
    return results


def each_decided(ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    """The same for what is decided and must be done: only being asked a second time ends it, and who has not answered
    by then is Unreachable."""
    return _gather(ports, _begin(ports.executor, hosts, call), LEAVE)


def each_at_once(ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    """The same for what must be on time, too: it does not queue behind what the bounded executor is still busy with."""
    return _gather(ports, _begin(ports.urgent, hosts, call), LEAVE)


def each_then(
    ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T], then: Callable[[Host, T | HostError], T]
) -> dict[str, T | HostError]:
    """At once, and `then` with what `call` gave. Whatever the places, first in is first out: `call` is begun on every
    host before `then` on any, and no host's `then` waits for another host's `call` to end."""

    def one(host: Host) -> Future[T | HostError]:
        result = guarded(call, host)
        return ports.urgent.submit(guarded, lambda h: then(h, result), host)

    begun = {host.name: ports.urgent.submit(one, host) for host in hosts}
    _await(ports, begun, LEAVE)
    second = {name: future.result() for name, future in begun.items() if future.done() and not future.cancelled()}
    return {name: _unheard() for name in begun} | _gather(ports, second, LEAVE)


def _begin(executor: Executor, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, Future[T | HostError]]:
    return {host.name: executor.submit(guarded, call, host) for host in hosts}


def _gather(ports: Ports, futures: dict[str, Future[T | HostError]], most: int) -> dict[str, T | HostError]:
    _await(ports, futures, most)
    ended = {name: future.done() and not future.cancelled() for name, future in futures.items()}
    return {name: future.result() if ended[name] else _unheard() for name, future in futures.items()}


def _await(ports: Ports, futures: dict[str, Future[T]], most: int) -> None:
    """Until all are done, or somebody asked so often; what has not begun by then never begins."""
    ports.stop.wait(tuple(futures.values()), most)
    for future in futures.values():
        future.cancel()


def _unheard() -> HostError:
    return Unreachable("its answer was not waited for: interrupted")


def guarded(call: Callable[[Host], T], host: Host) -> T | HostError:
    """What `call` gives or raises."""
    try:
        return call(host)
    except HostError as error:
        return error
    except Exception as error:  # our bug on one host must not lose the others
        return HostError(f"internal error: {type(error).__name__}: {error}")


def failures(results: dict[str, T | HostError]) -> dict[str, HostError]:
    """Only the hosts that failed."""
    return {name: result for name, result in results.items() if isinstance(result, HostError)}


def successes(results: dict[str, T | HostError]) -> dict[str, T]:
    """Only the hosts that did not."""
    return {name: result for name, result in results.items() if not isinstance(result, HostError)}
