"""Sample: what was measured in one tick, per host. The input of every gate (GATE.md, head)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HostSample:
    """n requests or probes, err of them failed, lat: milliseconds of all of them (a failed one counts with its
    time-out); rehit_n immediate re-fetches of a cacheable URL, rehit_bad of them not from cache; fresh_n the same of
    URLs never asked before, fresh_bad of them not kept; look cache
    look-ups, miss of them missed; orig origin fetches over orig_s of exposure. None: the source cannot say.
    required_err: failures of probes whose level is `required`, by probe name with the reason of the first.
    required_ok: required probes that succeeded at least once; None: the source does not name them, and a required
    probe that is not in required_err did not fail."""

    n: int = 0
    err: int = 0
    lat: tuple[float, ...] = ()
    rehit_n: int | None = None
    rehit_bad: int | None = None
    fresh_n: int | None = None
    fresh_bad: int | None = None
    look: int | None = None
    miss: int | None = None
    orig: int | None = None
    orig_s: float | None = None
    required_err: Mapping[str, str] = field(default_factory=dict)
    required_ok: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """t: seconds since activation (negative before it). hosts: None for a host that gave no data; an empty map
    says that nothing measures at all (no health checks).
    fleet: what only the whole fleet has (database queries): name -> (count, exposure) of this tick, the exposure in
    client requests where they are known, else in seconds. absent where its source gave nothing.
    reasons: why a host, or a name of `fleet`, gave nothing: one named state, such as `access log unreadable: PATH`.
    late: milliseconds that the measuring machine itself may have added to a latency. starved: why it was too busy to
    tell how long an answer took, so that it has no latencies and no time-outs of its own; "" where it was not."""

    t: float
    hosts: Mapping[str, HostSample | None]
    fleet: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    late: float = 0.0
    starved: str = ""

    def without(self, names: Collection[str]) -> Sample:
        """Of the other hosts only; what only the whole fleet has is left out."""
        hosts = {name: one for name, one in self.hosts.items() if name not in names}
        return Sample(self.t, hosts, late=self.late, starved=self.starved)
