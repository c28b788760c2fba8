"""Traffic Server alone: what its reload does and does not do, measured on the real one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox import binaries
from tests.fleet.conftest import eventually
from tests.fleet.phrases import Phrases, phrases

pytestmark = [pytest.mark.xdist_group("trafficserver"), pytest.mark.timeout(300), pytest.mark.long]
RECORDS, REMAP, CACHE, ALLOW = "records__config", "remap__config", "cache__config", "ip_allow__yaml"


@pytest.fixture(scope="module")
def ats() -> Iterator[tuple[Phrases, str]]:
    """One real server and the name of its first release."""
    folder = Path(tempfile.mkdtemp(prefix="ats-"))
    try:
        with phrases(folder, "trafficserver") as made:
            one, _ = made
            eventually(lambda: cache(one) != "", 30, "it answers")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cache(one: Phrases, path: str = "/product/1") -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{one.host.http_port}{path}", timeout=5) as answer:
            return str(answer.headers["X-Cache"])
    except OSError:
        return ""


def ask(one: Phrases, *words: str) -> str:
    names = one.sandbox.variables(one.host)
    env = {"TS_RUNROOT": str(names["ts_runroot"]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [binaries.find("traffic_ctl"), *words], env=env, capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout.strip()


def record(one: Phrases, name: str) -> str:
    return ask(one, "config", "get", name).partition(": ")[2]


@pytest.fixture
def settled(ats: tuple[Phrases, str]) -> Iterator[tuple[Phrases, str]]:
    """Back on the first release, whatever the test did."""
    one, first = ats
    yield one, first
    if one.loaded != first and one.take(first):
        assert one.take(first, "restart") == ""
    one.switch(first)
    assert one.loaded == first
    eventually(lambda: cache(one) != "", 30, "it answers")


def test_a_reload_takes_files_that_are_older_than_those_before(settled: tuple[Phrases, str]) -> None:
    """The files of a release have no time; the server looks only for newer ones. The cache is kept."""
    one, first = settled
    eventually(lambda: cache(one) == "hit-fresh", 10, "cached")
    new = one.release(first, **{CACHE: ("/preview/", "/category/")})
    assert one.take(new) == ""
    assert one.loaded == new
    assert cache(one) == "hit-fresh"


def test_a_record_that_is_gone_gets_its_default_back(settled: tuple[Phrases, str]) -> None:
    """A reload alone keeps what the bad release set: the way back would not be one."""
    one, first = settled
    name = "proxy.config.http.cache.when_to_revalidate"
    assert record(one, name) == "0"
    bad = one.release(first, **{RECORDS: ("", f"CONFIG {name} INT 3\n")})
    assert one.take(bad) == ""
    assert record(one, name) == "3"
    assert one.take(first) == ""
    assert record(one, name) == "0"


def test_what_is_refused_is_noticed_and_told(settled: tuple[Phrases, str]) -> None:
    """`config reload` exits 0 and `config status` calls it current."""
    one, first = settled
    bad = one.release(first, **{ALLOW: ("methods: ALL", "methods: [ALL")})
    assert one.call("service_check", str(one.path(bad))).returncode == 0
    said = one.take(bad)
    assert "ip_allow.yaml was refused" in said
    assert "yaml-cpp: error at line 6" in said
    assert one.loaded == ""
    assert "Configuration is current" in ask(one, "config", "status")
    assert one.take(first) == ""
    assert one.loaded == first


def test_discarded_lines_are_refused(settled: tuple[Phrases, str]) -> None:
    """The server finishes loading without them."""
    one, first = settled
    bad = one.release(first, **{CACHE: ("", "nonsense\n")})
    assert "cache.config was refused" in one.take(bad)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("CONFIG proxy.config.nix.da INT 3", "proxy.config.nix.da is no record of this Traffic Server"),
        ("CONFIG proxy.config.http.cache.http INT yes", "must be a whole number, not yes"),
        ("CONFIG proxy.config.http.cache.http STRING 1", "is of type INT, not STRING"),
        ("CONFIG proxy.config.http.cache.http INTT 1", "INTT is no type"),
        ("CONFIG proxy.config.http.cache.http INT", "needs one value"),
        ("proxy.config.http.cache.http 1", "a record is CONFIG NAME TYPE VALUE"),
    ],
)
def test_records_are_checked(ats: tuple[Phrases, str], line: str, said: str) -> None:
    """`verify_config` exits 0 for every one of these. File and line are named."""
    one, first = ats
    bad = one.release(first, **{RECORDS: ("", f"{line}\n")})
    number = len((one.path(bad) / "records.config").read_text().splitlines())
    for shell in ("sh", "busybox", "mksh", "bash"):
        done = one.call("service_check", str(one.path(bad)), shell=shell)
        assert done.returncode == 1
        assert f"records.config:{number}: " in done.stderr
        assert said in done.stderr


def test_remap_rules_are_checked_in_their_place(ats: tuple[Phrases, str]) -> None:
    """File and line, and nothing in the running server's own log."""
    one, first = ats
    log = one.host.prefix / "var/log/trafficserver/diags.log"
    before = log.read_text()
    bad = one.release(first, **{REMAP: ("", "mapp /x http://127.0.0.1/\n")})
    done = one.call("service_check", str(one.path(bad)))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "remap.config:2: unknown mapping type"
    assert log.read_text() == before


