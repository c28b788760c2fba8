"""Real traffic on real servers: what is counted is what was sent, and what cannot be counted has a name."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployer.adapters.measuring.figures import Figures
from deployer.adapters.measuring.meter import Measure
from deployer.adapters.measuring.probes import HttpProbes
from deployer.adapters.measuring.prometheus import QueryReader
from deployer.adapters.measuring.traffic import CounterReader, LogReader, Traffic
from deployer.adapters.reading.inventory import load_inventory
from deployer.adapters.ssh.transport import SshTransport
from deployer.model.errors import HostError
from deployer.model.fleet import Host
from deployer.model.schema.health import HealthCheck
from deployer.model.schema.sources import Sources
from deployer.remote.layout import layout_for
from deployer.remote.logs import Counts
from deployer.sandbox import binaries, repository
from deployer.sandbox.fleet import wait_for
from deployer.sandbox.ports import free_port, listening
from deployer.sandbox.processes import processes
from deployer.services import SERVICES
from deployer.services.base import AccessLog, ServiceSettings
from tests.fleet.conftest import Fleet, eventually, make_fleet

pytestmark = [pytest.mark.xdist_group("sources"), pytest.mark.timeout(400), pytest.mark.long]


@pytest.fixture(scope="module")
def nginx() -> Iterator[Fleet]:
    """Two nginx hosts with a bake that a verdict of health fits in."""
    for fleet in make_fleet("nginx", 2, check=""):
        fleet.playbook(bake="8s", confirm_timeout="40s")
        yield fleet


@pytest.fixture(scope="module")
def varnish() -> Iterator[Fleet]:
    for fleet in make_fleet("varnish", 2, check=""):
        fleet.playbook(bake="8s", confirm_timeout="40s")
        yield fleet


@contextmanager
def wire(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshTransport]:
    for name, text in fleet.sandbox.environ().items():
        monkeypatch.setenv(name, text)
    transport = SshTransport()
    try:
        yield transport
    finally:
        transport.close()


def hosts(fleet: Fleet) -> dict[str, Host]:
    return dict(load_inventory(fleet.sandbox.config / "inventory.yml").hosts)


def log_reader(fleet: Fleet, transport: SshTransport, name: str = "web1") -> LogReader:
    """Of the release that is there."""
    service, host = fleet.sandbox.service, hosts(fleet)[name]
    layout = layout_for(host, service, f"/etc/{service}")
    settings = ServiceSettings(layout.dest, layout.root, layout.prefix, host.vars)

    def describe(files: Mapping[str, bytes]) -> AccessLog | None:
        return SERVICES[service].access_log(files, settings)

    here = {str(p.relative_to(layout.dest)): p.read_bytes() for p in Path(layout.dest).rglob("*") if p.is_file()}
    log = describe(here)
    assert log is not None
    return LogReader(transport, host, layout, log, fleet.current(name), describe)


def ask(port: int, path: str, **headers: str) -> int:
    """One request on a connection of its own; its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": "shop", "User-Agent": "visitor", **headers})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def refused(port: int) -> None:
    """A request that the server itself answers with 505."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/3.0\r\nHost: shop\r\n\r\n")
        while connection.recv(4096):
            pass


def send(port: int, mark: str) -> None:
    """4 misses, 12 hits, 3 past the cache, 2 of 5xx, 5 of our own probes (which hit)."""
    for number in range(4):
        assert ask(port, f"/product/{mark}-{number}") == 200
    for number in range(12):
        ask(port, f"/product/{mark}-{number % 4}")
    for _ in range(3):
        ask(port, f"/product/{mark}-0", Cookie="preview=1")
    for _ in range(2):
        refused(port)
    for _ in range(5):
        ask(port, f"/product/{mark}-1", **{"User-Agent": "deployer-probe"})


def gathered(read: Callable[[], Traffic], enough: Callable[[Counts], bool]) -> Counts:
    """Read until it is enough; the server writes its line after its answer."""
    total = Counts()
    end = time.monotonic() + 30
    while not enough(total):
        assert time.monotonic() < end, total
        total = total + read().counts
    return total


def test_nginx_counts_are_what_was_sent(nginx: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the log is rotated in the middle, with the reopening late."""
    host = nginx.host("web1")
    log = host.prefix / "var/log/nginx/access.log"
    with wire(nginx, monkeypatch) as transport:
        reader = log_reader(nginx, transport)
        reader.read()
        send(host.http_port, "a")
        found = gathered(reader.read, lambda counts: counts.n + counts.probe >= 26)
        assert (found.n, found.err, found.look, found.miss, found.orig) == (21, 2, 16, 4, 7)
        assert (found.probe, found.bad) == (5, 0)
        assert sum(many for _, many in found.lat) == 21

        log.rename(log.with_suffix(".log.1"))
        send(host.http_port, "b")  # into the renamed one
        os.kill(int((host.prefix / "run/nginx.pid").read_text()), signal.SIGUSR1)
        eventually(log.is_file, 10, "nginx reopens its log")
        send(host.http_port, "c")
        found = gathered(reader.read, lambda counts: counts.n + counts.probe >= 52)
        assert (found.n, found.err, found.look, found.miss, found.orig, found.probe) == (42, 4, 32, 8, 14, 10)
        assert reader.read().counts.n == 0


