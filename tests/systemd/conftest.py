"""One fleet of real systemd hosts for all tests of this folder: they are slow to make and quick to reboot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.conftest import eventually
from tests.systemd.fleet import SystemdFleet, systemd_fleet, why_not


@pytest.fixture(scope="session")
def booted() -> Iterator[SystemdFleet]:
    """Adopted, and one release confirmed after it."""
    if reason := why_not():
        pytest.skip(reason)
    with systemd_fleet() as fleet:
        code, _, err = fleet.deploy("adopt", "--yes")
        assert code == 0, err
        yield fleet


@pytest.fixture
def hosts(booted: SystemdFleet, request: pytest.FixtureRequest) -> SystemdFleet:
    """Every host up, at rest, and on a release of this test's own, which is marked `old`."""
    for machine in booted.sandbox.machines.values():
        machine.wait_booted()
    booted.playbook(bake="2s")
    eventually(lambda: booted.deploy("status")[0] == 0, 60, "every host is at rest")
    booted.deploy("lock", "release", "--yes")
    booted.mark(f"old-{abs(hash(request.node.name)) % 10**6}")
    booted.mark("old")
    code, body, err = booted.deploy("push", "--yes", "--allow-quarantined")
    assert code == 0, (body, err)
    assert booted.all_served() == {"old"}
    return booted
