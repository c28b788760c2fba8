"""Push on fakes: order of things, lock, quarantine, refusals, late confirmation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.plan import plan_push
from deployer.engine.deploy.push import push
from deployer.engine.deploy.request import Turn
from deployer.model.errors import DeployError, LedgerUnavailable, LockedError, Refused, Unreachable
from deployer.model.events import Notice
from deployer.model.ledger import Ended, Intent
from deployer.model.outcome import Outcome
from deployer.model.state import Confirmed
from tests.fakes.executor import Queue
from tests.fakes.hosts import ADOPTED, Machine
from tests.fakes.world import NEW, SIZES, ThreeTicks, World


def go(world: World, release: str = NEW) -> Outcome:
    """Push `release` with the world's policy."""
    return push(world.request, world.release(release), world.ports, world.ledger, world.policy)


@pytest.mark.parametrize("hosts", SIZES)
def test_a_healthy_push_ends_with_every_host_verified(hosts: int) -> None:
    """Three records, all hosts confirmed, exit 0; stage and check come before the first activation."""
    world = World.of(hosts)
    outcome = go(world)
    assert (outcome.result, outcome.exit_code) == ("deployed", 0)
    assert all(end.state == "confirmed" and end.verified for end in outcome.hosts.values())
    assert [e.record for e in world.ledger.chain] == ["INTENT", "DECISION", "OUTCOME"]
    verbs = [verb for verb, _ in world.hosts.calls]
    assert verbs.index("activate") > max(i for i, v in enumerate(verbs) if v == "check")
    assert verbs.index("confirm") > max(i for i, v in enumerate(verbs) if v == "activate")


@pytest.mark.parametrize("hosts", SIZES)
def test_an_unchanged_fleet_writes_nothing(hosts: int) -> None:
    """Nothing to do: exit 0, no record, no verb but survey."""
    world = World.of(hosts)
    go(world)
    records, world.hosts.calls[:] = len(world.ledger.chain), []
    outcome = go(world)
    assert (outcome.result, outcome.exit_code) == ("unchanged", 0)
    assert len(world.ledger.chain) == records
    assert {verb for verb, _ in world.hosts.calls} == {"survey"}


@pytest.mark.parametrize("hosts", SIZES)
def test_a_regression_touches_only_the_canary(hosts: int) -> None:
    """Exit 3, the canary is back and verified, the others were never activated, the reason names the figures."""
    world = World.of(hosts)
    world.probes.bad = NEW
    outcome = go(world)
    assert (outcome.result, outcome.exit_code) == ("reverted", 3)
    assert outcome.hosts["web1"].state == "reverted"
    assert {end.state for name, end in outcome.hosts.items() if name != "web1"} <= {"untouched"}
    assert set(outcome.hosts) == set(world.names)
    assert all(end.verified for end in outcome.hosts.values())
    assert ("activate", "web2") not in world.hosts.calls
    assert outcome.verdict is not None
    assert outcome.verdict.ruling == "regressed"
    assert set(world.running().values()) == {ADOPTED}


def test_no_data_is_never_healthy() -> None:
    """Silent probes: inconclusive, reverted."""
    world = World()
    world.probes.silent = True
    outcome = go(world)
    assert outcome.exit_code == 3
    assert outcome.verdict is not None
    assert outcome.verdict.ruling == "inconclusive"


@pytest.mark.parametrize("hosts", SIZES)
def test_a_reverted_release_is_quarantined(hosts: int) -> None:
    """The next CI run may not push it again; --allow-quarantined may."""
    world = World.of(hosts)
    world.probes.bad = NEW
    go(world)
    with pytest.raises(DeployError, match="quarantined"):
        go(world)
    world.probes.bad = ""
    world.request = replace(world.request, allow_quarantined=True)
    assert go(world).result == "deployed"
    world.request = replace(world.request, allow_quarantined=False)
    assert go(world).result == "unchanged"