def test_nginx_stub_status(tmp_path: Path) -> None:
    """Requests, of a real nginx; asked only where the configuration has it, and a comment is no configuration."""
    port, config = free_port(), tmp_path / "nginx.conf"
    rooms = "".join(
        f"{kind}_temp_path {tmp_path}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ {rooms}access_log off; server {{ listen 127.0.0.1:{port};\n"
        "location / { return 200 ok; }\nlocation = /nginx_status { stub_status; } } }\n"
    )
    config.write_text(text)
    words = [binaries.find("nginx"), "-p", f"{tmp_path}/", "-c", str(config)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: listening(port), "nginx")
        asked = SERVICES["nginx"].script(ServiceSettings(str(tmp_path), str(tmp_path), "", {"http_port": str(port)}))

        def counted() -> subprocess.CompletedProcess[str]:
            return subprocess.run(["sh", "-c", f"{asked}service_counters"], capture_output=True, text=True, check=False)

        before = int(counted().stdout.removeprefix("n "))
        for _ in range(5):
            assert ask(port, "/") == 200
        assert int(counted().stdout.removeprefix("n ")) == before + 5 + 1, "and the question itself"
        config.write_text(text.replace("location = /nginx_status", "# stub_status\n#"))
        assert counted().returncode == 1
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)


