"""Probes against a real server on loopback: what is measured, what is refused, and what must not fool them."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deployer.adapters.http.over_ssh import SshProber, line, read
from deployer.adapters.http.request import BODY_CAP, Target, Unsendable, resolve, target
from deployer.adapters.measuring import lateness
from deployer.adapters.measuring.probes import HttpProbes
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.model.sample import Sample
from deployer.model.schema.health import HealthCheck, Probe

Respond = Callable[[BaseHTTPRequestHandler, int], None]


def answer(handler: BaseHTTPRequestHandler, status: int = 200, body: bytes = b"shop", **headers: str) -> None:
    """One complete answer; header names are written with _ for -."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def fine(handler: BaseHTTPRequestHandler, number: int) -> None:
    answer(handler)


@dataclass
class Server:
    """`respond` gets the handler and the number of the request for that path, from 1. `seen`: (path, Host header)."""

    respond: Respond = fine
    seen: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def host(self, name: str = "web1") -> Host:
        return Host(name, address="127.0.0.1", vars={"http_port": self.port})


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()
    guard, counts = threading.Lock(), Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with guard:
                told.seen.append((self.path, self.headers.get("Host", "")))
                counts[self.path] += 1
                number = counts[self.path]
            try:
                told.respond(self, number)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *args: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    told.port = httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield told
    told.released.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(autouse=True)
def never_too_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may be; what is counted is in question here."""
    for name in ("SHARE", "LONGEST"):
        monkeypatch.setattr(lateness, name, 1e9)


def check(*probes: Probe) -> HealthCheck:
    return HealthCheck(probes=probes)


def closed_port() -> int:
    """A port nobody listens on: bound once, then given back."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as httpd:
        return int(httpd.server_address[1])


def test_a_good_second(server: Server) -> None:
    """Counts, latencies and the Host header."""
    with HttpProbes(check(Probe(name="home", url="/", host="shop.example", contains="shop", rate=5.0)), tick=0.2) as p:
        samples = [p.sample([server.host()], float(t)) for t in range(5)]
    hosts = [s.hosts["web1"] for s in samples]
    assert sum(h.n for h in hosts if h) == 5
    assert all(h is not None and h.err == 0 and h.required_ok == frozenset({"home"}) for h in hosts)
    assert all(len(h.lat) == h.n and min(h.lat) > 0 for h in hosts if h)
    assert set(server.seen) == {("/", "shop.example")}


@pytest.mark.parametrize(("rate", "tick", "expected"), [(20.0, 0.25, 20), (0.5, 1.0, 1), (2.5, 0.4, 4)])
def test_rates_are_kept_and_fractions_carried(server: Server, rate: float, tick: float, expected: int) -> None:
    """Counted by the server over four ticks on one of two hosts; a slow probe is asked in the first tick."""
    with HttpProbes(check(Probe(name="home", url="/", rate=rate)), tick=tick) as probes:
        ticks = 4 if rate >= 1 else 2
        first = probes.sample([server.host("web1"), server.host("web2")], 0.0)
        for t in range(1, ticks):
            probes.sample([server.host("web1"), server.host("web2")], float(t))
    assert all(h is not None and h.n > 0 for h in first.hosts.values())
    assert abs(len(server.seen) / 2 - expected) <= 1


def test_every_failure_counts_with_its_timeout(server: Server) -> None:
    """Wrong status, missing text, refused connection; the reason of the first one is kept."""
    server.respond = lambda handler, number: answer(handler, 500 if handler.path == "/a" else 200)
    probes = [
        Probe(name="status", url="/a", rate=10.0),
        Probe(name="text", url="/b", rate=10.0, contains="basket", timeout=0.5),
    ]
    dead = Host("dead", address="127.0.0.1", vars={"http_port": closed_port()})
    with HttpProbes(check(*probes), tick=0.2) as both:
        sample = both.sample([server.host(), dead], 0.0)
    web1, gone = sample.hosts["web1"], sample.hosts["dead"]
    assert web1 is not None
    assert gone is not None
    assert (web1.n, web1.err, sorted(web1.lat)) == (4, 4, [500.0, 500.0, 2000.0, 2000.0])
    assert "status 500" in web1.required_err["status"]
    assert "basket" in web1.required_err["text"]
    assert (gone.n, gone.err) == (4, 4)


