"""A host that lies: every field of its answers, one at a time or for good; slow, too, or silent when it likes.

TRUTH is an answer as the agent gives it; LIES are values outside the grammar; `Liar` makes one of a fleet's fake hosts
lie within it, which no grammar can catch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from deployer.model.change import Change, change_said
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.state import TOP_NUMBER, Confirmed, HostState, Order
from tests.fakes.hosts import FakeHosts

A, B, C = "aaaaaaaaaa-11111111", "bbbbbbbbbb-22222222", "cccccccccc-33333333"
TRUTH: Mapping[str, object] = {
    "ok": True, "proto": 1, "adopted": True, "dest": "ours", "phase": "pending", "deploy": "7-abcd", "outcome": "",
    "command": "push",
    "fence": 7, "current": B, "good": A, "loaded": B, "target": B, "left": 12, "watchdog": "alive", "alarm": "",
    "releases": [A, B], "files": {"nginx.conf": "0" * 64, "conf.d/a+b.conf": "f" * 64}, "drift": ["M nginx.conf"],
    "history": [[1, "adopt", "0000000000-12345678"], [6, "push", A]], "free_kb": 1234,
    "layers": ["watchdog:setsid", "tick:none", "boot:none"], "change": "reload",
}  # fmt: skip
NOT_A_RELEASE = ("../../etc", "a" * 10 + "-" + "b" * 7, A + "\n", "x", 5, None, [A])
LIES: Mapping[str, tuple[object, ...]] = {
    "adopted": ("yes", 1, None),
    "dest": ("elsewhere", "", 0),
    "phase": ("done", "", None, "idle "),
    "deploy": ("../../..", "7", "7-ABCD", "7-abcd/x", "7-" + "a" * 40, "9" * 13 + "-aa", "9" * 12 + "-aa", 7),
    "command": ("sing", None, 7, "away"),
    "outcome": ("lost", None),
    "fence": (-1, 999_999_999_999, 1e3, "7", True, None),
    "current": NOT_A_RELEASE,
    "good": NOT_A_RELEASE,
    "loaded": (7, None, ["x"]),
    "target": NOT_A_RELEASE,
    "left": (999_999_999, -1, 3601, "12", 0.5, None),
    "watchdog": ("asleep", None),
    "alarm": (["x"], 1),
    "releases": ("x", {"a": 1}, [A] * 1001),
    "files": (
        [], {"/etc/passwd": "0" * 64}, {"../x": "0" * 64}, {"a/../../x": "0" * 64}, {"a": "0"}, {"a\n": "0" * 64},
        {"": "0" * 64}, {"a" * 1025: "0" * 64}, {f"f{n}": "0" * 64 for n in range(10_001)}, {"a": None},
    ),
    "drift": ("M x", [1], ["x"], ["M "], ["M x"] * 10_001),
    "history": (
        "x", [[1, "push"]], [[1, "sing", A]], [[-1, "push", A]], [[TOP_NUMBER + 1, "rollback", A]],
        [[1, "push", "../x"]], [["1", "push", A]], [1], [{}],
    ),
    "free_kb": (-1, 10**16, "1", None),
    "layers": ("x", ["cron"], ["a:b"] * 9, [1]),
    "change": (1, None),
}  # fmt: skip

Lie = Callable[[HostState], HostState]
CONSISTENT: Mapping[str, Lie] = {
    "a fence near the top": lambda s: replace(s, fence=TOP_NUMBER),
    "a fence a little above": lambda s: replace(s, fence=s.fence + 900),
    "a fence below": lambda s: replace(s, fence=0),
    "a deploy of its own in flight": lambda s: replace(s, phase="pending", deploy="3-beef", target=B, left=3600),
    "a newer deploy of its own in flight": lambda s: replace(
        s, phase="pending", deploy="99-beef", command="push", current=C, loaded=C, target=C, left=3600
    ),
    "two hundred invented rollbacks": lambda s: replace(
        s, history=(*s.history, *(Confirmed(n, "rollback", A) for n in range(100, 300)))
    ),
    "an invented rollback far above": lambda s: replace(
        s, fence=TOP_NUMBER, history=(*s.history, Confirmed(TOP_NUMBER, "rollback", B))
    ),
    "no history": lambda s: replace(s, history=()),
    "a release that nobody has": lambda s: replace(s, current=C, good=C),
    "never adopted": lambda s: HostState(dest="foreign"),
    "all is well": lambda s: replace(s, phase="idle", current=s.target, good=s.target, loaded=s.target, left=0),
    "an alarm": lambda s: replace(s, alarm="help"),
    "everything drifted": lambda s: replace(s, drift=tuple(f"M f{n}" for n in range(10_000))),
}


def flying(state: HostState, deploy: str, command: str, target: str) -> HostState:
    """In flight, as if nothing else had ever been."""
    return replace(
        state, adopted=True, dest="ours", phase="pending", deploy=deploy, command=command, outcome="", target=target,
        current=target, loaded=target, left=3600, watchdog="alive",
    )  # fmt: skip


def remembering(state: HostState, *lines: Confirmed) -> HostState:
    """More lines than there were, in the order of their numbers."""
    history = tuple(sorted((*state.history, *lines), key=lambda line: line.number))
    return replace(state, adopted=True, history=history, fence=max(state.fence, *(line.number for line in lines)))


OLD: Mapping[str, Lie] = {
    "a rollback in flight to C": lambda s: flying(s, "60-beef", "rollback", C),
    "a rollback in flight, B away": lambda s: remembering(
        flying(s, "60-beef", "rollback", A), Confirmed(60, "away", B)
    ),
    "the last push is a rollback in flight": lambda s: flying(s, s.deploy or "4-beef", "rollback", C),
    "the last push is in flight with another release": lambda s: flying(s, s.deploy or "4-beef", "push", A),
    "in flight at the top": lambda s: flying(s, f"{TOP_NUMBER}-beef", "push", C),
    "a push that went back": lambda s: replace(
        s, adopted=True, deploy="70-beef", command="push", outcome="reverted", target=C, fence=70
    ),
    "a rollback that went back": lambda s: replace(
        s, adopted=True, deploy="70-beef", command="rollback", outcome="reverted", target=C, fence=70
    ),
    "a push of C long ago": lambda s: remembering(s, Confirmed(3, "push", C)),
    "A was pushed again just now": lambda s: remembering(s, Confirmed(80, "push", A)),
    "C was confirmed just now": lambda s: remembering(
        replace(s, current=C, good=C, loaded=C), Confirmed(80, "push", C)
    ),
    "B was called bad": lambda s: remembering(s, Confirmed(81, "away", B)),
    "A was called bad": lambda s: remembering(s, Confirmed(81, "away", A)),
    "all were called bad": lambda s: remembering(s, *(Confirmed(81, "away", r) for r in (A, B, C))),
    "it was adopted on C": lambda s: remembering(s, Confirmed(1, "adopt", C)),
    "adopted a moment ago": lambda s: remembering(s, Confirmed(90, "adopt", "0000000000-99999999")),
    "another environment's": lambda s: replace(s, adopted=True, deploy="5-0dd", outcome="confirmed"),
    "another environment's, in flight": lambda s: flying(s, "5-0dd", "push", C),
    "C costs a lasting restart": lambda s: replace(
        s, change=Change("restart", "it wants to", lasting=True, cold="it wants to")
    ),
}

ENDS: Mapping[str, tuple[object, ...]] = {
    "adopted": (True, False), "dest": ("ours", "foreign", "absent"),
    "phase": ("idle", "armed", "pending", "reverting", "unknown"), "deploy": ("", "1-0", f"{TOP_NUMBER}-" + "f" * 19),
    "command": ("", "push", "rollback", "adopt"), "outcome": ("", "confirmed", "reverted"), "fence": (0, TOP_NUMBER),
    "current": ("", A, B, C), "good": ("", A, B, C), "loaded": ("", A, B, C, "x" * 500), "target": ("", A, B, C),
    "left": (0, 3600), "watchdog": ("alive", "dead", "none"), "alarm": ("x" * 500,), "releases": ((), (A, B, C)),
    "files": ({}, {"x": "0" * 64}), "drift": (("A x",),), "history": ((),), "free_kb": (0, 10**15), "layers": ((),),
    "change": tuple(map(change_said, ("reload", "restart: x", "lasting: x", "x" * 500))),
}  # fmt: skip


def saying(field: str, value: object) -> Lie:
    return lambda state: replace(state, **{field: value})  # type: ignore[arg-type]


EXTREMES: Mapping[str, Lie] = {
    f"{field} {str(value)[:20]!r}": saying(field, value) for field, values in ENDS.items() for value in values
}


@dataclass
class Liar:
    """Satisfies engine.ports.Hosts: `name` answers every verb with a lie about what it is; the others are honest."""

    honest: FakeHosts
    name: str
    lie: Lie

    def _told(self, host: Host, state: HostState) -> HostState:
        return self.lie(state) if host.name == self.name else state

    def survey(self, host: Host) -> HostState:
        return self._told(host, self.honest.survey(host))

    def stage(self, host: Host, package: Package) -> HostState:
        return self._told(host, self.honest.stage(host, package))

    def preview(self, host: Host, package: Package) -> HostState:
        return self._told(host, self.honest.preview(host, package))

    def check(self, host: Host, release: str) -> HostState:
        return self._told(host, self.honest.check(host, release))

    def activate(self, host: Host, order: Order) -> HostState:
        return self._told(host, self.honest.activate(host, order))

    def extend(self, host: Host, order: Order) -> HostState:
        return self._told(host, self.honest.extend(host, order))

    def confirm(self, host: Host, order: Order) -> HostState:
        return self._told(host, self.honest.confirm(host, order))

    def revert(self, host: Host, order: Order) -> HostState:
        return self._told(host, self.honest.revert(host, order))

    def prune(self, host: Host, keep: int) -> HostState:
        return self._told(host, self.honest.prune(host, keep))

    def adopt(self, host: Host, order: Order) -> HostState:
        return self._told(host, self.honest.adopt(host, order))

    def unadopt(self, host: Host, order: Order) -> HostState:
        return self._told(host, self.honest.unadopt(host, order))