@pytest.mark.parametrize(("broken", "code"), [(("activate", "revert"), 3), (("activate",), 3), (("revert",), 4)])
def test_a_disk_that_is_full_at_the_switch(broken: tuple[str, ...], code: int) -> None:
    """Nothing was switched there, and that is read back; exit 4 only where the new release cannot be taken away."""
    world = World()

    def full(verb: str, host: str, when: str) -> BaseException | None:
        return (
            Refused("cannot write the fence", "disk") if (host, when) == ("web1", "before") and verb in broken else None
        )

    world.hosts.fault = full
    world.probes.bad = NEW
    outcome = go(world)
    assert outcome.exit_code == code, outcome.error
    assert (world.running()["web1"] == ADOPTED) is (code == 3)


def test_a_full_disk_whose_activation_may_yet_come() -> None:
    """The activation was never answered and the revert cannot be written down: that is said."""
    world = World()

    def lost(verb: str, host: str, when: str) -> BaseException | None:
        if host != "web1" or when != "before":
            return None
        return {"activate": Unreachable("no answer"), "revert": Refused("cannot write", "disk")}.get(verb)

    world.hosts.fault = lost
    outcome = go(world)
    assert outcome.exit_code == 4
    assert "web1: cannot write" in outcome.error


def test_an_open_intent_is_the_lock() -> None:
    """Exit 5 naming the holder; nothing is asked of any host."""
    world = World()
    now = world.clock.now()
    world.ledger.chain.append(
        Intent("1-beef", "production", "nginx", "push", NEW, "bob@ci", now, 1, why="hotfix", expires=now + 60)
    )
    with pytest.raises(LockedError, match=r"1-beef by bob@ci .*hotfix"):
        go(world)
    assert not world.hosts.calls
    world.clock.sleep(61)
    assert go(world).result == "deployed"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Machine(adopted=False, dest="foreign"), "not adopted"),
        (Machine(adopted=False, dest="absent"), "does not exist"),
        (Machine(drift=("M nginx.conf",)), "differs from its release: M nginx.conf"),
        (Machine(phase="pending", deploy="9-aaaa", deadline=9e9), "deploy 9-aaaa is pending"),
        (Machine(alarm="good does not validate"), "alarm"),
        (Machine(loaded=""), "nothing that can be proven"),
    ],
)
def test_a_host_that_is_not_understood_is_a_refusal(change: Machine, text: str) -> None:
    """Refused before anything is changed, naming the host."""
    world = World()
    world.machines["web2"] = world.hosts.machines["web2"] = change
    with pytest.raises(DeployError, match=text) as caught:
        go(world)
    assert "web2" in caught.value.message
    assert {verb for verb, _ in world.hosts.calls} == {"survey"}
    assert not world.ledger.chain


def test_a_restart_that_is_not_allowed_is_refused_before_anything() -> None:
    """The host weighs it: plan and push name every host, folded by reason, and nothing is activated."""
    world = World()
    world.machines["web1"].changes[NEW] = "restart: the port changes"
    world.machines["web2"].changes[NEW] = "lasting: the cache is rebuilt"
    world.machines["web3"].changes[NEW] = "restart: the port changes; cold: so does the key"
    for run in (lambda: plan_push(world.request, world.release(), world.ports), lambda: go(world)):
        with pytest.raises(DeployError) as caught:
            run()
        assert "web1, web3: the port changes; web2: the cache is rebuilt" in caught.value.message
        assert "restart: allow" in caught.value.hint
    assert not {"activate", "revert"} & {verb for verb, _ in world.hosts.calls}
    assert [e.record for e in world.ledger.chain] == ["INTENT", "OUTCOME"]


def test_what_a_release_costs_is_known_before() -> None:
    """Where restarts are allowed plan and push say which, why, and what becomes of the cache."""
    world = World()
    world.machines["web1"].changes[NEW] = "restart: the port changes"
    world.machines["web2"].changes[NEW] = "lasting: the cache is rebuilt"
    world.machines["web3"].changes[NEW] = "cold: the key changes"
    allowed = world.request.playbook.model_copy(update={"restart": "allow"})
    world.request = replace(world.request, playbook=allowed)
    plan = plan_push(world.request, world.release(), world.ports)
    assert [(p.cost.action, p.cost.lasting, p.cost.cold) for p in plan.hosts.values()] == [
        ("restart", False, ""),
        ("restart", True, "the cache is rebuilt"),
        ("reload", False, "the key changes"),
    ]
    assert "web1: needs a restart: the port changes" in plan.warnings[-3]
    assert "going back does not bring back" in plan.warnings[-1]
    go(world)
    said = [e.text for e in world.events if isinstance(e, Notice)]
    assert "web1: needs a restart: the port changes" in said
    assert "web3: the cache starts empty: the key changes" in said


