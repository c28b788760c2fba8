"""The narrow ports through which the engine reaches the world. Adapters satisfy them by shape."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from deployer.model.events import Event
from deployer.model.fleet import Host
from deployer.model.forecast import Forecast
from deployer.model.ledger import Entry, Sign
from deployer.model.release import Package
from deployer.model.sample import Sample
from deployer.model.state import HostState, Order
from deployer.model.warming import Batch


class Hosts(Protocol):
    """The host verbs. Each is idempotent, is bounded in time, and answers with the host's state after it. An order is
    told as `order.on(host)`. Called from many threads.

    Raises `Refused` (the host answered and said no: its state is known) or `Unreachable` (no answer: with
    `sent` True the verb may have taken effect). Nothing else.
    """

    def survey(self, host: Host) -> HostState: ...

    def stage(self, host: Host, package: Package) -> HostState: ...

    def preview(self, host: Host, package: Package) -> HostState:
        """Would the package pass the check, and what would taking it cost (`change`)? Leaves nothing behind."""
        ...

    def check(self, host: Host, release: str) -> HostState:
        """Of a staged release; `change` says what taking it costs."""
        ...

    def activate(self, host: Host, order: Order) -> HostState:
        """Arm the watchdog, switch, reload and prove it; on any failure the host has already gone back."""
        ...

    def extend(self, host: Host, order: Order) -> HostState: ...

    def confirm(self, host: Host, order: Order) -> HostState:
        """Over a new connection: a confirmation proves that the host can still be reached."""
        ...

    def revert(self, host: Host, order: Order) -> HostState:
        """Put the host back on `good`. A later activate of the same deploy is refused, even one in flight."""
        ...

    def prune(self, host: Host, keep: int) -> HostState: ...

    def adopt(self, host: Host, order: Order) -> HostState:
        """Take what lies at dest today as the first release (order.release is ignored)."""
        ...

    def unadopt(self, host: Host, order: Order) -> HostState:
        """Make dest a plain directory again, with what is live in it, and forget the playbook there. The process is
        left alone. Refused (drift, busy) while the host differs from its release or something is in flight."""
        ...


class Ledger(Protocol):
    """One environment's chain of records. Raises LedgerUnavailable, LedgerMoved."""

    def read(self) -> tuple[Entry, ...]:
        """The whole chain, oldest first, as the remote has it now."""
        ...

    def append(self, entry: Entry, after: int) -> Entry:
        """Compare-and-swap: the chain must have `after` records. Returns the entry with its number."""
        ...

    def heartbeat(self) -> AbstractContextManager[Callable[[], str]]:
        """Gives what begins to show a sign of life every HEARTBEAT seconds, beside the main line and until the context
        ends; that returns the name under which others find it: "" where none can be shown."""
        ...

    def moved(self) -> bool:
        """Did the heartbeat, since this was last asked, see another head than what was read or appended last? Asks
        nobody."""
        ...

    def sign_of(self, name: str) -> Sign:
        """The newest sign of life under `name`."""
        ...

    def environment_of(self, deploy: str, host: str) -> str:
        """The other environment whose ledger has this deploy and knows this host; "" where none has, or that cannot be
        read."""
        ...

    def forget(self, name: str) -> None:
        """Tidy up after an owner that died; never raises."""
        ...

    def put_aside(self, entry: Entry) -> None:
        """Keep a record on this machine until git can be reached; never raises."""
        ...


class Probes(Protocol):
    """Measures, in one series of ticks after another. What lies between two series is forgotten."""

    def expect(self, forecast: Forecast) -> None:
        """Called once, before the baseline: what the probes alone can prove. They are asked as often as it says until
        visitors are found to judge by; where there are none and it proves nothing, `settle` raises DeployError."""
        ...

    def baseline(self, hosts: Sequence[Host]) -> None:
        """Begins the series before any change."""
        ...

    def watch(self, hosts: Sequence[Host]) -> None:
        """Begins a series after one."""
        ...

    def sample(self, t: float) -> Sample:
        """The next tick of the series, t seconds after the change: what was heard since the last one. Blocks for a
        second at most, or a little more where a host is slow to answer; never raises: a host without data is None. Who
        calls it keeps the pace."""
        ...

    def settle(self, deciding: Sequence[str]) -> Sequence[Sample]:
        """The end of the baseline: decides what is judged from now on (real traffic, or probes) by the hosts in
        `deciding`, and gives its ticks as they are to be judged. Raises DeployError where what the user asked for
        cannot be read."""
        ...


class Warmer(Protocol):
    """Asks a host for URLs, bounded in rate and concurrency. Raises HostError when none can be sent."""

    def ask(self, host: Host, urls: Sequence[str]) -> Batch: ...


TURN_BACK, LEAVE = 1, 2  # asked so often to stop: nothing goes forward; hosts are left to their own watchdogs


class Stop(Protocol):
    """That somebody asked us to stop (Ctrl-C, SIGTERM, SIGHUP) is a fact that is looked at where something is decided.
    It interrupts nothing but waiting."""

    def asked(self) -> int:
        """How often so far."""
        ...

    def wait(self, futures: Collection[Future[Any]], most: int) -> None:
        """Until all of these are done, or `asked` is `most`."""
        ...


class Clock(Protocol):
    """now: seconds since the epoch, for records. monotonic: seconds, for durations. sleep: being asked to stop ends
    it."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class Pulse(Protocol):
    """Runs `beat` every `seconds` beside the main line until the context ends; a failing beat never ends it."""

    def __call__(self, seconds: float, beat: Callable[[], None]) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Ports:
    """Everything an engine function may touch. executor: bulk work, bounded (--forks). urgent: what must be on time (a
    lease renewal, the way back); a place for every host, so that none waits for another's answer."""

    hosts: Hosts
    probes: Probes
    clock: Clock
    pulse: Pulse
    stop: Stop
    executor: Executor
    urgent: Executor
    emit: Callable[[Event], None]
