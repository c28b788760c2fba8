"""`deploy unadopt` on fakes: whole, refused whole, or named; and what is said before it and before adopt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.local.runs import entry_from_json, entry_to_json
from deployer.cli import run
from deployer.console.pages.closing import closing
from deployer.engine.deploy.adopt import adopt
from deployer.engine.deploy.unadopt import unadopt
from deployer.model.desired import desired
from deployer.model.errors import DeployError, Refused, Unreachable
from deployer.model.outcome import Outcome
from deployer.model.state import Order
from tests.fakes.hosts import ADOPTED
from tests.fakes.world import SIZES, World


@pytest.mark.parametrize("hosts", SIZES)
def test_every_host_is_given_back_and_can_be_adopted_again(hosts: int) -> None:
    """Recorded as a word that older versions know; nobody should run anything then; a second time nothing happens."""
    world = World.of(hosts)
    adopt(world.request, world.ports, world.ledger)
    outcome = unadopt(world.request, world.ports, world.ledger)
    assert (outcome.result, outcome.exit_code) == ("unadopted", 0)
    assert {end.state for end in outcome.hosts.values()} == {"unadopted"}
    assert all(not m.adopted and m.dest == "foreign" and m.loaded == ADOPTED for m in world.machines.values())
    entry = world.ledger.chain[-1]
    assert (entry.record, entry.command, entry.result) == ("OUTCOME", "adopt", "unadopted")
    assert entry_from_json(entry_to_json(entry)) == entry
    assert desired(tuple(world.ledger.chain), "nginx") == {}
    assert "no longer under deployer" in closing(outcome)
    assert unadopt(world.request, world.ports, world.ledger).result == "unchanged"
    assert len(world.ledger.chain) == 1 + (entry.number == 2)
    again = adopt(world.request, world.ports, world.ledger)
    assert again.result == "deployed"
    assert int(again.deploy.split("-")[0]) > int(outcome.deploy.split("-")[0])
    assert set(desired(tuple(world.ledger.chain), "nginx")) == set(world.names)


@pytest.mark.parametrize(
    ("trouble", "why"), [("silent", "no state"), ("edited", "differs"), ("in flight", "is pending")]
)
def test_one_host_that_is_not_ready_holds_all(trouble: str, why: str) -> None:
    """Before anything is touched, by name."""
    world = World()
    machine = world.machines["web2"]
    if trouble == "silent":
        world.hosts.fault = lambda verb, host, when: Unreachable("no answer") if host == "web2" else None
    elif trouble == "edited":
        machine.drift = ("M nginx.conf",)
    else:
        machine.phase, machine.deploy, machine.deadline = "pending", "7-abcd", 1e9
    with pytest.raises(DeployError, match=f"web2: .*{why}") as caught:
        unadopt(world.request, world.ports, world.ledger)
    assert caught.value.exit_code == 1
    assert all(machine.adopted for machine in world.machines.values())
    assert "unadopt" not in {verb for verb, _ in world.hosts.calls}
    assert not world.ledger.chain


def test_refused_by_all_is_exit_1_and_by_one_exit_4() -> None:
    """What was given back is recorded; the rest is named, and a second run finishes."""
    world, full = World(), Refused("cannot write: no space left on device", "disk")
    world.hosts.fault = lambda verb, host, when: full if verb == "unadopt" and when == "before" else None
    with pytest.raises(DeployError, match="no space left") as caught:
        unadopt(world.request, world.ports, world.ledger)
    assert caught.value.exit_code == 1
    assert not world.ledger.chain
    world.hosts.fault = lambda verb, host, when: full if (verb, host, when) == ("unadopt", "web3", "before") else None
    outcome = unadopt(world.request, world.ports, world.ledger)
    assert (outcome.exit_code, outcome.hosts["web3"].state) == (4, "failed")
    assert set(world.ledger.chain[-1].hosts) == {"web1", "web2"}
    world.hosts.fault = lambda verb, host, when: None
    assert unadopt(world.request, world.ports, world.ledger).result == "unadopted"


def test_a_reply_that_was_lost_is_looked_up() -> None:
    """The host is read back: it was given back, whatever came of the answer."""
    world = World()
    lost = Unreachable("connection lost")
    world.hosts.fault = lambda verb, host, when: lost if (verb, when) == ("unadopt", "after") else None
    assert unadopt(world.request, world.ports, world.ledger).result == "unadopted"


def test_limit_leaves_the_others_alone() -> None:
    world = World()
    unadopt(replace(world.request, limit=frozenset({"web1"})), world.ports, world.ledger)
    assert [machine.adopted for machine in world.machines.values()] == [False, True, True]


@pytest.mark.parametrize("verb", ["adopt", "unadopt"])
def test_what_changes_is_said_before_it_is_done(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --yes, too, in lines that a terminal holds; nothing was asked of a host before."""
    (tmp_path / "playbooks/nginx").mkdir(parents=True)
    (tmp_path / "inventory.yml").write_text("edge: {hosts: {web1: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    (tmp_path / "playbooks/nginx/playbook.yml").write_text("service: nginx\nhosts: edge\ndest: /etc/nginx\n")
    monkeypatch.chdir(tmp_path)
    run([verb, "nginx", "--yes"])
    said = capsys.readouterr().err
    first = said.split("error")[0]
    for word in ("/etc/nginx.before-deployer", "/var/lib/deployer/nginx", "/etc/cron.d/deployer-nginx",
                 "/etc/systemd/system/deployer-nginx.service"):  # fmt: skip
        assert word in first
    assert all(len(line) <= 80 for line in first.splitlines())


def test_adopt_asks_a_host_again_whose_process_is_not_known() -> None:
    """Its adoption may have been cut off: asked again it ends it, and where nothing comes of it nothing is recorded."""
    world = World()
    assert adopt(world.request, world.ports, world.ledger).result == "deployed"
    for machine in world.machines.values():
        machine.deploy, machine.command, machine.loaded = "1-abcd", "adopt", ""
    assert adopt(world.request, world.ports, world.ledger).result == "unchanged"
    assert [verb for verb, _ in world.hosts.calls].count("adopt") == 3
    assert len(world.ledger.chain) == 1


@pytest.mark.parametrize("done", [1, 3])
@pytest.mark.parametrize("verb", [adopt, unadopt])
def test_a_deployer_that_died_before_its_record(verb: Callable[..., Outcome], done: int) -> None:
    """Asked again it is written about all hosts, those that the first one did as well."""
    world = World.of(3)
    adopt(world.request, world.ports, world.ledger)
    if verb is adopt:
        unadopt(world.request, world.ports, world.ledger)
    for host in world.fleet[:done]:
        getattr(world.hosts, verb.__name__)(host, Order("9-dead", 9, "adopt", ""))
    outcome = verb(world.request, world.ports, world.ledger)
    assert outcome.result == ("deployed" if verb is adopt else "unadopted")
    assert set(world.ledger.chain[-1].hosts) == set(world.names)
    assert set(desired(tuple(world.ledger.chain), "nginx")) == (set(world.names) if verb is adopt else set())
    records = len(world.ledger.chain)
    assert verb(world.request, world.ports, world.ledger).result == "unchanged"
    assert len(world.ledger.chain) == records
