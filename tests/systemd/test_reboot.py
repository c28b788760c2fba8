"""What only a real init can show: units, journals, shutdowns and boots, on three hosts that run systemd."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import MEASURED
from tests.fleet.conftest import eventually
from tests.systemd.fleet import SystemdFleet
from tests.systemd.machine import SLOW_STOP, Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(400)]
LEASE = 15  # seconds: confirm_timeout of the fleet's playbook


class Visitors:
    """Asks one host for its page ten times a second, at most `most` times, and keeps what came."""

    def __init__(self, machine: Machine, most: int = 1200) -> None:
        self.machine, self.most = machine, most
        self.marks: list[tuple[float, str]] = []  # when, and the mark; "" for no answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        for _ in range(self.most):
            try:
                with urllib.request.urlopen(f"http://{self.machine.address}/", timeout=2) as answer:
                    mark = str(answer.headers.get("X-Mark", "none"))
            except (OSError, urllib.error.URLError):
                mark = ""
            self.marks.append((time.monotonic(), mark))
            if self._stop.wait(0.1):
                return

    def since(self, moment: float) -> list[str]:
        """The marks of what was answered after a moment."""
        return [mark for at, mark in self.marks if at > moment and mark]

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def baking(fleet: SystemdFleet, mark: str = "new", bake: str = "10s") -> subprocess.Popen[str]:
    """A push whose canary serves the new release."""
    fleet.mark(mark)
    fleet.playbook(bake=bake)
    child = fleet.start("push", "--yes", "--json", "--allow-quarantined")
    end = time.monotonic() + 90
    while fleet.served("web1") != mark:
        if child.poll() is not None or time.monotonic() > end:
            os.killpg(child.pid, signal.SIGINT)
            raise AssertionError(f"the canary does not serve it: {child.communicate()}")
        time.sleep(0.1)
    return child


@contextmanager
def dead_deployer(fleet: SystemdFleet) -> Iterator[None]:
    """Killed while it bakes; its lock is released by hand afterwards."""
    child = baking(fleet)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    yield
    fleet.deploy("lock", "release", "--yes")


def units(machine: Machine) -> list[str]:
    """Every unit of ours that systemd knows, but for the one that acts at boot. The reload is for systemd 252 on Linux
    6.18, busy: it misses that a group is empty now and then, and lists anybody's finished unit until it looks again."""
    lines = machine.run(
        "systemctl daemon-reload; systemctl list-units --all --no-legend --plain 'deployer-*'"
    ).splitlines()
    return [line.split()[0] for line in lines if line.split()[0] != "deployer-nginx.service"]


def went_down_freely(machine: Machine) -> None:
    """Nothing of ours kept the boot that ended waiting: told by states, not by a clock."""
    journal = machine.journal(-1)
    assert "Reached target" in journal, "the journal of the boot before is there"
    waited = [line for line in journal.splitlines() if "deployer-" in line and "timed out" in line]
    assert not waited, waited
    assert "stop job is running for deployer" not in machine.console.read_text(errors="replace")


def test_a_push_leaves_no_unit_behind(hosts: SystemdFleet) -> None:
    """A finished watchdog is gone from systemd's list, also for who becomes root by sudo; what acts at boot is enabled."""
    hosts.mark("new")
    assert hosts.deploy("push", "--yes")[0] == 0
    assert hosts.all_served() == {"new"}
    for machine in hosts.sandbox.machines.values():
        eventually(lambda m=machine: not units(m), 10, f"{machine.name}: {units(machine)}")  # type: ignore[misc]
        assert machine.run("systemctl is-enabled deployer-nginx.service") == "enabled"
        assert machine.run("systemctl --failed --no-legend --plain 'deployer-*' nginx.service") == ""
    assert hosts.deploy("push", "--yes")[1]["result"] == "unchanged"


