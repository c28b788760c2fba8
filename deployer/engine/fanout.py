"""Do one thing on many hosts at once; one host's failure is that host's result.

What a worker calls is shared with other workers, so it is one of: a host verb (its adapter keeps nothing; the transport
locks, see adapters/ssh.py), `emit` (one event at a time), a value made before the fan-out. Git, rendering, the ledger
and the files of this machine are the main thread's: what is the fleet's is done once, before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

from deployer.engine.ports import Ports
from deployer.model.errors import HostError
from deployer.model.fleet import Host

T = TypeVar("T")


def each(ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    """Run `call` for every host on the bounded executor and wait for all. Every host is in the answer."""
    return _gather(ports.executor, hosts, call)


def each_at_once(ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    """The same for what must be on time: it does not queue behind what the bounded executor is still busy with."""
    return _gather(ports.urgent, hosts, call)


def _gather(executor: Executor, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    futures = {host.name: executor.submit(guarded, call, host) for host in hosts}
    return {name: future.result() for name, future in futures.items()}


def each_then(
    ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T], then: Callable[[Host, T | HostError], T]
) -> dict[str, T | HostError]:
    """The same, and `then` with what `call` gave. Whatever the places, first in is first out: `call` is begun on every
    host before `then` on any, and no host's `then` waits for another host's `call` to end."""

    def one(host: Host) -> Future[T | HostError]:
        result = guarded(call, host)
        return ports.urgent.submit(guarded, lambda h: then(h, result), host)

    futures = {host.name: ports.urgent.submit(one, host) for host in hosts}
    return {name: future.result().result() for name, future in futures.items()}


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
