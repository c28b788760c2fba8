"""Long outages: a host that missed a deploy is remembered by the ledger and brought along later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.deploy.by_hand import abort, confirm
from deployer.engine.deploy.push import push
from deployer.engine.deploy.repair import lagging, repair
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.engine.survey import survey
from deployer.model.desired import desired
from deployer.model.errors import DeployError, HostError, LockedError, Unreachable
from deployer.model.ledger import Decision, Ended, Intent, quarantined, same_deploy
from deployer.model.outcome import Outcome
from deployer.model.plan import Plan
from deployer.model.state import Order
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, World

NEWER = "bbbbbbbbbb-22222222"


def go(world: World, release: str) -> Outcome:
    package = world.release(release, release.encode())
    return push(world.request, package, world.ports, world.ledger, world.policy)


def gone(world: World, host: str, verbs: tuple[str, ...] = ()) -> None:
    """`host` answers nothing any more (to `verbs`, or at all)."""

    def fault(verb: str, name: str, when: str) -> BaseException | None:
        return Unreachable("no answer within 5 s") if name == host and (not verbs or verb in verbs) else None

    world.hosts.fault = fault


def healed(world: World) -> None:
    world.hosts.fault = lambda verb, host, when: None
    world.settle()


def mended(world: World) -> Outcome:
    return repair(world.request, world.ports, world.ledger, lambda plan: True, lambda wanted: {})


def rolled_back(world: World) -> Outcome:
    outcome, (entry,) = rollback(world.request, world.ports, None, Consent(lambda plan: True), lambda wanted: {})
    world.ledger.append(entry, len(world.ledger.chain))
    return outcome


def behind(world: World) -> dict[str, str]:
    states: dict[str, object] = dict(survey(world.ports, world.fleet))
    return lagging(desired(tuple(world.ledger.chain), "nginx"), states)  # type: ignore[arg-type]


def test_a_host_that_did_not_hear_the_confirm_is_brought_along() -> None:
    """It went back alone; the decision stands; repair activates what lies staged there."""
    world = World()
    gone(world, "web3", ("confirm",))
    assert go(world, NEW).result == "stranded"
    healed(world)
    assert world.running() == {"web1": NEW, "web2": NEW, "web3": ADOPTED}
    assert behind(world) == {"web3": NEW}
    outcome = mended(world)
    assert (outcome.result, outcome.exit_code) == ("deployed", 0)
    assert set(world.running().values()) == {NEW}
    assert {n: e.state for n, e in outcome.hosts.items()} == {
        "web1": "untouched",
        "web2": "untouched",
        "web3": "confirmed",
    }
    assert world.ledger.chain[-1].record == "OUTCOME"
    assert quarantined(tuple(world.ledger.chain), "nginx") == {}
    assert behind(world) == {}
    assert mended(world).result == "unchanged"


def test_a_host_that_slept_through_a_rollback_is_brought_back() -> None:
    """It still serves the release that everybody else left."""
    world = World()
    go(world, NEW)
    go(world, NEWER)
    gone(world, "web2")
    assert rolled_back(world).result == "stranded"
    healed(world)
    assert world.running() == {"web1": NEW, "web2": NEWER, "web3": NEW}
    assert behind(world) == {"web2": NEW}
    assert mended(world).result == "deployed"
    assert set(world.running().values()) == {NEW}
    assert NEWER in quarantined(tuple(world.ledger.chain), "nginx")


def test_a_rollback_to_what_was_adopted() -> None:
    """Each host to its own."""
    world = World()
    go(world, NEW)
    gone(world, "web1")
    assert rolled_back(world).result == "stranded"
    healed(world)
    assert behind(world) == {"web1": ADOPTED}
    assert mended(world).result == "deployed"
    assert set(world.running().values()) == {ADOPTED}


def test_a_push_that_was_undone_leaves_nothing_to_repair() -> None:
    """Nothing was decided: the old release is what everybody should run."""
    world = World()
    go(world, NEW)
    world.probes.bad = NEWER
    gone(world, "web1", ("revert",))
    assert go(world, NEWER).result in ("reverted", "stranded")
    healed(world)
    assert behind(world) == {}


def test_hosts_outside_the_limit_are_not_behind() -> None:
    """A push to some hosts on purpose is no outage."""
    world = World()
    go(world, NEW)
    request = world.request
    world.request = type(request)(**{**request.__dict__, "limit": frozenset({"web1"})})
    go(world, NEWER)
    assert behind(world) == {}
    world.request = request
    assert mended(world).result == "unchanged"


def test_the_next_push_brings_it_along_too() -> None:
    """A host that lags is just a host that changes more."""
    world = World()
    gone(world, "web3", ("confirm",))
    go(world, NEW)
    healed(world)
    assert go(world, NEW).result == "deployed"
    assert set(world.running().values()) == {NEW}


def test_a_host_that_is_still_gone_is_named_and_the_others_are_repaired() -> None:
    world = World()
    gone(world, "web3", ("confirm",))
    go(world, NEW)
    healed(world)
    gone(world, "web2")
    outcome = mended(world)
    assert (outcome.result, outcome.hosts["web2"].state) == ("stranded", "unreachable")
    assert outcome.hosts["web3"].state == "confirmed"
    assert world.running()["web3"] == NEW


def test_repair_refuses_beside_another_deploy_and_without_consent() -> None:
    """Nothing is sent to any host but questions."""
    world = World()
    gone(world, "web3", ("confirm",))
    go(world, NEW)
    healed(world)
    world.hosts.calls.clear()

    def no(plan: Plan) -> bool:
        return False

    with pytest.raises(DeployError, match="not approved"):
        repair(world.request, world.ports, world.ledger, no, lambda wanted: {})
    chain = world.ledger.chain
    intent = next(e for e in chain if e.record == "INTENT")
    world.ledger.chain = [
        *chain,
        replace(intent, deploy="9-ffff", expires=1e12, alive=""),
    ]
    with pytest.raises(LockedError):
        mended(world)
    assert {verb for verb, _ in world.hosts.calls} == {"survey"}


def test_a_host_without_a_state_is_not_lagging() -> None:
    """Unknown is not behind."""
    assert lagging({"web1": NEW}, {"web1": HostError("silent")}) == {}


def test_a_decision_that_was_undone_all_the_same_says_nothing() -> None:
    """Its reply was lost and everything went back, or somebody aborted it: repair must not deploy it unwatched."""
    world = World()
    go(world, NEW)
    old = dict.fromkeys(world.names, NEW)
    new = dict.fromkeys(world.names, NEWER)
    now = world.clock.now()
    intent = Intent("9-beef", "production", "nginx", "push", NEWER, "bob@ci", now, hosts=new)
    decision = same_deploy(Decision, intent, result="commit")
    for entry in (intent, decision, same_deploy(Ended, intent, result="interrupted", hosts=old)):
        world.ledger.append(entry, len(world.ledger.chain))
    assert desired(tuple(world.ledger.chain), "nginx") == old
    assert mended(world).result == "unchanged"


def test_a_host_that_was_left_out_because_it_was_down_is_brought_along() -> None:
    """`--limit` to all that answer; the dead one comes back on the old release and is behind."""
    world = World()
    gone(world, "web3")
    request = world.request
    world.request = replace(request, limit=frozenset({"web1", "web2"}))
    assert go(world, NEW).result == "deployed"
    healed(world)
    assert behind(world) == {"web3": NEW}
    world.request = request
    package = world.release(NEW, NEW.encode()).packages["web3"]
    done = repair(request, world.ports, world.ledger, lambda plan: True, lambda wanted: dict.fromkeys(wanted, package))
    assert done.result == "deployed"
    assert set(world.running().values()) == {NEW}


def test_confirming_a_part_of_the_fleet_is_not_done() -> None:
    """The canary is pending, the others were never touched: kept, and named as apart."""
    world = World()
    machine = world.machines["web1"]
    machine.releases[NEW] = {}
    world.hosts.activate(world.fleet[0], Order("2-beef", 2, "push", NEW, 60))
    world.intend("2-beef", NEW)
    outcome, (entry,) = confirm(world.request, world.ports, world.ledger.read)
    assert (outcome.result, outcome.exit_code) == ("stranded", 4)
    assert outcome.error == f"web1: runs {NEW}; web2: runs {ADOPTED}; web3: runs {ADOPTED}"
    assert entry.hosts == {"web1": NEW, "web2": ADOPTED, "web3": ADOPTED}


def test_an_abort_that_is_not_heard_at_once_is_asked_again() -> None:
    """The first answer is lost and the host is still pending when it is read back."""
    world = World()
    world.machines["web1"].releases[NEW] = {}
    world.hosts.activate(world.fleet[0], Order("2-beef", 2, "push", NEW, 60))
    lost = iter([Unreachable("no answer within 5 s")])

    def fault(verb: str, name: str, when: str) -> BaseException | None:
        return next(lost, None) if (verb, name, when) == ("revert", "web1", "before") else None

    world.hosts.fault = fault
    outcome, _ = abort(world.request, world.ports)
    assert outcome.result == "reverted"
    assert set(world.running().values()) == {ADOPTED}