def test_error_pages_that_are_missing_are_noticed_before_the_next_start(ats: tuple[Phrases, str]) -> None:
    """Reloads do not mind; the server does not start without them."""
    one, first = ats
    bad = one.release(first)
    shutil.rmtree(one.path(bad) / "body_factory")
    done = one.call("service_check", str(one.path(bad)))
    assert "body_factory is missing" in done.stderr


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({RECORDS: ("exec_thread.limit INT 2", "exec_thread.limit INT 1")}, "restart: proxy.config.exec_thread.limit"),
        ({"plugin__config": ("", "xdebug.so\n")}, "restart: plugin.config"),
        ({"storage__config": ("64M", "96M")}, "lasting: storage.config"),
    ],
)
def test_what_a_reload_cannot_make_live_is_a_restart(
    settled: tuple[Phrases, str], edits: dict[str, tuple[str, str]], said: str
) -> None:
    """Told beforehand, refused by the reload, done by the restart."""
    one, first = settled
    new = one.release(first, **edits)
    assert one.call("service_change", str(one.path(first)), str(one.path(new))).stdout.startswith(said)
    assert "a reload does not make it live" in one.take(new)
    assert one.loaded == first
    assert one.take(new, "restart") == ""
    assert one.loaded == new
    eventually(lambda: cache(one) != "", 30, "it answers")


def test_a_dead_server_is_started(settled: tuple[Phrases, str]) -> None:
    """Manager and all."""
    one, first = settled
    pid = int((one.host.prefix / "run/trafficserver/manager.lock").read_text())
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    eventually(lambda: one.call("service_running").returncode != 0, 20, "gone")
    assert one.take(first, "start") == ""
    assert one.loaded == first


def test_counters(ats: tuple[Phrases, str]) -> None:
    """Requests, look-ups, misses, requests to the origin."""
    one, _ = ats

    def counters() -> dict[str, int]:
        done = one.call("service_counters")
        assert done.returncode == 0
        return {name: int(value) for name, value in (line.split() for line in done.stdout.splitlines())}

    before = counters()
    assert set(before) == {"n", "err", "look", "miss", "orig", "since"}
    for number in range(150, 155):
        cache(one, f"/product/{number}")
        cache(one, f"/product/{number}")
    eventually(lambda: counters()["n"] >= before["n"] + 10, 30, "the server has gathered them")
    after = counters()
    assert after["since"] == before["since"]
    assert after["orig"] - before["orig"] >= 5
    assert after["look"] - after["miss"] - before["look"] + before["miss"] >= 5
