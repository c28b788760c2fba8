"""Apache httpd alone: what a graceful restart does and does not do, measured on the real one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.conftest import eventually
from tests.fleet.phrases import Phrases, phrases

pytestmark = [pytest.mark.xdist_group("apache"), pytest.mark.long]
SHELLS = ["sh", "busybox", "mksh", "bash"]
CONF, SHOP = "apache2__conf", "sites-enabled___shop__conf"


@pytest.fixture(scope="module")
def httpd() -> Iterator[tuple[Phrases, str]]:
    """One real httpd and the name of its first release."""
    folder = Path(tempfile.mkdtemp(prefix="apache-"))
    try:
        with phrases(folder, "apache") as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parent(one: Phrases) -> int:
    return int((one.host.prefix / "run/apache2/apache2.pid").read_text())


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def cache(one: Phrases, path: str = "/product/1") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{one.host.http_port}{path}", timeout=5) as answer:
        return str(answer.headers["X-Cache"]).split()[0]


@pytest.fixture
def settled(httpd: tuple[Phrases, str]) -> Iterator[tuple[Phrases, str]]:
    """Back on the first release, whatever the test did."""
    one, first = httpd
    yield one, first
    how = "restart" if one.call("service_running").returncode == 0 else "start"
    assert one.take(first, how) == ""
    assert one.loaded == first


def test_a_reload_keeps_the_parent_the_cache_and_a_slow_client(settled: tuple[Phrases, str]) -> None:
    """An old child with a client lives on, and is no obstacle to the proof."""
    one, first = settled
    eventually(lambda: cache(one) == "HIT", 5, "the page is kept")  # its lock outlives the first answer by a moment
    boss, old = parent(one), children(parent(one))
    with subprocess.Popen(
        [
            "sh",
            "-c",
            f"exec 3<>/dev/tcp/127.0.0.1/{one.host.http_port}; printf 'GET / HTTP/1.1\\r\\nX: ' >&3; sleep 30",
        ],
        executable=shutil.which("bash"),
    ) as client:
        new = one.release(first, **{SHOP: ("CacheDefaultExpire 600", "CacheDefaultExpire 900")})
        assert one.take(new) == ""
        client.kill()
    assert (one.loaded, parent(one)) == (new, boss)
    assert children(boss) - old
    assert cache(one) == "HIT"


def test_a_port_that_is_taken_ends_the_server_and_the_way_back_starts_it(settled: tuple[Phrases, str]) -> None:
    """`apache2 -t` accepts it."""
    one, first = settled
    bad = one.release(first, **{CONF: ("Listen ", f"Listen 127.0.0.1:{one.sandbox.origin_port}\nListen ")})
    assert one.call("service_check", str(one.path(bad))).returncode == 0
    boss = parent(one)
    said = one.take(bad)
    assert "httpd died of the reload" in said
    assert "could not bind" in said
    assert one.call("service_running").returncode != 0
    assert one.loaded == ""
    assert one.take(first, "start") == ""
    assert one.loaded == first
    assert parent(one) != boss


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (("ServerLimit 4", "ServerLimit 5"), "ServerLimit"),
        (("ServerLimit 4", "ServerLimit 4\nThreadLimit 80"), "ThreadLimit"),
        (("mpm_event_module", "mpm_worker_module"), "MPM"),
    ],
)
def test_what_a_reload_cannot_make_live_is_a_restart(
    settled: tuple[Phrases, str], edit: tuple[str, str], named: str
) -> None:
    """Told beforehand, refused by the reload, done by the restart, and the cache is still there."""
    one, first = settled
    cache(one)
    edits = {CONF: edit}
    new = one.release(first, **edits)
    if named == "MPM":
        path = one.path(new) / "apache2.conf"
        path.write_text(path.read_text().replace("mod_mpm_event.so", "mod_mpm_worker.so"))
    said = one.call("service_change", str(one.path(first)), str(one.path(new))).stdout
    assert said.startswith(f"restart: {named}")
    boss = parent(one)
    assert "a reload does not make it live" in one.take(new)
    assert parent(one) == boss
    assert one.take(new, "restart") == ""
    assert one.loaded == new
    assert cache(one) == "HIT"


def test_what_reloads_take_is_a_reload(httpd: tuple[Phrases, str]) -> None:
    """Ports, users, names of logs, comments."""
    one, first = httpd
    new = one.release(first, **{CONF: ("Listen ", "# ServerLimit 99\nListen ")})
    assert one.call("service_change", str(one.path(first)), str(one.path(new))).stdout == "reload\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_check_names_file_and_line(httpd: tuple[Phrases, str], shell: str) -> None:
    """Of the staged tree, as the user wrote it; and a missing log directory."""
    one, first = httpd
    bad = one.release(first, **{SHOP: ("CacheLock on", "CacheLok on")})
    done = one.call("service_check", str(one.path(bad)), shell=shell)
    assert done.returncode == 1
    assert "line 10 of sites-enabled/shop.conf" in done.stderr
    assert str(one.root) not in done.stderr
    bad = one.release(first, **{CONF: ("apache2/access.log", "nowhere/access.log")})
    done = one.call("service_check", str(one.path(bad)))
    assert "Cannot access directory" in done.stderr


def test_an_absolute_include_reads_the_staged_tree(httpd: tuple[Phrases, str]) -> None:
    """Not the live one, which is fine."""
    one, first = httpd
    live = f"{one.host.prefix}/etc/apache2"
    bad = one.release(
        first, **{CONF: ("Include sites", f"Include {live}/sites"), SHOP: ("CacheLock on", "CacheLok on")}
    )
    assert one.call("service_check", str(one.path(bad))).returncode == 1


def test_a_restart_of_somebody_else_does_not_count_as_ours(settled: tuple[Phrases, str]) -> None:
    """A graceful restart just before the switch: the proof is of the files after the switch."""
    one, first = settled
    new = one.release(first, **{SHOP: ("CacheHeader on", "CacheHeader on\n    Header set X-Mark new")})
    subprocess.run(["kill", "-USR1", str(parent(one))], check=True)
    assert one.take(new) == ""
    for _ in range(20):
        with urllib.request.urlopen(f"http://127.0.0.1:{one.host.http_port}/product/9", timeout=5) as answer:
            assert answer.headers["X-Mark"] == "new"


def test_another_httpd_of_this_machine_is_left_alone(settled: tuple[Phrases, str], tmp_path: Path) -> None:
    """Same program, other directory: never taken for ours, never signalled."""
    one, first = settled
    folder = Path(tempfile.mkdtemp(prefix="other-"))
    try:
        with phrases(folder, "apache") as (other, theirs):
            boss, kids = parent(other), children(parent(other))
            assert one.take(one.release(first, **{SHOP: ("Expire 600", "Expire 700")})) == ""
            assert one.take(first, "restart") == ""
            assert (parent(other), children(boss)) == (boss, kids)
            assert other.loaded == theirs
            subprocess.run(["kill", str(parent(one))], check=True)
            eventually(lambda: one.call("service_running").returncode != 0, 20, "ours is gone")
            assert one.loaded == ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_counters(httpd: tuple[Phrases, str]) -> None:
    """Requests, from server-status, which the example has."""
    one, _ = httpd
    before, after = ({}, {})
    for counts in (before, after):
        done = one.call("service_counters")
        assert done.returncode == 0, done.stderr
        counts.update(line.split() for line in done.stdout.splitlines())
        for _ in range(5):
            cache(one)
    assert int(after["n"]) >= int(before["n"]) + 5
    assert after["since"] == before["since"]
