"""Every cache server, the same story on the real daemon; what was measured is printed as one table."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.sandbox import repository
from deployer.sandbox.daemons import NAMES, daemon
from deployer.sandbox.processes import processes
from deployer.services import SERVICES
from tests.conftest import MEASURED
from tests.fleet.conftest import Fleet, eventually, make_fleet, servers
from tests.fleet.load import Load, hit_ratio

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
Measure = Callable[[str, object], None]
# Connections that a reload refuses because the server cannot but close its port; all others drop nothing.
REFUSES = {"squid": 0.05}  # share of the requests that came during an activation and a revert


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Two adopted hosts of one service; the first one has visitors all the time."""
    for made in make_fleet(request.param, 2):
        made.playbook(confirm_timeout="20s")
        with Load(made.host("web1").http_port, rate=10, seconds=900):
            yield made


@pytest.fixture
def measure(fleet: Fleet, record_property: Callable[[str, object], None]) -> Measure:
    """measure(column, value): one cell of the table."""
    return lambda column, value: record_property(MEASURED, f"{fleet.sandbox.service}|{column}|{value}")


def harmless(fleet: Fleet) -> None:
    """Commit a change that users do not notice; another one every time (a comment is one line of # everywhere)."""
    file = fleet.sandbox.config / "playbooks" / fleet.sandbox.service / "files"
    file /= daemon(fleet.sandbox.service).EDITS["good"].path
    file.write_text(file.read_text() + "# harmless\n")
    repository.commit(fleet.sandbox, "harmless")


@contextlib.contextmanager
def edited(fleet: Fleet, name: str) -> Iterator[None]:
    """One of EDITS for as long as it is tried."""
    repository.commit_edit(fleet.sandbox, name)
    try:
        yield
    finally:
        repository.git(fleet.sandbox.config, "revert", "--no-edit", "HEAD")


@contextlib.contextmanager
def pending(fleet: Fleet) -> Iterator[subprocess.Popen[str]]:
    """A push that bakes on the canary for a minute, because a probe a second says little; the deployer is ended,
    whatever happens."""
    check, before = fleet.sandbox.config / "health_checks/storefront.yml", fleet.current("web1")
    usual = check.read_text()
    harmless(fleet)
    check.write_text(usual.replace("20/s", "1/s").replace("10/s", "1/s").replace("20 points", "1 point"))
    child = fleet.start("push", "--yes", "--allow-quarantined")
    try:
        eventually(lambda: "phase=pending" in record(fleet) and fleet.current("web1") != before, 60, "switched")
        eventually(
            lambda: "pending deploy" in (fleet.root("web1") / "events").read_text().splitlines()[-1], 60, "proven"
        )
        yield child
    finally:
        child.kill()
        child.communicate()
        check.write_text(usual)
        eventually(lambda: fleet.deploy("status")[0] == 0, 60, "settled")
        fleet.deploy("lock", "release", "--yes")


def record(fleet: Fleet) -> str:
    file = fleet.root("web1") / "state"
    return file.read_text() if file.is_file() else ""


def loaded(fleet: Fleet) -> set[str]:
    """What the hosts prove their running processes to have."""
    return {str(host["loaded"]) for host in fleet.deploy("status")[1]["hosts"].values()}


def answers(fleet: Fleet) -> bool:
    """Users get pages from every host."""
    try:
        return all(hit_ratio(host.http_port, 150, pages=2) >= 0 for host in fleet.sandbox.hosts)
    except OSError:
        return False


def test_a_good_release_is_proven(fleet: Fleet, measure: Measure) -> None:
    """Exit 0; the running processes have it."""
    repository.commit_edit(fleet.sandbox, "good")
    code, body, err = fleet.deploy("push", "--yes")
    assert code == 0, (body, err)
    assert loaded(fleet) == fleet.currents() == {body["release"]}
    measure("good", "loaded")


def test_a_syntax_error_reaches_no_host(fleet: Fleet, measure: Measure) -> None:
    """Exit 1 with the file's name; nothing changed, nothing reloaded."""
    before, was = fleet.currents(), loaded(fleet)
    with edited(fleet, "syntax"):
        code, body, _ = fleet.deploy("push", "--yes")
    assert code == 1
    assert daemon(fleet.sandbox.service).EDITS["syntax"].path.removesuffix(".j2") in body["error"]["message"]
    assert (fleet.currents(), loaded(fleet)) == (before, was)
    measure("syntax error", "exit 1")


