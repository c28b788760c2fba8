"""What only HAProxy and Squid do: an outage by a taken port, a death in a reload, a change that no reload takes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.sandbox import repository
from deployer.sandbox.daemons import daemon
from tests.conftest import MEASURED
from tests.fleet.conftest import Fleet, eventually, make_fleet
from tests.fleet.load import Load, hit_ratio

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("proxies"), pytest.mark.long]


@pytest.fixture(scope="module")
def haproxy() -> Iterator[Fleet]:
    """One HAProxy host."""
    yield from make_fleet("haproxy", 1)


@pytest.fixture(scope="module")
def squid() -> Iterator[Fleet]:
    """One Squid host."""
    yield from make_fleet("squid", 1)


def test_a_taken_port_costs_haproxy_seconds_and_not_its_cache(
    haproxy: Fleet, record_property: Callable[[str, object], None]
) -> None:
    """Connections are refused while it retries; the old worker comes back with its cache, without another reload."""
    port = haproxy.host("web1").http_port
    hit_ratio(port, 100)
    worker = (haproxy.root("web1") / "loaded").read_text().split()[1]
    repository.commit_edit(haproxy.sandbox, "unloadable")
    with Load(port) as load:
        code, body, _ = haproxy.deploy("push", "--yes")
        assert hit_ratio(port, 100) == 1.0
    repository.git(haproxy.sandbox.config, "revert", "--no-edit", "HEAD")
    assert code == 3
    assert "the old worker serves on" in body["error"]["message"]
    assert haproxy.deploy("status")[0] == 0
    assert (haproxy.root("web1") / "loaded").read_text().split()[1] == worker
    record_property(MEASURED, f"haproxy|port taken: refused|{load.failed} of {sum(load.counts.values())}")
    assert load.failed > 0, "this fault no longer hurts: say so in the phrasebook"


def test_a_directory_that_is_missing_would_kill_haproxy(haproxy: Fleet) -> None:
    """`haproxy -c` takes a chroot that is not there, and the reload would end the master with all workers."""
    edit = daemon("haproxy").EDITS["good"]
    before = haproxy.currents()
    repository.change(
        haproxy.sandbox, edit.path, "    maxconn 2000", "    maxconn 2000\n    chroot /no/such/place", "jail"
    )
    code, body, _ = haproxy.deploy("push", "--yes")
    repository.git(haproxy.sandbox.config, "revert", "--no-edit", "HEAD")
    assert code == 1
    assert "/no/such/place" in body["error"]["message"]
    assert haproxy.currents() == before


def test_a_reload_by_somebody_else_is_not_taken_for_ours(haproxy: Fleet) -> None:
    """A package's hook reloads: the release on disk is the same, and still proven; a new master likewise."""
    pid = int((haproxy.host("web1").prefix / "run/haproxy.pid").read_text().split()[0])
    was = (haproxy.root("web1") / "loaded").read_text()
    os.kill(pid, signal.SIGUSR2)
    eventually(lambda: haproxy.deploy("status")[0] == 0, 30, "proven again")
    assert (haproxy.root("web1") / "loaded").read_text() == was, "a survey writes nothing"
    assert haproxy.deploy("status")[1]["hosts"]["web1"]["loaded"] == haproxy.current("web1")


def squid_says(fleet: Fleet, what: str) -> str:
    import urllib.request

    url = f"http://127.0.0.1:{fleet.host('web1').http_port}/squid-internal-mgr/{what}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_squid_leaves_out_what_needs_a_restart(squid: Fleet) -> None:
    """A new cache_dir kills a running Squid (measured): refused before, done by a restart where allowed, and undone by
    another one."""
    edit = daemon("squid").EDITS["good"]
    folder = squid.host("web1").prefix / "var/cache/squid/disk"
    line = f"cache_dir ufs {folder} 64 16 256"
    repository.change(squid.sandbox, edit.path, "cache_mem", f"{line}\ncache_mem", "a disk")
    before = squid.currents()
    for words in (["plan"], ["push", "--yes"]):
        code, body, _ = squid.deploy(*words)
        assert code == 1
        assert f"cache_dir {folder} is added" in body["error"]["message"]
    assert squid.currents() == before

    squid.playbook(restart="allow")
    code, body, err = squid.deploy("push", "--yes", "--allow-quarantined")
    assert code == 0, (body, err)
    assert Path(folder).is_dir()
    assert str(folder) in squid_says(squid, "storedir")
    code, body, _ = squid.deploy("rollback", "--yes")
    assert code == 0, body
    assert squid.currents() == before
    assert str(folder) not in squid_says(squid, "storedir")
    assert squid.deploy("status")[0] == 0


def test_a_squid_that_parses_and_dies_is_not_reloaded(squid: Fleet) -> None:
    """`squid -k parse` exits 0 for a helper that is not there, and SIGHUP kills the process (measured)."""
    repository.change(
        squid.sandbox, daemon("squid").EDITS["good"].path, "cache_mem", "url_rewrite_program /no/helper\ncache_mem", "x"
    )
    code, body, _ = squid.deploy("push", "--yes")
    repository.git(squid.sandbox.config, "revert", "--no-edit", "HEAD")
    assert code == 1
    assert "/no/helper" in body["error"]["message"]
    assert squid.deploy("status")[0] == 0
