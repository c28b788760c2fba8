"""Keep pending hosts from reverting themselves while we live, and notice when one no longer hears us."""

from __future__ import annotations

import threading

from deployer.engine.fanout import each
from deployer.engine.ports import Ports
from deployer.model.errors import HostError, Refused
from deployer.model.fleet import Host
from deployer.model.state import Order


class Leases:
    """The pending hosts of one deploy. Thread safe: `renew` beats beside the main line."""

    def __init__(self, ports: Ports, order: Order) -> None:
        self._ports, self._order = ports, order
        self._renewed: dict[str, tuple[Host, float]] = {}
        self._refused: dict[str, str] = {}
        self._guard = threading.Lock()

    def hold(self, host: Host) -> None:
        """`host` was activated just now."""
        with self._guard:
            self._renewed[host.name] = (host, self._ports.clock.monotonic())

    def drop(self, name: str) -> None:
        """`name` is confirmed or reverted: nothing to renew."""
        with self._guard:
            self._renewed.pop(name, None)

    def renew(self) -> None:
        """One beat: extend every held lease; a host that refuses has gone back by itself."""
        with self._guard:
            hosts = [host for host, _ in self._renewed.values()]
        results = each(self._ports, hosts, lambda host: self._ports.hosts.extend(host, self._order))
        now = self._ports.clock.monotonic()
        with self._guard:
            for host in hosts:
                result = results[host.name]
                if isinstance(result, Refused):
                    self._refused[host.name] = str(result)
                elif not isinstance(result, HostError) and host.name in self._renewed:
                    self._renewed[host.name] = (host, now)

    def fresh(self) -> str:
        """Ask until every held lease was renewed just now; why that cannot be, or "". The decision stands on this: a
        host that does not hear it would go back alone."""
        began = self._ports.clock.monotonic()
        while True:
            self.renew()
            if reason := self.lost():
                return reason
            with self._guard:
                if all(at >= began for _, at in self._renewed.values()):
                    return ""
            self._ports.clock.sleep(0.5)

    def lost(self) -> str:
        """Why the deploy cannot go on: hosts that reverted themselves or no longer answer; "" if none."""
        limit = self._ports.clock.monotonic() - self._order.lease * 2 / 3
        with self._guard:
            silent = sorted(name for name, (_, at) in self._renewed.items() if at < limit)
            gone = [f"{n} refused its lease renewal: {why}" for n, why in sorted(self._refused.items())]
        if silent:
            gone.append(f"{', '.join(silent)} did not answer for {self._order.lease * 2 // 3} s")
        return "; ".join(gone)