def test_nginx_states_have_names(nginx: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    host = nginx.host("web1")
    log = host.prefix / "var/log/nginx/access.log"
    with wire(nginx, monkeypatch) as transport:
        reader = log_reader(nginx, transport)
        reader.read()
        aside = log.rename(log.with_suffix(".gone"))
        with pytest.raises(HostError, match=re.escape(f"access log {log}: missing")):
            reader.read()
        log.mkdir()
        with pytest.raises(HostError, match="not a file"):
            reader.read()
        log.rmdir()
        aside.rename(log)
        reader.read()
        with log.open("a") as file:
            file.write("no such format\n" * 3)
        with pytest.raises(HostError, match=r"3 lines of the access log .* are in no known format"):
            reader.read()


def test_varnish_counters_and_log(varnish: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters are exact; the log is a sample in which nothing is what was not sent."""
    host = varnish.host("web1")
    with wire(varnish, monkeypatch) as transport:
        reader = log_reader(varnish, transport)
        counters = CounterReader(transport, reader.host, reader.layout)
        counters.read()
        send(host.http_port, "a")
        found = gathered(counters.read, lambda counts: counts.n >= 24)
        assert (found.n, found.look, found.miss, found.orig) == (24, 21, 4, 7), "24: without the two that are no HTTP"

        stop = threading.Event()

        def visitors() -> None:
            number = 0
            while not stop.wait(0.01):
                ask(host.http_port, "/product/a-1", **({"Cookie": "preview=1"} if number % 5 == 0 else {}))
                ask(host.http_port, "/product/a-1", **{"User-Agent": "deployer-probe"})
                number += 1

        thread = threading.Thread(target=visitors)
        thread.start()
        try:
            seen = gathered(reader.read, lambda counts: counts.n >= 50)
        finally:
            stop.set()
            thread.join()
        assert (seen.err, seen.miss, seen.bad) == (0, 0, 0)
        assert seen.look + seen.orig == seen.n
        assert 0.1 < seen.orig / seen.n < 0.3
        assert seen.probe > 0


def test_a_silent_host_never_delays_the_others(nginx: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sshd is stopped in mid-watch: no data with a reason there, all data here; then it comes back."""
    known = hosts(nginx)
    both = [known["web1"], known["web2"]]
    probes = HttpProbes(HealthCheck.model_validate({"probes": [{"name": "home", "url": "/", "rate": "2/s"}]}))
    stopped = [pid for pid in processes(nginx.host("web2").prefix) if "sshd" in command(pid)]
    nginx.sandbox.start_traffic(rate=20, seconds=120)
    with wire(nginx, monkeypatch) as transport:
        readers = {name: log_reader(nginx, transport, name) for name in ("web1", "web2")}

        def figures(executor: object) -> Figures:
            return Figures(executor, Sources(), both, transport)  # type: ignore[arg-type]

        with Measure(probes, readers, figures) as measure:
            measure.baseline(both)
            for t in range(-6, 0):
                measure.sample(float(t))
            measure.settle([host.name for host in both])
            assert measure.judged_by.startswith("judged by real traffic"), measure.judged_by
            children = [pid for pid in processes(nginx.host("web2").prefix) if "sshd" in command(pid)]
            stopped = [*{*stopped, *children, *sessions(nginx.host("web2").ssh_port)}]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                measure.watch(both)
                samples = [measure.sample(float(t)) for t in range(18)]
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            assert sum(s.hosts["web1"] is not None and s.hosts["web1"].n > 0 for s in samples) >= 14
            assert samples[-1].hosts["web2"] is None
            named = {s.reasons["web2"] for s in samples if s.hosts["web2"] is None}
            assert any(re.match("no answer|cannot connect|the connection", reason) for reason in named), named
            after = [measure.sample(float(t)).hosts["web2"] for t in range(18, 40)]
            assert any(one is not None and one.n > 0 for one in after)


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def sessions(port: int) -> list[int]:
    """Processes that hold a connection on this local port: the sshd children of one host."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or "sshd" not in command(int(entry.name)):
            continue
        try:
            links = {os.readlink(link) for link in (entry / "fd").iterdir()}
        except OSError:
            continue
        if links & inodes:
            found.append(int(entry.name))
    return found


def test_the_origin_speaks_prometheus(nginx: Fleet) -> None:
    """The figure that the product reads is what the shop counts."""
    url = f"http://127.0.0.1:{nginx.sandbox.origin_port}"
    with urllib.request.urlopen(f"{url}/_stats", timeout=10) as answer:
        before = json.load(answer)["queries"]
    assert QueryReader(url, "shop_queries_total").read() >= before
    assert QueryReader(url, "rate(shop_queries_total[5s])").read() >= 0
    with pytest.raises(HostError, match="no data"):
        QueryReader(url, "nothing_of_that_name").read()
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        assert b"# TYPE shop_queries_total counter\nshop_queries_total " in answer.read()


def without_refetches(fleet: Fleet) -> None:
    """Only real traffic can see a bypass then."""
    file = fleet.sandbox.config / "health_checks/storefront.yml"
    file.write_text(file.read_text().replace(", cacheable: true", ""))


@pytest.mark.parametrize("service", ["nginx", "varnish"])
def test_the_founding_incident_is_seen_in_real_traffic(request: pytest.FixtureRequest, service: str) -> None:
    """Without any re-fetch: origin requests and look-ups of the visitors say it; a replay says it again."""
    fleet: Fleet = request.getfixturevalue(service)
    without_refetches(fleet)
    fleet.sandbox.start_traffic(rate=25, seconds=180)
    before = fleet.currents()
    repository.commit_edit(fleet.sandbox, "incident")
    code, body, err = fleet.deploy("push", "--yes")
    repository.git(fleet.sandbox.config, "revert", "--no-edit", "HEAD")
    assert "judged by real traffic: at least" in err, err
    assert (code, body["verdict"]["ruling"]) == (3, "regressed"), (body.get("verdict"), err)
    assert re.match("origin_ratio|hit_ratio|latency", body["verdict"]["because"]), body["verdict"]["because"]
    rows = {(row["metric"], row["host"]): row for row in body["verdict"]["evidence"]}
    assert rows["origin_ratio", "web1"]["observed"] > 0.9
    assert rows["origin_ratio", "web1"]["control"] < 0.5
    assert fleet.currents() == before
    code, again, err = fleet.deploy("show", body["deploy"], "--replay")
    assert code == 0, err
    assert body["verdict"]["because"].startswith(again["waves"][0]["verdict"]["because"])


def test_a_changed_log_format_is_no_lost_traffic(nginx: Fleet) -> None:
    """The push of another log format is judged by real traffic from the first to the last tick, and is healthy."""
    without_refetches(nginx)
    nginx.sandbox.start_traffic(rate=25, seconds=180)
    repository.commit_edit(nginx.sandbox, "log_format")
    code, body, err = nginx.deploy("push", "--yes")
    assert "judged by real traffic: at least" in err, err
    assert (code, body["result"]) == (0, "deployed"), (body.get("verdict"), err)
    lines = (nginx.sandbox.config / ".deploy/runs" / body["deploy"] / "samples.jsonl").read_text().splitlines()
    post = [sample for line in lines if (sample := json.loads(line)).get("phase") == "post"]
    missing = sum(one is None for tick in post for one in tick["sample"]["hosts"].values())
    assert not missing, f"{missing} of {2 * len(post)} host ticks gave nothing"


def test_a_log_that_says_too_little(nginx: Fleet) -> None:
    """Asked for: refused before anything changes, with the place and what to add. auto: the probes, and it is said."""
    path = "nginx.conf.j2"
    change = ("$upstream_cache_status ", "")
    repository.change(nginx.sandbox, path, *change, "less to write")
    file = nginx.sandbox.config / "health_checks/storefront.yml"
    file.write_text(file.read_text() + "sources: {traffic: access_log}\n")
    code, body, err = nginx.deploy("push", "--yes")
    assert code == 1, (body.get("verdict"), err)
    assert "nginx.conf:" in body["error"]["message"]
    assert "add $upstream_cache_status to log_format cache" in body["error"]["hint"]
    file.write_text(file.read_text().replace("sources: {traffic: access_log}\n", ""))
    code, body, err = nginx.deploy("push", "--yes")
    assert "the counters of nginx are read instead, as far as it has any" in err
    assert "judged by the probes: " in err
    assert code == 0, (body.get("verdict"), err)
