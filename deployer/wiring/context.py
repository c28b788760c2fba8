"""From options to what the engine needs: the files, the hosts, the wires. Heavy adapters are imported where used."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.adapters.git.memory import Memory
from deployer.adapters.local.clock import SystemClock
from deployer.adapters.local.runs import Runs
from deployer.adapters.local.signals import SIGNALS
from deployer.adapters.local.threads import make_executor, pulse
from deployer.adapters.reading.inventory import environment_hosts, inventories, load_inventory
from deployer.adapters.reading.inventory.checks import check_hosts, refuse_unread_vars
from deployer.adapters.reading.inventory.settings import read_settings, settled
from deployer.adapters.reading.playbooks import choose_playbook, find_root, load_playbook
from deployer.adapters.ssh.ask import refuse_unreadable_config
from deployer.adapters.ssh.hosts import SshHosts
from deployer.adapters.ssh.transport import SshTransport
from deployer.console.live.choose import Renderer
from deployer.console.say import say
from deployer.engine.deploy.request import Request
from deployer.engine.ports import Ports, Probes
from deployer.model.errors import InputError
from deployer.model.events import Event, Notice
from deployer.model.fleet import Fleet, Host
from deployer.model.forecast import Forecast
from deployer.model.pattern import select
from deployer.model.sample import Sample
from deployer.model.schema.playbook import Playbook
from deployer.model.secret import declare
from deployer.remote.layout import Layout, layout_for
from deployer.services import service_for
from deployer.wiring.options import Options
from deployer.wiring.site import Site

GLANCE = 4.0  # seconds for one exchange with git's remote, where git only adds to what the hosts have said

if TYPE_CHECKING:
    from deployer.adapters.git.ledger import GitLedger
    from deployer.adapters.git.releases import Repository
    from deployer.model.ledger import Entry
    from deployer.model.schema.health import HealthCheck


class NoProbes:
    """A command that measures nothing."""

    def baseline(self, hosts: Sequence[Host]) -> None:
        """Nothing is begun."""

    def watch(self, hosts: Sequence[Host]) -> None:
        """Nothing."""

    def sample(self, t: float) -> Sample:
        """No host, no data."""
        return Sample(t, {})

    def settle(self, deciding: Sequence[str]) -> Sequence[Sample]:
        """Nothing."""
        return ()

    def expect(self, forecast: Forecast) -> None:
        """Nothing is asked."""


@dataclass
class Context:
    """root: the checkout. hosts: of the playbook in the environment; limit: the names that may change."""

    options: Options
    root: Path
    fleet: Fleet
    playbook: Playbook
    environment: str
    hosts: tuple[Host, ...]
    limit: frozenset[str]

    def site(self, host: Host) -> Site:
        """The playbook's service on one host."""
        return Site(host, layout_for(host, self.playbook.name, self.playbook.dest), service_for(self.playbook))

    @property
    def chosen(self) -> list[Host]:
        """The hosts that the limit leaves."""
        return [host for host in self.hosts if host.name in self.limit]

    @cached_property
    def runs(self) -> Runs:
        """`.deploy/` of the checkout."""
        return Runs(self.root)

    @cached_property
    def memory(self) -> Memory:
        """What this machine remembers of the environment."""
        return Memory(self.root)

    @cached_property
    def ledger(self) -> GitLedger:
        """Imports GitPython."""
        from deployer.adapters.git.ledger import GitLedger

        return GitLedger(self.root, self.environment, self.memory)

    @cached_property
    def glance(self) -> GitLedger:
        """The same, not waited for: see GLANCE."""
        from deployer.adapters.git.ledger import GitLedger

        return GitLedger(self.root, self.environment, self.memory, GLANCE)

    def recall(self) -> tuple[Entry, ...]:
        """The ledger's chain; git is imported only when it is asked for."""
        return self.ledger.read()

    @cached_property
    def repository(self) -> Repository:
        """Imports GitPython."""
        from deployer.adapters.git.releases import Repository

        return Repository(self.root)

    @cached_property
    def check(self) -> HealthCheck:
        """The playbook's health checks as one."""
        from deployer.adapters.reading.playbooks import load_health_checks

        return load_health_checks(self.root, self.playbook.health_checks)

    @cached_property
    def transport(self) -> SshTransport:
        """One for the whole command."""
        return SshTransport(become_password=self.options.become_password())

    def request(self, why: str = "", allow_quarantined: bool = False) -> Request:
        """What the engine is asked."""
        return Request(self.environment, self.playbook, self.hosts, self.limit, operator(), why, allow_quarantined)

    def script(self, host: Host, layout: Layout) -> str:
        """The service's shell functions for one host."""
        return Site(host, layout, service_for(self.playbook)).script()

    @contextmanager
    def ports(self, probes: Probes | None = None, listener: Callable[[Event], None] | None = None) -> Iterator[Ports]:
        """Everything wired; closed on the way out, whatever happens, and never waiting for a silent host. listener:
        gets every event beside the renderer."""
        service_for(self.playbook)  # an unsupported service is known before anything is contacted
        renderer = self.options.renderer
        book = self.playbook
        hosts = SshHosts(self.transport, book.name, book.dest, self.script, book.group)
        executor, urgent = make_executor(self.options.forks), make_executor(len(self.hosts))
        SIGNALS.count_only()
        try:
            yield Ports(
                hosts, probes or NoProbes(), SystemClock(), pulse, SIGNALS, executor, urgent, both(renderer, listener)
            )
        finally:
            for pool in (executor, urgent):
                pool.shutdown(wait=False, cancel_futures=True)
            self.transport.close()
            with suppress(OSError, ValueError):  # nobody may be there to see it
                renderer.close()
                self.warn(renderer)

    def warn(self, renderer: Renderer) -> None:
        """What could not be written locally never ends a deploy, and is said."""
        for warning in filter(None, (self.runs.warning, self.memory.warning)):
            renderer(Notice("warning", warning))


