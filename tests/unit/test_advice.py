"""What is advised after exit 4 fits what the hosts are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.push import push
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.errors import DeployError, Refused, Unreachable
from deployer.model.outcome import HostOutcome, advice
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import NEW, World


def test_advice_by_what_the_hosts_are() -> None:
    """What has nothing pending does not settle by itself."""
    fine = HostOutcome("confirmed", NEW, verified=True)
    pending, silent, failed = HostOutcome("pending"), HostOutcome("unreachable"), HostOutcome("failed")
    assert advice({"a": fine, "b": pending}, "go") == "wait for b to settle at the time named above, then go"
    assert advice({"a": silent, "b": pending}, "go") == "when a can be reached again, go"
    assert advice({"a": silent, "b": failed}, "go") == "mend b (deploy status shows what is wrong there), then go"
    assert advice({"a": fine}, "go") == "go"


def test_a_canary_that_its_bad_release_took_down() -> None:
    """The others were never touched, and know that the push went back: a rollback leaves them where they are."""
    world = World()
    good = world.release("bbbbbbbbbb-22222222", b"good\n")
    assert push(world.request, good, world.ports, world.ledger, world.policy).result == "deployed"
    world.probes.bad = NEW
    gone: list[str] = []

    def fault(verb: str, host: str, when: str) -> BaseException | None:
        if (verb, when) == ("activate", "after"):
            gone.append(host)
        return Unreachable("no answer within 5 s") if host in gone else None

    world.hosts.fault = fault
    outcome = push(world.request, world.release(), world.ports, world.ledger, world.policy)
    assert (outcome.result, outcome.hint) == ("stranded", "when web1 can be reached again, run deploy status")
    for _ in range(2):
        back, entries = rollback(world.request, world.ports, None, Consent(lambda plan: True), lambda wanted: {})
        assert (back.result, back.release) == ("stranded", good.id)
        assert {world.machines[name].good for name in ("web2", "web3")} == {good.id}
        assert [entry.previous for entry in entries] == [""]
        assert back.hint == "when web1 can be reached again, run deploy rollback again: it finishes this one"


def test_an_adoption_that_every_host_refuses_touched_nothing() -> None:
    """Exit 1, and no record; where one took it, or one is not known, a human is needed."""
    world = World()
    for machine in world.machines.values():
        machine.adopted, machine.dest, machine.good, machine.history, machine.fence = False, "absent", "", [], 0
    for _ in range(2):
        with pytest.raises(DeployError, match="cannot adopt: web1: dest does not exist; web2") as caught:
            adopt(world.request, world.ports, world.ledger)
        assert (caught.value.exit_code, world.ledger.chain) == (1, [])
    world.machines["web2"].dest = "foreign"
    assert adopt(world.request, world.ports, world.ledger).exit_code == 4
    assert world.machines["web2"].good == ADOPTED


def test_an_adoption_whose_answer_was_lost_may_have_touched_something() -> None:
    """Read back as adopted: not exit 1."""
    world = World(("web1",))
    machine = world.machines["web1"]
    machine.adopted, machine.dest, machine.good, machine.history, machine.fence = False, "foreign", "", [], 0
    lost: list[Exception] = [Refused("no space", "disk")]
    world.hosts.fault = lambda verb, host, when: lost.pop() if (verb, when) == ("adopt", "after") and lost else None
    assert adopt(world.request, world.ports, world.ledger).exit_code == 4


def test_a_release_that_is_not_blamed_may_be_pushed_again() -> None:
    """No evidence, or a host that was lost: what to do is said, and it is not "mend the release"."""
    for case in ("silent", "lost"):
        world = World()
        if case == "silent":
            world.probes.silent = True
        else:
            world.hosts.fault = lambda verb, host, when: Unreachable("no answer") if verb == "extend" else None
            world.request = replace(world.request, playbook=world.request.playbook.model_copy(update={"bake": 60.0}))
        outcome = push(world.request, world.release(), world.ports, world.ledger, world.policy)
        assert outcome.result == "reverted", case
        assert "the release is not blamed" in outcome.hint
        assert "mend the release" not in outcome.hint
