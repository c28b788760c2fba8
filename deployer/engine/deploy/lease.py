"""Keep pending hosts from reverting themselves while we live, and notice when one no longer hears us.

Each host's lease is a value of its own, counted from when the question was sent that the host answered, so that it
never ends before we think it does. Renewals have workers of their own, and none waits for another host's answer.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, replace

from deployer.engine.fanout import guarded, heed
from deployer.engine.ports import Ports
from deployer.model.errors import HostError, Refused
from deployer.model.fleet import Host
from deployer.model.state import HostState, Order

BEAT = 1 / 12  # of a lease: how often is looked which one is due
DUE = 1 / 3  # of a lease: it is renewed from here on
SILENT = 2 / 3  # of a lease: its host is taken for lost, while there is still time to put the others back


@dataclass(frozen=True, slots=True)
class Lease:
    """What is known of one pending host's watchdog. since: the clock's seconds when that was sent which it answered
    last. lasts: seconds. refused: why it was not renewed: the host has gone back by itself."""

    host: Host
    since: float
    lasts: float
    refused: str = ""

    def spent(self, now: float) -> float:
        """The share of it that is over at most."""
        return (now - self.since) / self.lasts

    def answered(self, result: HostState | HostError, sent: float) -> Lease:
        """The lease after a renewal that was sent then. A host that is busy was not renewed, and has not gone back."""
        if isinstance(result, Refused) and result.code != "busy":
            return replace(self, refused=str(result))
        return self if isinstance(result, HostError) else replace(self, since=max(self.since, sent))


class Leases:
    """The pending hosts of one deploy. Thread safe: `renew` beats beside the main line."""

    def __init__(self, ports: Ports, order: Order) -> None:
        self._ports, self._order = ports, order
        self._held: dict[str, Lease] = {}
        self._asked: set[str] = set()  # whose answer is being waited for
        self._ended = False
        self._guard = threading.Lock()

    def hold(self, host: Host, since: float) -> None:
        """`host` was activated, as it was asked to at `since`. What a slow activation used up is given back at once."""
        lease = Lease(host, since, self._order.lease)
        with self._guard:
            if self._ended:
                return
            self._held[host.name] = lease
        if lease.spent(self._ports.clock.monotonic()) >= DUE:
            self._extend(host)

    def drop(self, name: str) -> None:
        """`name` is confirmed: nothing to renew."""
        with self._guard:
            self._held.pop(name, None)

    def end(self) -> None:
        """From here on no host is kept from going back by itself, one that answers its activation late included."""
        with self._guard:
            self._ended = True
            self._held.clear()

    def renew(self) -> None:
        """One beat: ask every host whose lease is due. Waits for no answer."""
        now = self._ports.clock.monotonic()
        with self._guard:
            due = [lease.host for lease in self._held.values() if lease.spent(now) >= DUE and not lease.refused]
        self._ask(due)

    def _ask(self, hosts: Collection[Host]) -> None:
        with self._guard:
            idle = [host for host in hosts if host.name not in self._asked]
            self._asked.update(host.name for host in idle)
        for host in idle:
            self._ports.urgent.submit(self._extend, host)

    def _extend(self, host: Host) -> None:
        sent = self._ports.clock.monotonic()
        result = guarded(lambda h: self._ports.hosts.extend(h, self._order), host)
        with self._guard:
            self._asked.discard(host.name)
            if lease := self._held.get(host.name):
                self._held[host.name] = lease.answered(result, sent)

    def fresh(self) -> str:
        """Ask until every held lease was renewed just now; why that cannot be, or "". The decision stands on this: a
        host that does not hear it would go back alone. Raises Interrupted."""
        began = self._ports.clock.monotonic()
        while True:
            with self._guard:
                stale = [lease.host for lease in self._held.values() if lease.since < began]
            if (reason := self.lost()) or not stale:
                return reason
            self._ask(stale)
            self._ports.clock.sleep(0.25)
            heed(self._ports)

    def lost(self) -> str:
        """Why the deploy cannot go on: hosts that reverted themselves or no longer answer; "" if none."""
        now = self._ports.clock.monotonic()
        with self._guard:
            leases = [lease for _, lease in sorted(self._held.items())]
        gone = [f"{it.host.name} refused its lease renewal: {it.refused}" for it in leases if it.refused]
        if silent := [it.host.name for it in leases if not it.refused and it.spent(now) > SILENT]:
            gone.append(f"{', '.join(silent)} did not answer for {self._order.lease * SILENT:.0f} s")
        return "; ".join(gone)
