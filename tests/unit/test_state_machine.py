"""Sequences of commands by several people, with deaths, drops and lost git: the way back is never the wrong way.

The oracle knows which releases are bad, because it made them, and nothing of how a target is found. SEQUENCES
says how many sequences are run (CONTRIBUTING).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployer.engine.deploy.by_hand import abort, confirm
from deployer.engine.deploy.push import push
from deployer.engine.deploy.repair import repair
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.errors import DeployError, LedgerUnavailable, Unreachable
from deployer.model.ledger import Entry, quarantined
from deployer.model.outcome import Outcome
from deployer.model.release import Package
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import World

SEQUENCES = int(os.environ.get("SEQUENCES", "150"))
READS = ("survey", "check", "stage", "prune")


class Killed(BaseException):
    """SIGKILL: no handler of ours runs."""


class Chaos:
    """What befalls one command: `strike` is called once, at the `at`-th call to a host, before or after its effect."""

    def __init__(self, machine: Fleet, at: int, when: str, strike: Callable[[], BaseException | None]) -> None:
        self.machine, self.at, self.when, self.strike = machine, at, when, strike
        self.seen, self.changed, self.fired = 0, False, False

    def __call__(self, verb: str, host: str, when: str) -> BaseException | None:
        if host in self.machine.down:
            return Unreachable("no answer within 5 s", sent=False)
        self.seen += when == "before"
        self.changed |= verb not in READS and when == "after"
        if self.seen == self.at and when == self.when and not self.fired:
            self.fired = True
            return self.strike()
        return None


def nothing() -> BaseException | None:
    return None


AT = st.integers(1, 40)
WHEN = st.sampled_from(["before", "after"])
HOST = st.sampled_from(["web1", "web2", "web3"])


class Fleet(RuleBasedStateMachine):
    """bad: what visitors would suffer from, whether the gate sees it or not. newest: what was last asked of the fleet
    (`push` of a release, or `rollback`), if it reached a host. down: hosts that do not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.bad: set[str] = set()
        self.down: set[str] = set()
        self.made = 0
        self.newest = ("", "")
        self.files: dict[str, bytes] = {}

    @initialize()
    def begin(self) -> None:
        """A first good release, on every host."""
        self.push_release(self.make(bad=False), nothing_of(self))
        assert set(self.world.running().values()) == {self.newest[1]}

    # --- what is done

    def make(self, bad: bool) -> str:
        """A release nobody has seen."""
        self.made += 1
        name = f"{self.made:010x}-{self.made:08x}"
        self.files[name] = name.encode()
        if bad:
            self.bad.add(name)
        return name

    def packages(self, wanted: dict[str, str]) -> dict[str, Package]:
        """From git, while it is there."""
        if self.git_gone:
            return {}
        known = {host: release for host, release in wanted.items() if release in self.files}
        return {host: self.world.release(r, self.files[r]).packages[host] for host, r in known.items()}

    @property
    def git_gone(self) -> bool:
        return self.world.ledger.fault("read", "before") is not None

    def run(self, chaos: Chaos, command: Callable[[], Outcome]) -> Outcome | None:
        """None: it was refused, or its process died."""
        before, self.world.hosts.fault = self.world.hosts.fault, chaos
        try:
            return command()
        except (DeployError, Killed):
            return None
        finally:
            self.world.hosts.fault = before

    def back_fill(self) -> None:
        """What push and repair do first: records that were kept on this machine."""
        ledger = self.world.ledger
        while ledger.aside and not self.git_gone:
            ledger.append(ledger.aside.pop(0), len(ledger.chain))

    def push_release(self, release: str, chaos: Chaos, seen: bool = False) -> Outcome | None:
        world = self.world
        world.probes.bad = release if seen else ""

        def command() -> Outcome:
            self.back_fill()
            return push(
                world.request, world.release(release, self.files[release]), world.ports, world.ledger, world.policy
            )

        outcome = self.run(chaos, command)
        world.probes.bad = ""
        if chaos.changed:
            self.newest = ("push", release)
        return outcome

    def roll_back(self, chaos: Chaos, further: bool = False, to: str | None = None) -> Outcome | None:
        def record(entries: tuple[Entry, ...]) -> None:
            for entry in entries:
                if self.git_gone:
                    self.world.ledger.put_aside(entry)
                else:
                    self.world.ledger.append(entry, len(self.world.ledger.chain))

        def command() -> Outcome:
            consent = Consent(lambda plan: True, lambda aim, apart: further)
            outcome, entries = rollback(
                self.world.request, self.world.ports, to, consent, self.packages, self.world.ledger.read
            )
            record(entries)
            return outcome

        outcome = self.run(chaos, command)
        if chaos.changed:
            self.newest = ("rollback", "")
        return outcome

    def unknown(self) -> set[str]:
        """Bad releases that were confirmed somewhere, and that nobody has called bad yet."""
        lines = {line.release for m in self.world.machines.values() for line in m.history}
        return (lines | {m.target for m in self.world.machines.values()}) & self.bad - self.called_bad()

    def at_rest(self) -> bool:
        """Every host answers and has nothing in flight."""
        return not self.down and all(m.phase == "idle" for m in self.world.machines.values())

    def may_roll_back(self) -> bool:
        """A person does when what was asked for last harms visitors, or again; not for what a deploy before it did, and
        not while every host that knows of it is gone."""
        command, release = self.newest
        seen = {name: m.fence for name, m in self.world.machines.items()}
        if max(seen.values()) not in [fence for name, fence in seen.items() if name not in self.down]:
            return False
        harms = any(release in (m.loaded, m.current) for n, m in self.world.machines.items() if n not in self.down)
        return command == "rollback" or (command == "push" and release in self.bad and harms)

    def check_back(self, outcome: Outcome | None) -> None:
        """Exit 0: every host is on a release that is good."""
        if outcome is None or outcome.exit_code != 0:
            return
        ends = self.world.running()
        assert len(set(ends.values())) == 1, ends
        assert not set(ends.values()) & self.bad, (outcome, ends)

    def repeat(self) -> None:
        """The same command once more changes nothing."""
        before, ends = len(self.world.ledger.chain), self.world.running()
        chaos = nothing_of(self)
        outcome = self.roll_back(chaos)
        assert outcome is not None
        assert (outcome.result, chaos.changed) == ("unchanged", False), outcome
        assert (len(self.world.ledger.chain), self.world.running()) == (before, ends)

    # --- what may happen

    @rule(at=AT, when=WHEN, dies=st.booleans(), forward=st.booleans())
    def push_a_good_one(self, at: int, when: str, dies: bool, forward: bool) -> None:
        """forward: over a bad one that nobody has called bad."""
        if self.unknown() and not forward:
            return
        outcome = self.push_release(self.make(bad=False), Chaos(self, at, when, Killed if dies else nothing))
        if outcome is not None and outcome.exit_code == 0:
            assert set(self.world.running().values()) == {self.newest[1]}

    @precondition(lambda self: not self.unknown())
    @rule(at=AT, when=WHEN, dies=st.booleans(), seen=st.booleans())
    def push_a_bad_one(self, at: int, when: str, dies: bool, seen: bool) -> None:
        """seen: the gate finds it; else the visitors do."""
        self.push_release(self.make(bad=True), Chaos(self, at, when, Killed if dies else nothing), seen)

    @precondition(may_roll_back)
    @rule()
    def roll_back_whole(self) -> None:
        outcome = self.roll_back(nothing_of(self))
        self.check_back(outcome)
        if outcome is not None and outcome.exit_code == 0:
            self.repeat()

    @precondition(may_roll_back)
    @rule(at=AT, when=WHEN)
    def roll_back_and_die(self, at: int, when: str) -> None:
        self.check_back(self.roll_back(Chaos(self, at, when, Killed)))

    @precondition(may_roll_back)
    @rule(at=AT, when=WHEN, host=HOST)
    def roll_back_while_a_host_drops(self, at: int, when: str, host: str) -> None:
        def strike() -> BaseException | None:
            self.down.add(host)
            return nothing()

        self.check_back(self.roll_back(Chaos(self, at, when, strike)))

    @precondition(may_roll_back)
    @rule(at=AT, when=WHEN, later=AT, dies=st.booleans())
    def two_people_roll_back(self, at: int, when: str, later: int, dies: bool) -> None:
        """The second one's whole command, or what he lives to do of it, comes between two calls of the first one's."""

        def strike() -> BaseException | None:
            self.check_back(self.roll_back(Chaos(self, later, when, Killed if dies else nothing)))
            return None

        outcome = self.roll_back(Chaos(self, at, when, strike))
        self.check_back(outcome)
        if outcome is not None and outcome.exit_code == 0 and self.at_rest():
            self.repeat()

    @precondition(lambda self: not self.unknown())
    @rule(at=AT, when=WHEN)
    def roll_back_a_live_push(self, at: int, when: str) -> None:
        """A bad push, and a rollback in the middle of it."""

        def strike() -> BaseException | None:
            if any(m.phase != "idle" and m.target == release for m in self.world.machines.values()):
                self.newest = ("push", release)
                self.check_back(self.roll_back(nothing_of(self)))
            return None

        release = self.make(bad=True)
        self.push_release(release, Chaos(self, at, when, strike))

    @precondition(lambda self: self.newest[0] == "rollback" and self.at_rest() and not self.unknown())
    @rule()
    def one_further(self) -> None:
        """All are where a rollback left them, and a person finds that this is bad, too."""
        ends = set(self.world.running().values())
        outcome = self.roll_back(nothing_of(self))
        if outcome is None or outcome.result != "unchanged" or ends == {ADOPTED}:
            return
        self.bad |= ends
        self.check_back(self.roll_back(nothing_of(self), further=True))

    @rule()
    def abort(self) -> None:
        def command() -> Outcome:
            outcome, entries = abort(self.world.request, self.world.ports, self.world.ledger.read)
            for entry in entries:
                self.world.ledger.append(entry, len(self.world.ledger.chain))
            return outcome

        if not self.git_gone:
            self.run(nothing_of(self), command)

    @precondition(lambda self: all(m.target not in self.bad for m in self.world.machines.values() if m.phase != "idle"))
    @rule()
    def confirm(self) -> None:
        """Nobody confirms what he knows to be bad."""

        def command() -> Outcome:
            outcome, entries = confirm(self.world.request, self.world.ports, self.world.ledger.read)
            for entry in entries:
                self.world.ledger.append(entry, len(self.world.ledger.chain))
            return outcome

        if not self.git_gone:
            self.run(nothing_of(self), command)

    @rule(at=AT, when=WHEN, dies=st.booleans())
    def repair(self, at: int, when: str, dies: bool) -> None:
        known = self.called_bad()
        before = {name for name, m in self.world.machines.items() if m.good in known}

        def command() -> Outcome:
            self.back_fill()
            world = self.world
            return repair(world.request, world.ports, world.ledger, lambda plan: True, self.packages)

        self.run(Chaos(self, at, when, Killed if dies else nothing), command)
        after = {name for name, m in self.world.machines.items() if m.good in known}
        assert after <= before, f"repaired to what was called bad: {after - before}"

    @rule(host=HOST)
    def drop(self, host: str) -> None:
        self.down.add(host)

    @rule()
    def all_return(self) -> None:
        self.down.clear()

    @rule()
    def git_goes(self) -> None:
        self.world.ledger.fault = lambda verb, when: LedgerUnavailable("git is gone")

    @rule()
    def git_returns(self) -> None:
        self.world.ledger.fault = lambda verb, when: None

    @rule(seconds=st.sampled_from([5, 40, 600]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.sleep(seconds)

    # --- what must hold

    def called_bad(self) -> set[str]:
        """Releases that the hosts or the ledger know as bad."""
        lines = {line.release for m in self.world.machines.values() for line in m.history if line.command == "away"}
        return lines | set(quarantined(tuple(self.world.ledger.chain), "nginx"))

    @invariant()
    def no_good_one_is_called_bad(self) -> None:
        assert self.called_bad() <= self.bad, self.called_bad() - self.bad

    def teardown(self) -> None:
        """Everything returns, watchdogs have acted, and whoever rolls back ends well."""
        self.all_return()
        self.git_returns()
        self.world.clock.sleep(600)
        if self.newest[0] and self.may_roll_back():
            outcome = self.roll_back(nothing_of(self))
            assert outcome is not None
            assert outcome.exit_code == 0, outcome
            self.check_back(outcome)
            self.repeat()
        self.back_fill()
        self.no_good_one_is_called_bad()


def nothing_of(machine: Fleet) -> Chaos:
    """Nothing befalls it."""
    return Chaos(machine, 0, "before", nothing)


Fleet.TestCase.settings = settings(
    max_examples=SEQUENCES,
    stateful_step_count=15,
    deadline=None,
    derandomize=SEQUENCES == 150,
    phases=[Phase.generate, Phase.shrink] if SEQUENCES == 150 else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)
test_sequences = Fleet.TestCase
