"""Do one thing on many hosts at once; one host's failure is that host's result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from deployer.engine.ports import Ports
from deployer.model.errors import HostError
from deployer.model.fleet import Host

T = TypeVar("T")


def each(ports: Ports, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
    """Run `call` for every host on the bounded executor and wait for all. Every host is in the answer."""

    def guarded(host: Host) -> T | HostError:
        try:
            return call(host)
        except HostError as error:
            return error
        except Exception as error:  # our bug on one host must not lose the others
            return HostError(f"internal error: {type(error).__name__}: {error}")

    futures = {host.name: ports.executor.submit(guarded, host) for host in hosts}
    return {name: future.result() for name, future in futures.items()}


def failures(results: dict[str, T | HostError]) -> dict[str, HostError]:
    """Only the hosts that failed."""
    return {name: result for name, result in results.items() if isinstance(result, HostError)}


def successes(results: dict[str, T | HostError]) -> dict[str, T]:
    """Only the hosts that did not."""
    return {name: result for name, result in results.items() if not isinstance(result, HostError)}
