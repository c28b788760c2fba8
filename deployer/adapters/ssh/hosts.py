"""The host verbs over a wire: builds the command, runs it, reads the answer, installs the agent where it is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from deployer.model.errors import HostError, Refused, Unreachable
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.state import HostState, Order
from deployer.remote import answer, verbs
from deployer.remote.layout import Layout, layout_for
from deployer.remote.verbs import Command

LEAST = 1.0  # seconds that are worth another connection


class Completed(Protocol):
    """What came back: exit None when the channel died. noise: what login files printed before it."""

    @property
    def exit(self) -> int | None: ...

    @property
    def stdout(self) -> bytes: ...

    @property
    def stderr(self) -> bytes: ...

    @property
    def noise(self) -> bytes: ...


class Transport(Protocol):
    """Runs one command on one host; `fresh` over a new connection. Raises HostError only."""

    def run(self, host: Host, command: Command, fresh: bool = False) -> Completed: ...


class SshHosts:
    """Satisfies engine.ports.Hosts for one playbook. Thread safe as far as `transport` is: it keeps nothing.
    service_script: the shell functions of the service there; pure. group: see Playbook. now: seconds."""

    def __init__(
        self,
        transport: Transport,
        playbook: str,
        dest: str,
        service_script: Callable[[Host, Layout], str],
        group: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport, self._playbook, self._dest, self._script = transport, playbook, dest, service_script
        self._group, self._now = group, now

    def _layout(self, host: Host) -> Layout:
        return layout_for(host, self._playbook, self._dest)

    def _ask(self, host: Host, command: Command, fresh: bool = False) -> HostState:
        """Run and read; an absent agent is installed beside older ones and asked again. A connection that broke is
        replaced once, within the command's own deadline: a host cannot have it twice by breaking the first."""
        end = self._now() + command.deadline
        try:
            return self._once(host, command, fresh)
        except Unreachable as broken:
            left = end - self._now()
            if not broken.cut or left < LEAST:
                raise
            return self._once(host, replace(command, deadline=left), fresh=True)
        except Refused as refused:
            if refused.code != verbs.ABSENT:
                raise
        self._once(host, verbs.install(self._layout(host)))
        return self._once(host, command)

    def _once(self, host: Host, command: Command, fresh: bool = False) -> HostState:
        try:
            done = self._transport.run(host, command, fresh)
        except HostError:
            raise
        except Exception as error:  # a wire's own bug is that host's result
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return answer.parse(done.stdout, done.exit, done.stderr)

    def survey(self, host: Host) -> HostState:
        """Read only: a host without any agent is one that was never adopted."""
        layout = self._layout(host)
        return self._ask(host, verbs.survey(layout))

    def stage(self, host: Host, package: Package) -> HostState:
        layout = self._layout(host)
        return self._ask(host, verbs.stage(layout, package, self._script(host, layout), self._group))

    def preview(self, host: Host, package: Package) -> HostState:
        layout = self._layout(host)
        return self._ask(host, verbs.preview(layout, package, self._script(host, layout)))

    def check(self, host: Host, release: str) -> HostState:
        return self._ask(host, verbs.check(self._layout(host), release))

    def activate(self, host: Host, order: Order) -> HostState:
        return self._ask(host, verbs.activate(self._layout(host), order.on(host.name)))

    def extend(self, host: Host, order: Order) -> HostState:
        return self._ask(host, verbs.extend(self._layout(host), order))

    def confirm(self, host: Host, order: Order) -> HostState:
        """Over a new connection: a confirmation proves that the host can still be reached."""
        return self._ask(host, verbs.confirm(self._layout(host), order), fresh=True)

    def revert(self, host: Host, order: Order) -> HostState:
        return self._ask(host, verbs.revert(self._layout(host), order.on(host.name)))

    def prune(self, host: Host, keep: int) -> HostState:
        return self._ask(host, verbs.prune(self._layout(host), keep))

    def adopt(self, host: Host, order: Order) -> HostState:
        layout = self._layout(host)
        return self._ask(host, verbs.adopt(layout, order.on(host.name), self._script(host, layout)))

    def unadopt(self, host: Host, order: Order) -> HostState:
        return self._ask(host, verbs.unadopt(self._layout(host), order.on(host.name)))