def test_a_check_that_fails_anywhere_activates_nowhere() -> None:
    """The lock is given back and the host named with the validator's message."""
    world = World()
    world.machines["web3"].invalid.add(NEW)
    with pytest.raises(DeployError, match=r"web3: unknown directive in conf.d/shop.conf:3"):
        go(world)
    assert "activate" not in {verb for verb, _ in world.hosts.calls}
    assert [e.record for e in world.ledger.chain] == ["INTENT", "OUTCOME"]
    world.machines["web3"].invalid.clear()
    assert go(world).result == "deployed"


def test_never_loaded_is_reverted_and_quarantined() -> None:
    """A release that validates and never becomes live is the release's fault."""
    world = World()
    world.machines["web1"].never_loads.add(NEW)
    outcome = go(world)
    assert outcome.exit_code == 3
    assert "does not have" in outcome.error
    with pytest.raises(DeployError, match="quarantined"):
        go(world)


def test_limit_leaves_the_others_as_control() -> None:
    """Only limited hosts are planned."""
    world = World()
    world.request = replace(world.request, limit=frozenset({"web2"}))
    plan = plan_push(world.request, world.release(), world.ports)
    assert (tuple(plan.hosts), plan.waves, plan.control) == (("web2",), (("web2",),), ("web1", "web3"))
    assert plan.hosts["web2"].changes == {"nginx.conf": "changed"}


def test_approval_is_asked_before_the_lock() -> None:
    """No: nothing was written, nothing was changed."""
    world = World()
    world.policy = replace(world.policy, approve=lambda plan: False)
    with pytest.raises(DeployError, match="not approved"):
        go(world)
    assert not world.ledger.chain


def test_the_ledger_moving_before_the_lock_is_looked_at_again() -> None:
    """Another playbook's record between our read and our INTENT: plan again, then go on."""
    world = World()
    moved: list[int] = []

    def other_playbook(verb: str, when: str) -> None:
        if verb == "INTENT" and when == "before" and not moved:
            moved.append(1)
            world.ledger.chain.append(Ended("1-aaaa", "production", "varnish", "push", NEW, "bob", 0.0, 1))

    world.ledger.fault = other_playbook  # type: ignore[assignment]
    assert go(world).result == "deployed"
    assert [e.record for e in world.ledger.chain] == ["OUTCOME", "INTENT", "DECISION", "OUTCOME"]


def test_a_host_silent_at_the_confirm_is_named() -> None:
    """Exit 4; the message says when the host settles."""
    world = World()
    from deployer.model.errors import Unreachable

    def silent(verb: str, host: str, when: str) -> BaseException | None:
        decided = any(e.record == "DECISION" for e in world.ledger.chain)
        return Unreachable("no answer within 5 s") if decided and host == "web3" else None

    world.hosts.fault = silent
    outcome = go(world)
    assert outcome.exit_code == 4
    assert outcome.hosts["web3"].state == "unreachable"
    assert "back on its old release by" in outcome.hosts["web3"].error


def test_leases_are_renewed_while_watching() -> None:
    """A bake longer than the lease: the hosts stay pending because we live."""
    world = World()

    class Slow(world.policy.gate):  # type: ignore[name-defined,misc]
        def observe(self, sample):  # type: ignore[no-untyped-def]
            self.ticks -= sample.t < 100
            return super().observe(sample)

    book = world.request.playbook.model_copy(update={"bake": 120.0})
    world.request = replace(world.request, playbook=book)
    world.policy = replace(world.policy, gate=Slow)
    assert go(world).result == "deployed"
    assert sum(verb == "extend" for verb, _ in world.hosts.calls) > 5


def test_adopt_makes_the_first_release() -> None:
    """Adopted hosts can be pushed to; a second adopt changes nothing."""
    world = World()
    for machine in world.machines.values():
        machine.adopted, machine.dest, machine.good, machine.history = False, "foreign", "", []
    outcome = adopt(world.request, world.ports, world.ledger)
    assert (outcome.result, outcome.release) == ("deployed", ADOPTED)
    assert adopt(world.request, world.ports, world.ledger).result == "unchanged"
    assert go(world).result == "deployed"
    assert not [e for e in world.events if isinstance(e, Notice) and e.level == "alarm"]