def test_valid_but_not_loadable_is_undone(fleet: Fleet, measure: Measure) -> None:
    """Check and reload accept it; the running process is asked. Exit 3, and users are served again."""
    if "unloadable" not in daemon(fleet.sandbox.service).EDITS:
        pytest.skip("this server has no such case")
    before = fleet.currents()
    with edited(fleet, "unloadable"):
        code, body, _ = fleet.deploy("push", "--yes")
    assert code == 3, body
    assert fleet.currents() == loaded(fleet) == before
    assert fleet.deploy("status")[0] == 0
    assert answers(fleet)
    measure("not loadable", "exit 3")


def test_the_incident_is_caught_on_the_canary(fleet: Fleet, measure: Measure) -> None:
    """Every request goes past the cache: exit 3, the other host never had it."""
    before = fleet.currents()
    with edited(fleet, "incident"):
        code, body, _ = fleet.deploy("push", "--yes")
    assert (code, body["verdict"]["ruling"]) == (3, "regressed"), body
    assert [host["state"] for host in body["hosts"].values()] == ["reverted", "untouched"]
    assert fleet.currents() == loaded(fleet) == before
    events = (fleet.root("web2") / "events").read_text()
    assert f"switched deploy={body['deploy']}" not in events
    measure("incident", f"exit 3, {body['seconds']['detect']:.0f} s")


def test_a_hand_edit_is_seen_refused_and_saved(fleet: Fleet, measure: Measure) -> None:
    """`status` names the file, a push does not overwrite it, `adopt` makes it a release of its own."""
    service = fleet.sandbox.service
    path = daemon(service).EDITS["good"].path.removesuffix(".j2")
    live = fleet.root("web1") / "current" / path
    edit, before = live.read_text() + "# by hand\n", fleet.currents()
    live.chmod(0o644)
    live.write_text(edit)
    code, body, _ = fleet.deploy("status")
    assert (code, body["hosts"]["web1"]["drift"]) == (4, [f"M {path}"])
    harmless(fleet)
    code, body, _ = fleet.deploy("push", "--yes", "--allow-quarantined")
    assert code == 1
    assert path in body["error"]["message"]
    assert live.read_text() == edit
    code, body, err = fleet.deploy("adopt", "--yes")
    if service == "varnish":  # it tells that the edit was never loaded
        assert (code, "still runs" in body["hosts"]["web1"]["error"]) == (4, True), body
        code, body, err = fleet.deploy("rollback", "--yes", "-l", "web1", "--to", fleet.current("web1"))
    assert code == 0, (body, err)
    saved = fleet.root("web1") / "releases" / fleet.current("web1") / path
    assert (saved.read_text(), fleet.current("web1") in before) == (edit, False)
    assert loaded(fleet) == fleet.currents()
    code, body, err = fleet.deploy("rollback", "--yes", "--to", next(iter(before)))
    assert code == 0, (body, err)  # the edited release is what it was before
    assert loaded(fleet) == before
    measure("hand edit", "saved")


def test_rollback(fleet: Fleet, measure: Measure) -> None:
    """To the release before, and there again by another push."""
    harmless(fleet)
    assert fleet.deploy("push", "--yes", "--allow-quarantined")[0] == 0
    newest = fleet.currents()
    code, body, _ = fleet.deploy("rollback", "--yes")
    assert code == 0, body
    assert loaded(fleet) == fleet.currents() != newest
    measure("rollback", f"{body['seconds']['total']:.0f} s")


def test_a_killed_deployer_leaves_nothing(fleet: Fleet, measure: Measure) -> None:
    """SIGKILL in mid-wave: the host goes back alone."""
    before = fleet.currents()
    with pending(fleet) as child:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        eventually(lambda: fleet.currents() == before, 60, "the host's own watchdog")
        eventually(lambda: loaded(fleet) == before, 20, "proven")
    assert fleet.deploy("status")[1]["hosts"]["web1"]["outcome"] == "reverted"
    measure("deployer killed", "reverted")