def both(first: Renderer, second: Callable[[Event], None] | None) -> Callable[[Event], None]:
    """One after the other. A terminal that is gone (EIO), a pipe that nobody reads: what is shown ends there, and not
    what is done; hosts are put back and confirmed unseen. Workers emit, too: one event at a time, so neither renderers
    nor listeners need be thread safe."""
    listener, seen, turn = second or (lambda event: None), True, threading.RLock()

    def emit(event: Event) -> None:
        nonlocal seen
        with turn:
            try:
                if seen:
                    first(event)
            except (OSError, ValueError):  # ValueError: a closed file
                seen = False
            listener(event)

    return emit


def operator() -> str:
    """user@machine, or the CI job."""
    import getpass
    import socket

    return os.environ.get("DEPLOY_WHO") or f"{getpass.getuser()}@{socket.gethostname()}"


def build(options: Options) -> Context:
    """Read every file; nothing is contacted. Raises InputError, UsageError."""
    root = find_root(Path.cwd())
    name = choose_playbook(root, options.playbook)
    playbook = load_playbook(root, name)
    service_for(playbook)
    declare(playbook.no_log)  # an error in the inventory shows a line of it
    refuse_unread_vars(root, name)
    settings = read_settings(root, bool(options.inventory))
    for sentence in settings.unheard:
        say(f"warning: {sentence}", err=True)
    fleet = settled(load_inventory(*inventories(options.inventory, root), beside=root), settings)
    environment, names = environment_hosts(fleet, playbook.hosts, options.environment)
    limit = frozenset(names) & frozenset(select(fleet, options.limit) if options.limit else names)
    if not limit:
        raise InputError(f"--limit {options.limit!r} leaves no host of {playbook.hosts} in {environment}")
    hosts = tuple(fleet.hosts[name] for name in names)
    check_hosts(hosts, playbook)
    refuse_unreadable_config()
    return Context(options, root, fleet, playbook, environment, hosts, limit)