def test_advisory_failures_do_not_count_beside_required_ones(server: Server) -> None:
    """They are not what a push is undone for."""
    server.respond = lambda handler, number: answer(handler, 404 if handler.path == "/extra" else 200)
    home, extra = Probe(name="home", url="/", rate=10.0), Probe(name="extra", url="/extra", rate=10.0, level="advisory")
    with HttpProbes(check(home, extra), tick=0.2) as probes:
        sample = probes.sample([server.host()], 0.0).hosts["web1"]
        results = probes.once([server.host()])
    assert sample is not None
    assert (sample.n, sample.err, dict(sample.required_err)) == (2, 0, {})
    assert [(r.probe, r.level, bool(r.failure)) for r in results] == [
        ("home", "required", False), ("extra", "advisory", True)
    ]  # fmt: skip


def test_a_proxy_in_the_environment_is_ignored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the probe would measure the proxy's cache."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with HttpProbes(check(Probe(name="home", url="/"))) as probes:
        assert [r.failure for r in probes.once([server.host()])] == [""]


def test_redirects_are_not_followed(server: Server) -> None:
    """A 302 is a 302; expected or not."""
    server.respond = lambda handler, number: answer(handler, 302, Location="/elsewhere")
    strict, loose = Probe(name="strict", url="/s"), Probe(name="loose", url="/l", expect=302)
    with HttpProbes(check(strict, loose)) as probes:
        results = probes.once([server.host()])
    assert [r.failure for r in results] == ["status 302 instead of 200", ""]
    assert "/elsewhere" not in {path for path, _ in server.seen}


