"""The way back is held up by nothing that belongs to going forward: an origin that is ill, a tool that is missing, a check
that cannot be made. And it stops nothing that could not be started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox import repository
from deployer.sandbox.daemons import NAMES
from deployer.sandbox.processes import processes
from tests.fleet.conftest import Fleet, eventually
from tests.fleet.load import hit_ratio
from tests.fleet.phrases import Phrases, phrases

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
MAIN = {
    "nginx": "nginx__conf",
    "varnish": "default__vcl",
    "haproxy": "haproxy__cfg",
    "squid": "squid__conf",
    "apache": "apache2__conf",
    "trafficserver": "remap__config",
}
TOOLS = {  # what checks, and is not needed to reload a running server
    "nginx": "nginx_bin",
    "varnish": "varnishd_bin",
    "haproxy": "haproxy_bin",
    "squid": "squid_bin",
    "apache": "apache_bin",
    "trafficserver": "traffic_server_bin",
}
PROBED = (
    '    .probe = { .url = "/"; .interval = 200ms; .timeout = 200ms; .window = 2; .threshold = 1; }\n}\n\nsub vcl_recv'
)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Phrases, str]]:
    """One real server and the name of its first release."""
    folder = Path(tempfile.mkdtemp(prefix="back-"))
    try:
        with phrases(folder, request.param) as made:
            eventually(lambda: answers(made[0].host.http_port), 30, "it answers")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return hit_ratio(port, 1, 1) >= 0
    return False


def release(fleet: Fleet) -> str:
    """What every host is on."""
    (only,) = fleet.currents()
    return only


@contextlib.contextmanager
def origin_stopped(folder: Path) -> Iterator[None]:
    """It takes connections and answers nothing."""
    pids = []
    for pid in processes(folder):
        with contextlib.suppress(OSError):  # it may be gone by now
            pids += [pid] if b"sandbox.origin" in Path(f"/proc/{pid}/cmdline").read_bytes() else []
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_back_without_an_origin_and_without_the_tool_that_checks(server: tuple[Phrases, str]) -> None:
    """Both are missed on the way forward."""
    one, first = server
    service = one.sandbox.service
    second = one.release(first, **{MAIN[service]: ("", "\n# harmless\n")})
    assert one.take(second) == ""
    path = str(one.path(first))
    tool = str(one.sandbox.variables(one.host)[TOOLS[service]])
    one.names = {TOOLS[service]: f"/no/such/{Path(tool).name}"}
    assert one.call("service_check", path).returncode != 0
    with origin_stopped(one.sandbox.folder):
        one.way = "back"
        done = one.call("service_check", path)
        assert (done.returncode, done.stderr) == (0, "")
        assert one.take(first) == ""
        assert one.loaded == first


def test_what_could_not_be_started_is_not_stopped(server: tuple[Phrases, str]) -> None:
    """A restart on the way back to a configuration that does not load would end the server."""
    one, first = server
    service = one.sandbox.service
    if service == "varnish":
        pytest.skip("it is never restarted")
    broken = one.release(first, **{MAIN[service]: ("", "\nmapp nonsense {\n")})
    one.way = "back"
    said = one.take(broken, "restart")
    assert "not stopped, for it could not be started" in said
    assert one.call("service_running").returncode == 0
    assert one.take(first) == ""


@pytest.mark.xdist_group("varnish")
def test_a_sick_backend_holds_up_no_revert_and_no_rollback(varnish: Fleet) -> None:
    """The incident makes the probed origin ill: the hosts go back to the VCL that was kept warm, by the watch and by
    hand, and forward only where nothing gets worse."""
    before = release(varnish)
    repository.change(varnish.sandbox, "default.vcl.j2", "}\n\nsub vcl_recv", PROBED, "a probe")
    code, body, err = varnish.deploy("push", "--yes")
    assert code == 0, (body, err)
    good = varnish.currents()
    varnish.playbook(bake="10s", confirm_timeout="30s")
    repository.commit_edit(varnish.sandbox, "incident")
    child = varnish.start("push", "--yes", "--json")
    root = varnish.root("web1")
    eventually(lambda: "pending" in (root / "events").read_text().splitlines()[-1], 120, "activated")
    with origin_stopped(varnish.sandbox.folder):
        out, err = child.communicate(timeout=200)
        assert child.returncode == 3, (out, err)
        assert varnish.currents() == good
        code, body, err = varnish.deploy("rollback", "--yes")  # all are where the revert left them
        assert (code, body["result"]) == (0, "unchanged"), (body, err)
        code, body, err = varnish.deploy("rollback", "--to", before, "--yes")
        assert code == 0, (body, err)
        assert varnish.currents() == {before}
        assert all(host["verified"] for host in body["hosts"].values())
