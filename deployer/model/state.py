"""What a host says of itself: the answer of every host verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from deployer.model.change import RELOAD, Change

Phase = Literal["idle", "armed", "pending", "reverting", "unknown"]
Outcome = Literal["", "confirmed", "reverted"]
TOP_NUMBER = 10**11  # no deploy has a higher number; hosts take twelve digits, so there is always one above
LONGEST_LEASE = 3600  # seconds that a host may be told to wait for its deployer


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One line of the host's own history: deploy `number` confirmed `release` (command: push, rollback, adopt), or
    (command: away) is a rollback that began here and called `release` bad, whether it was confirmed or not."""

    number: int
    command: str
    release: str


@dataclass(frozen=True, slots=True)
class HostState:
    """current: where the link points. good: the last confirmed release. loaded: what the running process was
    proven to have; "" when it is down or unproven. target, deploy, command: of the deploy in flight or the last one;
    outcome: how that ended. fence: highest deploy number seen. left: seconds until the watchdog acts (0: none).
    files: path -> sha256 of the current release's manifest. drift: "M path", "D path", "A path".
    layers: what will revert this host: watchdog kind, tick, boot (HOST_PROTOCOL 2.3). dest: "ours", "foreign" or
    "absent". free_kb: free space below the root. change: after check and preview, what taking that release costs the
    running process.
    """

    adopted: bool = False
    dest: str = "absent"
    phase: Phase = "idle"
    deploy: str = ""
    command: str = ""
    outcome: Outcome = ""
    fence: int = 0
    current: str = ""
    good: str = ""
    loaded: str = ""
    target: str = ""
    left: int = 0
    watchdog: Literal["alive", "dead", "none"] = "none"
    alarm: str = ""
    releases: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    drift: tuple[str, ...] = ()
    history: tuple[Confirmed, ...] = ()
    free_kb: int = 0
    layers: tuple[str, ...] = ()
    change: Change = RELOAD

    @property
    def in_flight(self) -> bool:
        """Activated but unconfirmed, or on the way back."""
        return self.phase != "idle" or (self.adopted and self.current != self.good)

    def verified_on(self, release: str) -> bool:
        """The links, the record and the running process all agree on `release`, and nothing is in flight."""
        return not self.in_flight and not self.alarm and release == self.current == self.good == self.loaded


@dataclass(frozen=True, slots=True)
class Order:
    """What activate, extend, confirm and revert carry. deploy: `<number>-<nonce>`; number: the fencing token (a host
    refuses a lower one); lease: seconds a host waits without hearing from us before it reverts itself; hard_cap:
    seconds after which no renewal helps. restart: the service may be stopped and started where a reload would not make
    all of the release live (a rollback always may). leaves: of a rollback, the release that it calls
    bad; each host remembers it from the activation on. apart: hosts with a number of their own (model/quorum).
    """

    deploy: str
    number: int
    command: Literal["push", "rollback", "adopt"]
    release: str
    lease: int = 60
    hard_cap: int = 7200
    restart: bool = False
    leaves: str = ""
    apart: Mapping[str, int] = field(default_factory=dict)

    def on(self, host: str) -> Order:
        """As `host` is told: with the number that it takes."""
        return replace(self, number=max(self.number, self.apart.get(host, 0)))


def number_of(deploy: str) -> int:
    """Of a deploy id, `<number>-<nonce>`; 0 where it is none."""
    digits = deploy.split("-", maxsplit=1)[0]
    return int(digits) if digits.isdigit() else 0
