"""One cell: a real command on a real fleet, stopped at one step, broken there, and judged when everything is at rest."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployer.engine.deploy.endings import ACTIVATING, GRACE
from deployer.remote.verbs import SLOW
from tests.faults.crash import wait
from tests.faults.fleet import LEASE, FaultFleet
from tests.faults.oracle import look, text

CONNECT = 10.0  # seconds; ssh_config's ConnectTimeout where nobody says otherwise

# step -> (where its trap is set, trap); the canary is web1, the last wave web2
PUSH_STEPS = {
    "survey": ("web2", "survey"),
    "intent": ("git", "INTENT"),
    "stage": ("web2", "stage"),
    "check": ("web2", "check"),
    "activate": ("web1", "activate"),
    "activated": ("web1", "activate.after"),
    "watch": ("web1", ""),
    "activate 2": ("web2", "activate"),
    "decision": ("git", "DECISION"),
    "confirm": ("web2", "confirm"),
    "confirmed": ("web2", "confirm.after"),
    "read back": ("web2", "survey"),
    "outcome": ("git", "OUTCOME"),
}
ROLLBACK_STEPS = {
    "survey": ("web2", "survey"),
    "activate": ("web2", "activate"),
    "activated": ("web2", "activate.after"),
    "confirm": ("web2", "confirm"),
    "confirmed": ("web2", "confirm.after"),
    "read back": ("web2", "survey"),
    "outcome": ("git", "OUTCOME"),
}
STEPS = {"push": PUSH_STEPS, "rollback": ROLLBACK_STEPS}
LIMIT = 240.0  # seconds in which any command must have ended, whatever is broken


@dataclass
class Cell:
    """host: where the fault strikes. seconds: from the strike to the end of the command (ended) and to rest (rest)."""

    fleet: FaultFleet
    command: str
    step: str
    host: str = ""
    child: subprocess.Popen[bytes] | None = None
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)
    struck: float = 0.0
    endless: bool = False
    last_word: str = ""  # the release that another command asked for, which counts if it ended well after this one
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """The release that the fleet was on."""
        return self.fleet.old if self.command == "push" else self.fleet.new

    @property
    def goal(self) -> str:
        """The release that was asked for."""
        return self.fleet.new if self.command == "push" else self.fleet.old

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    @property
    def out(self) -> str:
        """What the command has said so far on stdout."""
        return text(self.fleet.folder / "out")

    @property
    def err(self) -> str:
        """The same on stderr: its progress."""
        return text(self.fleet.folder / "err")

    def stopped_by(self) -> int:
        """The process that stands in the trap on the host, for faults that kill it."""
        place, trap = STEPS[self.command][self.step]
        with contextlib.suppress(OSError, ValueError):
            return int((self.fleet.traps(place) / f"hit.{trap}").read_text())
        return 0

    def go(self) -> None:
        """Whoever stands in a trap goes on."""
        for place in (*self.fleet.names, "git"):
            (self.fleet.traps(place) / "go").touch()


def nothing(cell: Cell) -> None:
    """No fault, or nothing to undo."""


@dataclass(frozen=True)
class Fault:
    """strike: break it while the command stands at the step. during: after it was let go. lift: mend it when the command
    has ended. steps: where it makes sense; empty for all. missing: why it cannot be tried here."""

    name: str
    strike: Callable[[Cell], None]
    during: Callable[[Cell], None] = nothing
    lift: Callable[[Cell], None] = nothing
    before: Callable[[Cell], None] = nothing
    steps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ("push", "rollback")
    missing: Callable[[FaultFleet], str] = lambda fleet: ""


@dataclass
class Result:
    """violations, late: empty is good; late is a deadline that was missed, which a busy machine may do. code: of the
    command (negative: killed). named: some hosts were not on one release, and the command or `deploy status` said
    which. seconds: see Cell."""

    fault: str
    command: str
    step: str
    code: int | None = None
    because: str = ""
    named: bool = False
    skipped: str = ""
    violations: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        """For the table."""
        if self.skipped:
            return "-"
        if self.violations:
            return "VIOLATION"
        if self.late:
            return f"LATE {self.code}"
        return f"ok {self.code}" + "*" * self.named


def reach(cell: Cell) -> bool:
    """Start the command and let it come to the step; False when it ends before."""
    fleet, (place, trap) = cell.fleet, STEPS[cell.command][cell.step]
    late = cell.step == "read back"
    if trap and not late:
        (fleet.traps(place) / f"trap.{trap}").touch()
    if late:
        (fleet.traps("web2") / "trap.confirm").touch()
    cell.child = fleet.start_deploy(cell.command, "nginx", "--yes", "--json", "--output", "plain", "-v")
    ended = lambda: cell.child is not None and cell.child.poll() is not None  # noqa: E731
    if not trap:
        wait(lambda: ended() or f"  {place} pending" in cell.err, 60)
        return not ended()
    if late:
        hit = fleet.traps("web2") / "hit.confirm"
        wait(lambda: ended() or hit.exists(), 60)
        (fleet.traps(place) / "trap.survey").touch()
        (fleet.traps("web2") / "go.confirm").touch()
        if hit.exists():
            wait(lambda: ended() or (fleet.traps(place) / "taken.survey").exists(), 30)
    hit = fleet.traps(place) / f"hit.{trap}"
    wait(lambda: ended() or hit.exists(), 60)
    return hit.exists()


def try_cell(fleet: FaultFleet, fault: Fault, command: str, step: str) -> Result:
    """Run one cell from a fresh fleet to rest, and judge it."""
    result = Result(fault.name, command, step)
    result.skipped = fault.missing(fleet)
    if (fault.steps and step not in fault.steps) or command not in fault.commands:
        result.skipped = result.skipped or "makes no sense here"
    if result.skipped:
        return result
    fleet.reset("before" if command == "push" else "after")
    place = STEPS[command][step][0]
    cell = Cell(fleet, command, step, "web2" if place == "git" else place)
    try:
        fault.before(cell)
        if not reach(cell):
            until_end(cell)
            result.skipped = f"the command ended before the step: {cell.out[-300:]} {cell.err[-300:]}"
            return result
        cell.struck = time.monotonic()
        fault.strike(cell)
        cell.go()
        fault.during(cell)
        until_end(cell)
        cell.seconds["ended"] = time.monotonic() - cell.struck
        fault.lift(cell)
        wait(fleet.at_rest, 3 * LEASE + 20)
        cell.seconds["rest"] = time.monotonic() - cell.struck
        assert cell.child is not None
        result.code, result.seconds = cell.child.returncode, cell.seconds
        result.because = reason(cell.out)
        result.violations, result.named = judge(cell)
        result.late = late(result)
    except (
        AssertionError,
        RuntimeError,
        OSError,
        subprocess.SubprocessError,
    ) as error:  # one cell never ends the others
        result.violations.append(f"the cell itself failed: {type(error).__name__}: {error}")
    finally:
        finish(cell)
    return result


def reason(out: str) -> str:
    """What the command gave as its reason."""
    body = json.loads(out) if out.strip() else {}
    return str(body.get("error", {}).get("message", ""))[:400]


def until_end(cell: Cell) -> None:
    """Killed when it does not end. On the way: when were the hosts that were not struck at rest?"""
    assert cell.child is not None
    fleet, others = cell.fleet, [name for name in cell.fleet.names if name != cell.host]
    end = time.monotonic() + LIMIT
    while cell.child.poll() is None:
        if "others" not in cell.seconds and not any(fleet.unsound(name) for name in others):
            cell.seconds["others"] = time.monotonic() - cell.struck
        if time.monotonic() > end:
            os.killpg(cell.child.pid, signal.SIGKILL)
            cell.child.wait()
            cell.endless = True
        time.sleep(0.1)


def late(result: Result) -> list[str]:
    """The stated deadlines (DESIGN 5, HOST_PROTOCOL 8): a dead deployer's hosts are back within confirm_timeout + 5 s; a
    silent network holds a command for two verbs (one on its way, one to revert) and the lease at most, and for as long
    as an activation may go on that nobody heard the end of, and the last connection that is tried then."""
    seconds = result.seconds
    if result.fault == "deployer SIGKILL" and seconds["rest"] > LEASE + 5:
        return [f"at rest after {seconds['rest']:.1f} s, stated: {LEASE + 5} s"]
    bound = 2 * SLOW + LEASE + GRACE + (ACTIVATING + CONNECT if result.step.startswith("activate") else 0)
    if result.fault.startswith(("network silent", "answers lost", "firewall")) and seconds["ended"] > bound:
        return [f"ended after {seconds['ended']:.1f} s, stated: {bound:.0f} s"]
    return []


def finish(cell: Cell) -> None:
    """No process of this cell is left."""
    cell.go()
    for child in (cell.child, *cell.others):
        if child is not None and child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def judge(cell: Cell) -> tuple[list[str], bool]:
    """The rule of the whole project: all hosts on one verified release that fits the exit code, or each exception named.

    Returns the violations, and whether exceptions were named."""
    fleet, code, out, err = cell.fleet, cell.child.returncode if cell.child else None, cell.out, cell.err
    if "Traceback" in err or cell.endless or code == 70:
        return [f"exit {code}: {err[-600:]}"], False
    body = json.loads(out) if out.strip() else {}
    on = {name: look(fleet.root(name)).current for name in fleet.names}
    ill = {name: why for name in fleet.names if (why := fleet.unsound(name))}
    status = fleet.fleet.deploy("status", "nginx")
    odd = set(ill) | ({n for n in on if on[n] != majority(on, cell)} if len(set(on.values())) > 1 else set())
    bad = [f"{name} is not at rest: {'; '.join(why)}" for name, why in ill.items()]
    bad += judge_status(status[0], odd)
    bad += [f"the other command exits {c.returncode}" for c in cell.others if c.returncode not in (0, 1, 3, 4, 5)]
    if code is not None and code >= 0 and str(status[1].get("lock", "")).startswith("lock: deploy"):
        bad.append(f"exit {code}, and {status[1]['lock']}")
    if odd and not ill:
        bad += brought_along(cell)
    if code is not None and code < 0:
        return bad, bool(odd)
    wanted = {0: cell.goal, 3: cell.start, 130: cell.start, 1: cell.start, 5: cell.start}.get(code or 0)
    if code in (3, 130) and cell.command == "rollback":
        wanted = cell.start
    if code == 0 and cell.last_word and all(other.returncode == 0 for other in cell.others):
        wanted = cell.last_word
    if code != 4:
        if wanted is None:
            bad.append(f"exit code {code} is not one of the contract: {err[-300:]}")
        bad += [f"exit {code}, but {name} is on {release}" for name, release in on.items() if release != wanted]
        return bad, False
    return bad + judge_named(body, on), bool(odd)


def brought_along(cell: Cell) -> list[str]:
    """Hosts that ended apart are brought together by one command, once a dead deployer's lock is released: by the one
    that `status --repair` names where a rollback began that only one host knows of (what one host alone says is not
    followed, and what it called bad goes nowhere)."""
    fleet = cell.fleet.fleet
    fleet.deploy("lock", "release", "nginx", "--yes")
    code, body, err = fleet.deploy("status", "nginx", "--repair", "--yes")
    if code == 1 and "deploy rollback nginx finishes it" in err:
        code, body, err = fleet.deploy("rollback", "nginx", "--yes")
    on = {name: look(cell.fleet.root(name)).current for name in cell.fleet.names}
    if code != 0 or len(set(on.values())) > 1 or not wait(cell.fleet.at_rest, 10):
        return [f"the repair exits {code} and leaves {on}: {body.get('error', '')} {err[-300:]}"]
    return []


def majority(on: dict[str, str], cell: Cell) -> str:
    """Of two hosts on two releases, the one that the fleet is meant to be on is the goal once anything is confirmed."""
    return cell.goal if cell.goal in on.values() else cell.start


def judge_status(code: int, odd: set[str]) -> list[str]:
    """`deploy status` must tell a fleet on one release (0) from one that is not (4)."""
    if odd and code == 0:
        return [f"deploy status exits 0 while {', '.join(sorted(odd))} differ(s)"]
    if not odd and code != 0:
        return [f"deploy status exits {code} on a sound fleet"]
    return []


def judge_named(body: dict[str, Any], on: dict[str, str]) -> list[str]:
    """Exit 4: what it calls verified must be so, and what differs from that must be named."""
    hosts = body.get("hosts", {})
    if body.get("result") != "stranded" or not hosts:
        return [f"exit 4 without hosts: {body}"]
    bad = [f"{name} is in no line of the outcome" for name in on if name not in hosts]
    for name, end in hosts.items():
        if end["verified"] and end["release"] != on[name]:
            bad.append(f"{name} is called verified on {end['release']} and is on {on[name]}")
    verified = {end["release"] for end in hosts.values() if end["verified"]}
    if len(verified) > 1:
        bad.append(f"hosts are verified on different releases: {sorted(verified)}")
    if all(end["verified"] for end in hosts.values()):
        bad.append("exit 4, and every host is verified")
    return bad