def test_old_releases_are_pruned_after_the_push() -> None:
    """keep_releases of them stay; a host that cannot prune does not undo the deploy."""
    world = World()
    world.hosts.fault = lambda verb, host, when: ValueError("boom") if (verb, host) == ("prune", "web2") else None
    for number in range(1, 9):
        assert go_with(world, f"{number:010x}-{number:08x}").result == "deployed"
    assert len(world.machines["web1"].releases) == world.request.playbook.keep_releases
    assert len(world.machines["web2"].releases) == 9


def go_with(world: World, release: str) -> Outcome:
    return push(world.request, world.release(release, release.encode()), world.ports, world.ledger, world.policy)


def test_a_rollback_that_only_the_hosts_remember_is_recorded() -> None:
    """The laptop it was run on is gone: the next push writes it, and heeds its quarantine."""
    world = World()
    old, new = "0000000001-00000001", "0000000002-00000002"
    go_with(world, old)
    go_with(world, new)
    for machine in world.machines.values():
        machine.current = machine.good = machine.loaded = old
        machine.fence = 9
        machine.history.append(Confirmed(9, "rollback", old))
    with pytest.raises(DeployError, match="quarantined"):
        go_with(world, new)
    entry = world.ledger.chain[-1]
    assert (entry.command, entry.deploy, entry.release, entry.previous) == ("rollback", "9-0000", old, new)
    assert set(entry.hosts) == set(world.names)
    records = len(world.ledger.chain)
    assert go_with(world, "0000000003-00000003").deploy.startswith("10-")
    assert [e.record for e in world.ledger.chain[records:]] == ["INTENT", "DECISION", "OUTCOME"]


@pytest.mark.parametrize(("failures", "result"), [(1, "deployed"), (10**6, "reverted")])
def test_the_decision_stands_on_leases_renewed_just_now(failures: int, result: str) -> None:
    """A host that has fallen silent by then would go back alone: it is asked again, and without it nothing is decided."""
    world, left = World(), [failures]

    def deaf(verb: str, host: str, when: str) -> BaseException | None:
        if (verb, host, when) != ("extend", "web3", "before") or not left[0]:
            return None
        left[0] -= 1
        return Unreachable("no answer within 5 s")

    world.hosts.fault = deaf
    outcome = go(world)
    assert outcome.result == result
    assert any(entry.record == "DECISION" for entry in world.ledger.chain) == (result == "deployed")
    assert len(set(world.running().values())) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_while_taking_the_lock(when: str) -> None:
    """Written or not, it is no lock afterwards: exit 130, nothing changed, and the next push begins."""
    world = World()
    world.ledger.fault = lambda verb, w: world.stop.ask() if (verb, w) == ("INTENT", when) else None
    outcome = go(world)
    assert (outcome.result, outcome.exit_code) == ("interrupted", 130)
    assert set(world.running().values()) == {ADOPTED}
    world.ledger.fault, world.stop.count = lambda verb, w: None, 0
    assert go(world).result == "deployed"


def test_a_lock_whose_reply_was_lost_is_given_back() -> None:
    """git took the INTENT and the connection died: refused, and nobody holds the lock."""
    world = World()
    world.ledger.fault = lambda verb, when: (
        LedgerUnavailable("the remote is gone") if (verb, when) == ("INTENT", "after") else None
    )
    with pytest.raises(LedgerUnavailable):
        go(world)
    world.ledger.fault = lambda verb, when: None
    assert go(world).result == "deployed"


def test_an_outcome_that_cannot_be_written_at_all_is_still_told() -> None:
    """Our own disk is full: kept, an alarm, and the exit code of what was done."""
    world = World()
    world.ledger.fault = lambda verb, when: OSError(28, "No space left on device") if verb == "OUTCOME" else None
    outcome = go(world)
    assert outcome.exit_code == 0
    assert [entry.record for entry in world.ledger.aside] == ["OUTCOME"]
    assert any(isinstance(e, Notice) and e.level == "alarm" and "No space left" in e.text for e in world.events)


