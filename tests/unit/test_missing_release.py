"""Hosts that lack the release of a rollback: it is read from git once for all of them, before the fan-out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.git.releases import Repository
from deployer.adapters.local.rendering import render_packages
from deployer.adapters.local.signals import Signals
from deployer.engine.deploy.repair import repair
from deployer.engine.deploy.rollback import Consent, rollback
from deployer.model.ledger import Ended
from deployer.model.release import Package
from tests.fakes.world import NEW, World
from tests.unit.test_git import checkout, commit  # noqa: F401
from tests.unit.test_rollback import pushed

NEWER = "bbbbbbbbbb-22222222"
FORTY = tuple(f"web{number}" for number in range(1, 41))


class FromGit:
    """What the command gives the engine, on a real repository: packages for all of these hosts at once."""

    def __init__(self, repository: Repository, world: World) -> None:
        self.repository, self.world = repository, world
        self.calls: list[tuple[Mapping[str, str], threading.Thread]] = []

    def __call__(self, wanted: Mapping[str, str]) -> Mapping[str, Package]:
        self.calls.append((dict(wanted), threading.current_thread()))
        revision = next(iter(wanted.values()))[:10]
        found = self.repository.release(self.repository.resolve(revision), "nginx", self.world.fleet, render_packages)
        return {name: found.packages[name] for name, release in wanted.items() if release == found.id}


def pruned(checkout: Path) -> tuple[World, FromGit, str]:  # noqa: F811
    """Forty hosts on the second of two pushed releases, on real threads; none has the first one any more."""
    world = World(names=FORTY)
    world.fleet = tuple(replace(host, vars={"http_port": 80, "origin": "o:1"}) for host in world.fleet)
    repository = Repository(checkout)
    gone = repository.release(repository.resolve("HEAD"), "nginx", world.fleet, render_packages)
    for machine in world.machines.values():
        machine.releases[NEWER] = {}
        machine.current = machine.good = machine.loaded = NEWER
    return world, FromGit(repository, world), gone.id


def test_forty_hosts_that_all_lack_the_release(checkout: Path) -> None:  # noqa: F811
    """One question to git, asked by the main thread; every host gets its own rendering."""
    world, packages, gone = pruned(checkout)
    with ThreadPoolExecutor(20) as pool:
        ports = replace(world.ports, executor=pool, urgent=pool, stop=Signals())
        outcome, _ = rollback(world.request, ports, gone, Consent(lambda plan: True), packages)
    assert outcome.result == "deployed"
    assert set(world.running().values()) == {gone}
    assert [thread for _, thread in packages.calls] == [threading.main_thread()]
    assert packages.calls[0][0] == dict.fromkeys(FORTY, gone)


def test_repair_asks_once_too(checkout: Path) -> None:  # noqa: F811
    """`status --repair` walks the same way."""
    world, packages, gone = pruned(checkout)
    entry = Ended("3-aaaa", "production", "nginx", "push", gone, "alice", 0.0, result="deployed",
                  hosts=dict.fromkeys(FORTY, gone))  # fmt: skip
    world.ledger.chain.append(replace(entry, number=1))
    with ThreadPoolExecutor(20) as pool:
        ports = replace(world.ports, executor=pool, urgent=pool, stop=Signals())
        outcome = repair(world.request, ports, world.ledger, lambda plan: True, packages)
    assert outcome.result == "deployed"
    assert len(packages.calls) == 1


def test_nobody_lacks_it_nobody_asks() -> None:
    """With every release on the hosts git is not touched."""
    world = pushed(NEW, NEWER)

    def never(wanted: Mapping[str, str]) -> Mapping[str, Package]:
        raise AssertionError(wanted)

    outcome, _ = rollback(world.request, world.ports, None, Consent(lambda plan: True), never)
    assert (outcome.result, outcome.release) == ("deployed", NEW)


@pytest.mark.parametrize("threads", [1, 40])
def test_one_repository_on_many_threads(checkout: Path, threads: int) -> None:  # noqa: F811
    """No process is shared between calls: threads cannot read each other's answers."""
    revisions = [commit(checkout, {"conf.d/a.conf": f"{number}\n"}) for number in range(8)]
    world, repository = World(names=("web1",)), Repository(checkout)
    hosts = (replace(world.fleet[0], vars={"http_port": 80, "origin": "o:1"}),)

    def one(number: int) -> str:
        sha = revisions[number % 8]
        found = repository.release(repository.resolve(sha), "nginx", hosts, render_packages)
        assert found.revision == sha
        return found.id

    with ThreadPoolExecutor(threads) as pool:
        found = [future.result(100) for future in [pool.submit(one, number) for number in range(16)]]
    assert found[:8] == found[8:]
    assert len(set(found)) == 8
