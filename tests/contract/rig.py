"""One face for the fakes and the real thing, so that the contract suite cannot tell them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from deployer.engine.ports import Hosts
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.state import HostState, Order
from tests.fakes.clock import FakeClock
from tests.fakes.hosts import FakeHosts, Machine

BROKEN, UNLOADABLE = b"broken\n", b"never loads\n"


def package(content: bytes) -> Package:
    """A release of one file, named by its content. BROKEN fails the check; UNLOADABLE passes it and never loads."""
    digest = hashlib.sha256(content).hexdigest()
    return Package(f"{digest[:10]}-{digest[10:18]}", {"conf.d/app.conf": (content, False)})


class Rig(Protocol):
    """hosts, host: the port under test and a host whose dest holds content and is not adopted yet."""

    hosts: Hosts
    host: Host

    def until(self, holds: Callable[[HostState], bool], seconds: float) -> HostState:
        """Survey until `holds`, for at most `seconds` of this rig's time; the last state either way."""
        ...

    def edit(self, text: bytes) -> None:
        """A person changes the live file by hand."""
        ...


def order(pack: Package, number: int, lease: int = 30, nonce: str = "abcd") -> Order:
    """An order of deploy `number`."""
    return Order(f"{number}-{nonce}", number, "push", pack.release, lease)


class FakeRig:
    """The fakes of tests/fakes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.machine = Machine(adopted=False, dest="foreign", good="", history=[])
        for content, rule in ((BROKEN, self.machine.invalid), (UNLOADABLE, self.machine.never_loads)):
            rule.add(package(content).release)
        self.hosts = FakeHosts(self.clock, {"web1": self.machine})
        self.host = Host("web1")

    def until(self, holds: Callable[[HostState], bool], seconds: float) -> HostState:
        end = self.clock.time + seconds
        while not holds(state := self.hosts.survey(self.host)) and self.clock.time < end:
            self.clock.sleep(1.0)
        return state

    def edit(self, text: bytes) -> None:
        self.machine.drift = ("M conf.d/app.conf",)