def test_who_hears_no_revert_is_not_kept_from_going_back() -> None:
    """Leases are renewed as long as there is something to keep: not once everything is to be undone."""
    world = World()
    world.probes.bad = NEW

    def deaf(verb: str, host: str, when: str) -> BaseException | None:
        return Unreachable("no answer") if (verb, host, when) == ("revert", "web1", "before") else None

    world.hosts.fault = deaf
    outcome = go(world)
    verbs = [verb for verb, host in world.hosts.calls if host == "web1"]
    assert "extend" not in verbs[verbs.index("revert") :]
    assert world.running()["web1"] == ADOPTED
    assert outcome.hosts["web1"].verified or outcome.exit_code == 4


def test_hosts_outside_the_limit_are_compared_with() -> None:
    """They keep the old release; one that is ill, drained or on the new release already is not."""
    world = World()
    turns: list[Turn] = []
    ill: set[str] = set()

    class Wary(ThreeTicks):
        def suspicion(self) -> str:
            return ", ".join(sorted(ill & {*self.turn.control}))

    def gate(turn: Turn) -> ThreeTicks:
        turns.append(turn)
        return Wary(turn)

    world.policy = replace(world.policy, gate=gate)
    world.request = replace(world.request, limit=frozenset({"web1"}))
    assert go(world).result == "deployed"
    assert [turn.control for turn in turns] == [("web2", "web3")]
    turns.clear()
    world.request = replace(world.request, limit=frozenset({"web2"}))
    ill.add("web3")
    assert go(world).result == "deployed"
    assert [turn.control for turn in turns] == [("web3",), ()], "web1 has the release, web3 is ill"
    assert any(isinstance(e, Notice) and "not compared with web3" in e.text for e in world.events)


@pytest.mark.parametrize(
    ("busy", "says"),
    [
        ("", "ill before any change: web1 is down"),
        (
            "this machine was too busy to measure in 9 of 10 s",
            "this machine was too busy to measure in 9 of 10 s: nothing",
        ),
    ],
)
def test_a_refusal_before_any_change_says_whose_fault_it_is(busy: str, says: str) -> None:
    """Hosts that are ill, or the machine that should have measured them: of those nothing is known then."""
    world = World()

    class Doubtful(ThreeTicks):
        def suspicion(self) -> str:
            return busy or "web1 is down"

        def busy(self) -> str:
            return busy

    world.policy = replace(world.policy, gate=Doubtful)
    with pytest.raises(DeployError) as caught:
        go(world)
    assert caught.value.message.startswith(f"cannot push {NEW}: {says}")
    assert ("deploy check" in caught.value.hint) == (not busy)
    assert set(world.running().values()) == {ADOPTED}


def test_a_plan_without_a_control_says_so() -> None:
    """One wave of everything; and a limit whose other hosts have the release already."""
    world = World()
    assert not any("compare with" in text for text in plan_push(world.request, world.release(), world.ports).warnings)
    book = world.request.playbook.model_copy(update={"serial": ("100%",)})
    plan = plan_push(replace(world.request, playbook=book), world.release(), world.ports)
    assert "no host keeps the old release to compare with" in plan.warnings[-1]
    assert "serial: [1, 100%]" in plan.warnings[-1]
    world.request = replace(world.request, limit=frozenset({"web1", "web2"}))
    go(world)
    plan = plan_push(replace(world.request, limit=frozenset({"web3"})), world.release(), world.ports)
    assert "no host keeps the old release to compare with" in plan.warnings[-1]


def test_every_host_is_put_back_before_any_is_read_back() -> None:
    """Serving the old release comes first: with one worker for three hosts, three reverts, then three questions."""
    world = World()
    book = world.request.playbook.model_copy(update={"serial": ("100%",)})
    world.request = replace(world.request, playbook=book)
    world.probes.bad = NEW
    one = Queue(world.clock, 1)
    world.ports = replace(world.ports, executor=one, urgent=one)
    assert go(world).exit_code == 3
    asked = [call for call in world.hosts.calls if call[0] != "extend"]
    first = asked.index(("revert", "web1"))
    assert [verb for verb, _ in asked[first : first + 6]] == ["revert"] * 3 + ["survey"] * 3