def test_a_dripping_body_hits_the_total_deadline(server: Server) -> None:
    """Every read succeeds soon enough; the whole request never does."""

    def drip(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not server.released.wait(0.05):
            handler.wfile.write(b".")
            handler.wfile.flush()

    server.respond = drip
    with HttpProbes(check(Probe(name="home", url="/", timeout=0.4))) as probes:
        assert [r.failure for r in probes.once([server.host()])] == ["no complete answer within 0.4 s"]


def test_who_waits_in_another_thread_is_let_go_at_the_end(server: Server) -> None:
    """Ctrl-C while a plan or a push asks for everything once: the process must not wait for that thread for ever."""

    begun = threading.Event()

    def never(handler: BaseHTTPRequestHandler, number: int) -> None:
        begun.set()
        server.released.wait(60)

    server.respond = never
    probes = HttpProbes(check(Probe(name="home", url="/", timeout=50.0)))
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            probes.once([server.host()])
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert begun.wait(60)
    probes.close()
    thread.join(20)
    assert not thread.is_alive()
    assert ended


def test_a_huge_body_is_read_up_to_the_cap(server: Server) -> None:
    """An endless answer ends, and what is looked for must be in its first MiB."""

    def endless(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"early" + b"." * BODY_CAP + b"late")
        while not server.released.is_set():
            handler.wfile.write(b"." * 65536)

    server.respond = endless
    early, late = Probe(name="e", url="/", contains="early"), Probe(name="l", url="/", contains="late")
    with HttpProbes(check(early, late)) as probes:
        assert [bool(r.failure) for r in probes.once([server.host()])] == [False, True]


@pytest.mark.parametrize(
    ("second", "expected"), [("HIT", (2, 0)), ("MISS", (2, 2)), ("BYPASS", (2, 2)), ("", (None, None))]
)
def test_immediate_refetches(server: Server, second: str, expected: tuple[int | None, int | None]) -> None:
    """Asked twice at once: the second answer must be a hit; one that does not say is not counted; adapters/measuring/ready.py says so."""
    said: list[str] = []

    def cached(handler: BaseHTTPRequestHandler, number: int) -> None:
        headers = {"X_Cache_Status": "MISS" if number == 1 else second} if second else {}  # pairs may overlap
        answer(handler, **headers)

    server.respond = cached
    with HttpProbes(
        check(Probe(name="home", url="/", rate=10.0, cacheable=True, fresh="none")), said.append, tick=0.2
    ) as probes:
        sample = probes.sample([server.host()], 0.0).hosts["web1"]
        probes.sample([server.host()], 1.0)
    assert sample is not None
    assert (sample.n, sample.err) == (2, 0)
    assert (sample.rehit_n, sample.rehit_bad) == expected
    assert len(server.seen) == 8
    assert not said


def test_a_refetch_that_fails_is_a_failure_and_no_refetch(server: Server) -> None:
    """Not both: it must not be counted as a miss as well."""
    server.respond = lambda handler, number: answer(handler, 200 if number % 2 else 500, X_Cache="MISS")
    with HttpProbes(check(Probe(name="home", url="/", rate=5.0, cacheable=True, fresh="none")), tick=0.2) as probes:
        sample = probes.sample([server.host()], 0.0).hosts["web1"]
    assert sample is not None
    assert (sample.n, sample.err, sample.rehit_n, sample.rehit_bad) == (1, 1, 0, 0)


def test_a_host_that_cannot_be_asked_has_no_data(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unresolvable, link-local, no ssh: None and a reason said once; the other hosts are measured."""
    said: list[str] = []
    lost = Host("lost", address="169.254.169.254")
    with HttpProbes(check(Probe(name="home", url="/", rate=5.0)), said.append, tick=0.2) as probes:
        samples = [probes.sample([server.host(), lost], float(t)) for t in range(2)]
        results = probes.once([lost])
    assert all(s.hosts["lost"] is None and s.hosts["web1"] is not None for s in samples)
    assert len(said) == 1
    assert "link-local" in said[0]
    assert "link-local" in results[0].failure
    with HttpProbes(check(Probe(name="home", url="/", via="ssh")), tick=0.2) as probes:
        assert probes.sample([server.host()], 0.0).hosts == {"web1": None}


def test_our_own_failure_is_nobodys_failure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken loop or a bug: None for the host, never an exception, never an error of the host."""
    said: list[str] = []

    def broken(*_: object) -> None:
        raise RuntimeError("out of luck")

    with HttpProbes(check(Probe(name="home", url="/")), said.append, tick=0.1) as probes:
        monkeypatch.setattr("deployer.adapters.http.request.target", broken)
        assert probes.sample([server.host()], 0.0).hosts == {"web1": None}
        monkeypatch.undo()
        monkeypatch.setattr("deployer.adapters.http.request.make_client", broken)
        probes.close()
        assert probes.sample([server.host()], 1.0).hosts == {"web1": None}
    assert any("out of luck" in text for text in said)


def test_a_machine_that_is_too_busy_blames_nobody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop stands still for longer than a probe may take: no time-out, no latency, and it is said; what was answered
    in time was answered, also with an error. The next tick counts again."""
    real, stalls = target, iter([0.0, 0.0, 0.7])

    def stalled(host: Host, probe: Probe, address: str) -> Target:
        time.sleep(next(stalls, 0.0))
        return real(host, probe, address)

    def slow(handler: BaseHTTPRequestHandler, number: int) -> None:
        if handler.path == "/slow":
            time.sleep(0.4)
        answer(handler, 500 if handler.path == "/ill" else 200)

    server.respond = slow
    names = {"home": "/", "slow": "/slow", "ill": "/ill"}
    asked = [Probe(name=name, url=url, rate=5.0, timeout=0.5) for name, url in names.items()]
    with HttpProbes(check(*asked), tick=0.2) as probes:
        probes.sample([server.host()], -1.0)  # what is imported and resolved once is not measured
        monkeypatch.undo()
        monkeypatch.setattr("deployer.adapters.http.request.target", stalled)
        monkeypatch.setattr(probes, "_due", lambda *_: [0.0])
        busy = probes.sample([server.host()], 0.0)
        monkeypatch.undo()
        free = next(s for t in range(1, 60) if not (s := probes.sample([server.host()], float(t))).starved)
    assert re.fullmatch(r"it was up to \d{3,} ms late with what it had to do", busy.starved)
    ill, well = busy.hosts["web1"], free.hosts["web1"]
    assert ill is not None
    assert (ill.lat, set(ill.required_err) - {"ill"}) == ((), set())
    assert ill.n - ill.err == len(ill.required_ok or ())
    assert busy.late >= 250.0
    assert well is not None
    assert len(well.lat) == well.n > 0


def test_every_host_is_asked_first_in_its_turn(server: Server) -> None:
    """Who is asked first is measured longest on a busy machine: it must not always be the canary."""
    names = ["web1", "web2", "web3"]
    hosts = [replace(server.host(name), vars={"http_port": server.port, "n": name}) for name in names]
    with HttpProbes(check(Probe(name="home", url="/", host="", rate=1.0)), tick=1.0) as probes:
        order: list[str] = []
        asked = probes._ask

        async def note(line: Any, host: Host, probe: Probe, delay: float) -> Any:
            order.append(host.name)
            return await asked(line, host, probe, 0.0)

        probes._ask = note  # type: ignore[method-assign]
        for t in range(3):
            probes.sample(hosts, float(t))
    assert sorted(order[::3]) == names


def shop_cache(stores: Callable[[str], bool], keyed: bool = True) -> Respond:
    """A warm cache that keeps a URL if `stores` says so, and tells; keyed: its key knows the query."""
    kept = {"/p"}

    def respond(handler: BaseHTTPRequestHandler, number: int) -> None:
        key = handler.path if keyed else handler.path.partition("?")[0]
        answer(handler, X_Cache="HIT" if key in kept else "MISS")
        if stores(key):
            kept.add(key)

    return respond


def fresh_counts(samples: Sequence[Sample]) -> tuple[int, int] | None:
    known = [h for s in samples for h in s.hosts.values() if h is not None and h.fresh_n is not None]
    return (sum(h.fresh_n or 0 for h in known), sum(h.fresh_bad or 0 for h in known)) if known else None


def test_a_warm_page_hides_a_cache_that_stores_nothing(server: Server) -> None:
    """The page that is asked for all the time still comes from the cache; URLs never asked before tell."""
    server.respond = shop_cache(lambda key: True)
    probe = Probe(name="product", url="/p?x=1", rate=2.0, cacheable=True)
    with HttpProbes(check(probe), tick=0.5) as probes:
        before = [probes.sample([server.host()], float(t)) for t in range(-4, 0)]
        assert fresh_counts(before) == (2, 0)
        assert list(probes.settle(before, ["web1"])) == before
        warm = shop_cache(lambda key: False)
        server.respond = lambda handler, number: (
            answer(handler, X_Cache="HIT") if handler.path == "/p?x=1" else warm(handler, number)
        )
        after = [probes.sample([server.host()], float(t)) for t in range(4)]
    assert fresh_counts(after) == (2, 2)
    assert sum(h.rehit_bad or 0 for s in after if (h := s.hosts["web1"])) == 0
    assert sum(h.err for s in after if (h := s.hosts["web1"])) == 0
    paths = Counter(path for path, _ in server.seen)
    new = [path for path in paths if path != "/p?x=1"]
    assert len(new) == 4
    assert all(re.fullmatch(r"/p\?x=1&deployer-probe=[0-9a-f]{8}-\d+", path) and paths[path] == 2 for path in new)


@pytest.mark.parametrize(
    ("respond", "why"),
    [
        (shop_cache(lambda key: True, keyed=False), "web1 had one already (its cache key knows no query"),
        (shop_cache(lambda key: "?" not in key), "web1 did not keep one"),
        (fine, "web1 does not say whether an answer came from its cache"),
        (lambda h, n: answer(h, 404 if "?" in h.path else 200, X_Cache="HIT"), "web1 answered one with: status 404"),
    ],
)
def test_new_pages_that_were_not_kept_before_judge_nobody(server: Server, respond: Respond, why: str) -> None:
    """Said once, before anything changes, with what helps; then they are not asked for any more."""
    said: list[str] = []
    server.respond = respond
    with HttpProbes(check(Probe(name="p", url="/p", rate=2.0, cacheable=True)), said.append, tick=0.5) as probes:
        before = [probes.sample([server.host()], float(t)) for t in range(-4, 0)]
        settled = probes.settle(before, ["web1"])
        server.seen.clear()
        after = [probes.sample([server.host()], float(t)) for t in range(3)]
    assert fresh_counts(settled) is None
    assert fresh_counts(after) is None
    assert {path for path, _ in server.seen} == {"/p"}
    assert [text for text in said if why in text and "`fresh: [...]`" in text] == [said[-1]]


def test_listed_pages_are_asked_for_in_turn(server: Server) -> None:
    """For a cache whose key knows no query; a page of them that was there already tells nothing."""
    server.respond = shop_cache(lambda key: True, keyed=False)
    pages = ("/a", "/b", "/c")
    probe = Probe(name="p", url="/p", rate=2.0, cacheable=True, fresh=pages)
    with HttpProbes(check(probe), tick=0.5) as probes:
        samples = [probes.sample([server.host()], float(t)) for t in range(12)]
    assert fresh_counts(samples) == (3, 0)
    assert [Counter(path for path, _ in server.seen)[page] for page in pages] == [3, 3, 3]


def test_no_probes_name_no_host(server: Server) -> None:
    with HttpProbes(check()) as probes:
        assert probes.sample([server.host()], 3.0).hosts == {}


def test_ctrl_c_ends_a_sample_and_the_next_one_works(server: Server) -> None:
    """The interrupt comes while an answer is awaited."""

    main = threading.main_thread().ident or 0

    def slow(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 1:
            signal.pthread_kill(main, signal.SIGINT)
            server.released.wait(20)
        answer(handler)

    server.respond = slow
    with HttpProbes(check(Probe(name="home", url="/", rate=5.0, timeout=20.0)), tick=0.2) as probes:
        with pytest.raises(KeyboardInterrupt):
            probes.sample([server.host()], 0.0)
        sample = probes.sample([server.host()], 1.0).hosts["web1"]
    assert sample is not None
    assert (sample.n, sample.err) == (1, 0)


@pytest.mark.parametrize(
    "form", ["169.254.169.254", "::ffff:169.254.169.254", "0xa9fea9fe", "2852039166", "fe80::1", "0.0.0.0"]
)
def test_metadata_addresses_are_refused_in_every_form(form: str) -> None:
    with pytest.raises(Unsendable):
        resolve(form)


def test_targets_are_pinned_to_the_inventory() -> None:
    """A full URL gives scheme, port and name; never the address."""
    host = Host("web1", address="10.0.0.7", vars={"http_port": 8080})
    path = target(host, Probe(name="p", url="/a?b=c"), "10.0.0.7")
    assert (path.url, path.host) == ("http://10.0.0.7:8080/a?b=c", "10.0.0.7:8080")
    full = target(host, Probe(name="p", url="https://www.shop.example/x"), "10.0.0.7")
    assert (full.url, full.host, full.name) == ("https://10.0.0.7:443/x", "www.shop.example", "www.shop.example")
    six = target(host, Probe(name="p", url="http://shop.example:81/", host="other.example"), "2001:db8::1")
    assert (six.url, six.host) == ("http://[2001:db8::1]:81/", "other.example")
    for url in ("/a b", "/a\r\nX: y", "http://", "http://[x/"):
        with pytest.raises(Unsendable):
            target(host, Probe(name="p", url="/").model_copy(update={"url": url}), "10.0.0.7")


@dataclass
class Ran:
    """Satisfies probe_ssh.Ran."""

    exit: int | None
    stdout: bytes = b""
    stderr: bytes = b""


def shell(host: Host, text: str, deadline: float) -> Ran:
    """A host that is this machine: the command runs in a real sh."""
    done = subprocess.run(["sh", "-c", text], capture_output=True, timeout=deadline + 20, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.needs("curl")
def test_ssh_probes_send_what_http_probes_send(server: Server) -> None:
    """curl on the host: status, hit, text, quoting; failures in words."""
    server.respond = lambda handler, number: answer(
        handler, 404 if handler.path == "/gone" else 200, X_Cache="MISS" if number == 1 else "HIT"
    )
    ask = SshProber(shell).ask
    quoted = Probe(name="q", url="/it's;$(x)", host="shop.example", contains="shop", via="ssh")
    assert ask(server.host(), quoted).error == ""
    assert ask(server.host(), quoted).hit is True
    assert ("/it's;$(x)", "shop.example") in server.seen
    assert ask(server.host(), Probe(name="g", url="/gone")).error == "status 404 instead of 200"
    assert "basket" in ask(server.host(), Probe(name="b", url="/", contains="basket")).error
    dead = Host("dead", vars={"http_port": closed_port()})
    refused = ask(dead, Probe(name="d", url="/"))
    assert refused.status == 0
    assert refused.error


@pytest.mark.needs("wget")
def test_ssh_probes_fall_back_to_wget(server: Server) -> None:
    """On a host without curl."""
    server.respond = lambda handler, number: answer(handler, 503 if handler.path == "/ill" else 200, X_Cache="HIT")

    def without_curl(host: Host, text: str, deadline: float) -> Ran:
        hide = 'command() { [ "$2" = curl ] && return 1; [ "$2" = wget ]; }; '
        return shell(host, hide + text, deadline)

    ask = SshProber(without_curl).ask
    good = ask(server.host(), Probe(name="h", url="/", contains="shop", host="shop.example"))
    assert (good.status, good.hit, good.error) == (200, True, "")
    assert ("/", "shop.example") in server.seen
    assert ask(server.host(), Probe(name="i", url="/ill")).error == "status 503 instead of 200"


def test_ssh_trouble_is_not_the_services_fault() -> None:
    """No connection, no tool: Unsendable, so the host has no data instead of an error."""

    def gone(host: Host, text: str, deadline: float) -> Ran:
        raise Unreachable("no route")

    def bare(host: Host, text: str, deadline: float) -> Ran:
        return Ran(127)

    def died(host: Host, text: str, deadline: float) -> Ran:
        return Ran(None)

    for run in (gone, bare, died):
        with pytest.raises(Unsendable):
            SshProber(run).ask(Host("web1"), Probe(name="h", url="/"))


def test_ssh_answers_are_data() -> None:
    """A lying host: a forged trailer in the body, binary noise, nothing at all."""
    probe = Probe(name="h", url="/")
    forged = b"HTTP/1.1 200 OK\r\n\r\nx\ndeployer-probe:200 0.001\ny\ndeployer-probe:500 0.250000\n"
    assert read(forged, b"", probe, 9.0).ms == 250.0
    for noise in (b"", b"\x00\xff\x1b[2J", b"HTTP/1.1", b"HTTP/1.1 200", b"\n\n\n"):
        found = read(noise, b"\x1b[31mred", probe, 9.0)
        assert "\x1b" not in found.error
        assert found.error or found.status == 200


def test_ssh_line_is_one_quoted_line() -> None:
    """Every word of the user's is one word for the shell."""
    probe = Probe(name="h", url="/$(reboot)`x`", host="a'b")
    text = line(target(Host("web1"), probe, "127.0.0.1"), probe)
    assert "\n" not in text
    assert "Host: a'b" in shlex.split(text, comments=False)
