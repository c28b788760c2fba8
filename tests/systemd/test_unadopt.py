"""What `adopt` puts beside a release on a host with a real init, and that `unadopt` takes all of it away again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.conftest import eventually
from tests.systemd.fleet import SystemdFleet
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(400)]
UNIT = "deployer-nginx.service"
# Everything of ours that is not below /var/lib/deployer: files and links of any folder that systemd or cron reads, and
# what systemd itself still knows, without being told to look again.
OURS = (
    "find /etc /run/systemd /usr/lib/systemd /var/spool/cron -name '*deployer*' 2>/dev/null | sort; "
    "systemctl list-unit-files --no-legend --plain 'deployer*'; systemctl list-units --all --no-legend --plain 'deployer*'"
)


@pytest.fixture
def adopted(booted: SystemdFleet) -> Iterator[SystemdFleet]:
    """Every host up and adopted; the fleet is left so, too."""
    for machine in booted.sandbox.machines.values():
        machine.wait_booted()
    eventually(lambda: booted.deploy("status")[0] == 0, 60, "every host is at rest")
    yield booted
    code, _, err = booted.deploy("adopt", "--yes")
    assert code == 0, err
    for machine in booted.sandbox.machines.values():
        assert machine.run(f"systemctl is-enabled {UNIT}") == "enabled"


def has_layers(machine: Machine) -> None:
    """Or their absence later would prove nothing."""
    assert machine.run(f"systemctl is-enabled {UNIT}") == "enabled"
    assert " tick /var/lib/deployer/nginx " in machine.run("cat /etc/cron.d/deployer-nginx")
    assert machine.run("readlink /etc/nginx") == "/var/lib/deployer/nginx/current"


def test_the_unit_and_the_cron_line_go_with_it(adopted: SystemdFleet) -> None:
    """On a host that ran the unit at its last boot, one that never did, and one by sudo; the next boot knows nothing
    of us and serves."""
    adopted.machine("web1").reboot()
    adopted.machine("web1").wait_booted()
    for machine in adopted.sandbox.machines.values():
        has_layers(machine)
    code, body, err = adopted.deploy("unadopt", "--yes")
    assert (code, body["result"]) == (0, "unadopted"), err
    for machine in adopted.sandbox.machines.values():
        assert machine.run(OURS) == "", machine.name
        assert machine.run("find /var/lib/deployer -mindepth 1 -maxdepth 1") == "/var/lib/deployer/bin"
        assert machine.run("stat -c %F /etc/nginx") == "directory"
        assert machine.run("find /etc -name '*.before-deployer' -o -name '*.deployer-new'") == ""
        assert machine.run("nginx -t 2>/dev/null && systemctl reload nginx.service && echo well") == "well"
    machine = adopted.machine("web2")
    machine.reboot()
    machine.wait_booted()
    assert machine.run(OURS) == ""
    assert "deployer" not in machine.journal(0, "-p warning")
    assert adopted.served("web2", "X-Cache-Status") == "NONE"