def test_the_way_back_starts_a_dead_server(fleet: Fleet, measure: Measure) -> None:
    """The server dies while a release is pending: abort brings the old release back, and the server with it."""
    before = fleet.currents()
    with pending(fleet):
        eventually(lambda: dead(fleet.host("web1").prefix), 10, "no server is left")
        code, body, err = fleet.deploy("abort", "--yes")
        assert code == 0, (body, err)
        assert fleet.currents() == loaded(fleet) == before
    assert answers(fleet)
    measure("server killed", "started")


def test_a_host_that_reboots_while_pending_comes_up_old_and_proves_it(fleet: Fleet, measure: Measure) -> None:
    """Every process is gone, the boot unit puts the link back, the server starts: nothing is pending or unproven."""
    before, host = fleet.currents(), fleet.host("web1")
    with pending(fleet) as child:
        child.kill()
        child.wait()
        eventually(lambda: down(host.prefix), 10, "the host is down")
        for left in (host.prefix / "run").rglob("*"):  # a reboot empties /run
            if not left.is_dir():
                left.unlink()
        agent = next(fleet.root("web1").parent.glob("bin/hostctl-*"))
        boot = ["sh", str(agent), "boot", str(fleet.root("web1"))]
        done = subprocess.run(boot, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout, done.stderr)
        words = daemon(fleet.sandbox.service).command(host.prefix, fleet.sandbox.variables(host))
        for _ in range(20):  # a port may be held for a moment by a child that is still ending
            if subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.5)
        eventually(lambda: answers(fleet), 30, "the server answers")
        assert fleet.currents() == before
        eventually(lambda: loaded(fleet) == before, 20, "proven")
    measure("host rebooted", "old, proven")


def dead(prefix: Path) -> bool:
    """Kill the server; whether nothing of it is left. One that is reloading has children that were not there before."""
    for pid in servers(prefix):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not servers(prefix)


def down(prefix: Path) -> bool:
    """Everything is killed, again where a reload was under way: its master had children after it was looked at."""
    for pid in doomed(prefix):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not servers(prefix)


def doomed(prefix: Path) -> list[int]:
    """The server, the watchdog and all their children; parents first, or they would replace their children."""
    found = servers(prefix)
    for pid in processes(prefix):
        with contextlib.suppress(OSError):  # it may be gone by now
            found += [pid] if b"hostctl" in Path(f"/proc/{pid}/cmdline").read_bytes() else []
    for pid in found:  # grows while it is walked
        with contextlib.suppress(OSError):
            found += [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return list(dict.fromkeys(found))


def test_what_visitors_and_the_cache_notice(fleet: Fleet, measure: Measure) -> None:
    """Requests that were not answered, and the share of pages that are still in the cache, after an activation and
    after its revert."""
    service = SERVICES[fleet.sandbox.service]
    port = fleet.host("web1").http_port
    eventually(lambda: hit_ratio(port, 100) == 1.0, 10, "every page is in the cache")
    with Load(port) as load, pending(fleet):
        after_push = hit_ratio(port, 100)
        eventually(lambda: hit_ratio(port, 125) == 1.0, 10, "these, too")
        assert fleet.deploy("abort", "--yes")[0] == 0
        after_revert = hit_ratio(port, 125)
    measure("not answered", f"{load.failed} of {sum(load.counts.values())}")
    measure("cache after push, revert", f"{after_push:.0%}, {after_revert:.0%}")
    kept = (after_push, after_revert)
    assert kept == (1.0, 1.0) if service.keeps_cache else kept == (0.0, 0.0)
    allowed = REFUSES.get(service.name, 0.0) * sum(load.counts.values())
    assert load.failed <= allowed, load.counts
    assert load.counts["ok"] > 100


def test_warm_asks_for_what_visitors_asked_for(fleet: Fleet, measure: Measure) -> None:
    """The most requested paths of the host's own log; a server without such a log says so."""
    for _ in range(3):
        hit_ratio(fleet.host("web1").http_port, 175, pages=5)
    code, body, err = fleet.deploy("warm", "--yes", "--top", "5", "-l", "web1")
    result = body["hosts"]["web1"]
    if fleet.sandbox.service == "haproxy":
        assert (code, "in no log" in result["error"]) == (1, True), result
        measure("warm --top 5", "no log")
        return
    assert (code, body["warm"]) == (0, True), (body, err)
    assert result["total"] == 10, result  # two passes of five
    measure("warm --top 5", f"{result['hits']} of {result['asked']} hits")