def test_a_killed_deployer(hosts: SystemdFleet) -> None:
    """The watchdog is a unit of systemd's, no child of a session: it takes the host back, and is gone."""
    with dead_deployer(hosts):
        assert len(units(hosts.machine("web1"))) == 1
        eventually(lambda: hosts.served("web1") == "old", LEASE + 10, "the watchdog has acted")
        eventually(lambda: not units(hosts.machine("web1")), 10, "and is gone")
        code, body, _ = hosts.deploy("status")
        assert (code, body["hosts"]["web1"]["outcome"]) == (0, "reverted")


def test_the_lock_of_a_killed_deployer(hosts: SystemdFleet) -> None:
    """Free without a person, at the latest a minute after its leases; then a push goes through."""
    child = baking(hosts)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    hosts.mark("newer")
    hosts.playbook(bake="2s")
    end = time.monotonic() + LEASE + 60 + 30
    while (done := hosts.deploy("push", "--yes"))[0] == 5 and time.monotonic() < end:
        time.sleep(2)
    assert done[0] == 0, done
    assert hosts.all_served() == {"newer"}


def test_rebooted_in_the_window(hosts: SystemdFleet, record_property: pytest.RecordProperty) -> None:
    """The deployer is dead and the host is rebooted before the watchdog acts: it goes down at once, and the first
    request after the boot, and every later one, is answered by the old release."""
    machine = hosts.machine("web1")
    with dead_deployer(hosts), Visitors(machine) as visitors:
        took = machine.reboot()
        down = time.monotonic()
        machine.wait_booted()
        eventually(lambda: len(visitors.since(down)) > 10, 30, "it serves")
        assert set(visitors.since(down)) == {"old"}
        assert hosts.deploy("status")[0] == 0
    record_property(MEASURED, f"reboot in the window|down, s|{took:.1f}")
    went_down_freely(machine)


def test_the_plug_is_pulled_in_the_window(hosts: SystemdFleet) -> None:
    """No shutdown at all."""
    machine = hosts.machine("web1")
    with dead_deployer(hosts), Visitors(machine) as visitors:
        machine.off()
        down = time.monotonic()
        machine.start()
        machine.wait_booted()
        eventually(lambda: len(visitors.since(down)) > 10, 30, "it serves")
        assert set(visitors.since(down)) == {"old"}
        assert hosts.deploy("status")[0] == 0


def test_rebooted_under_a_living_deployer(hosts: SystemdFleet) -> None:
    """The canary goes down while it is watched: it is waited for, is back on the old release, exit 3, and nobody blames
    a stuck host."""
    child = baking(hosts)
    hosts.machine("web1").reboot()
    out, err = child.communicate(timeout=150)
    assert child.returncode == 3, (out, err)
    assert hosts.all_served() == {"old"}
    assert hosts.deploy("status")[0] == 0


def test_reverted_while_it_shuts_down(hosts: SystemdFleet) -> None:
    """A host whose shutdown takes long is asked to revert in the middle of it: it says that it is going down, the
    deployer waits, and finds it on the old release."""
    machine = hosts.machine("web1")
    machine.write("etc/systemd/system/slow-stop.service", SLOW_STOP)
    machine.run("systemctl daemon-reload; systemctl start slow-stop.service")
    child = baking(hosts)
    machine.reboot()
    out, err = child.communicate(timeout=150)
    assert "web1: going down; comes back on the old release" in err, err
    assert child.returncode == 3, (out, err)
    assert hosts.all_served() == {"old"}
    went_down_freely(machine)


def test_two_deployers_at_once(hosts: SystemdFleet) -> None:
    """One proceeds, the other exits 5 naming it; no host has two watchdogs."""
    hosts.mark("new")
    children = [hosts.start("push", "--yes", "--json", DEPLOY_WHO=f"worker{n}") for n in (1, 2)]
    ends = [(*child.communicate(timeout=150), child.returncode) for child in children]
    assert sorted(code for *_, code in ends) == [0, 5], ends
    assert "worker" in next(out for out, _, code in ends if code == 5)
    assert hosts.all_served() == {"new"}
