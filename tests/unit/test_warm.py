"""Warming: until the hit ratio stands, bounded, given up where it only adds load, stopped when it is not wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.adapters.http.over_ssh import SshProber
from deployer.adapters.http.warmer import HttpWarmer
from deployer.adapters.reading.playbooks import load_urls
from deployer.engine.warm import HANDFUL, warm
from deployer.model.errors import HostError, InputError
from deployer.model.fleet import Host
from deployer.model.schema.playbook import Warm
from deployer.model.warming import Batch, WarmResult
from tests.fakes.world import World
from tests.unit.test_http_probes import Server, answer, server

__all__ = ["server"]
URLS = tuple(f"/product/{n}" for n in range(60))


@dataclass
class Cache:
    """A cache that keeps what it was asked for; tells: its answers say so; broken: it answers errors."""

    keeps: bool = True
    tells: bool = True
    broken: bool = False
    kept: set[str] = field(default_factory=set)
    asked: int = 0

    def ask(self, host: Host, urls: Sequence[str]) -> Batch:
        hits = sum(url in self.kept for url in urls)
        self.asked += len(urls)
        if self.keeps:
            self.kept |= set(urls)
        if self.broken:
            return Batch(len(urls), len(urls))
        return Batch(len(urls), 0, len(urls) if self.tells else 0, hits if self.tells else 0)


def go(cache: Cache, lost: str = "", urls: Sequence[str] = URLS) -> WarmResult:
    """Warm one host."""
    world = World()
    hosts = [world.request.hosts[0]]
    result = warm(world.ports, cache, hosts, lambda host: urls, 0.9, lambda: lost)["web1"]
    assert isinstance(result, WarmResult)
    return result


def test_it_ends_when_the_hit_ratio_stands() -> None:
    """One pass fills, one measures."""
    result = go(Cache())
    assert (result.number, result.total, result.hit_ratio) == (2, 120, 1.0)
    assert result.why.startswith("warm")


def test_a_cache_that_keeps_nothing_is_not_called_warm() -> None:
    """Three passes and no more."""
    result = go(Cache(keeps=False))
    assert (result.number, result.total) == (3, 180)
    assert result.why.startswith("not warm")


def test_answers_that_tell_nothing_are_asked_once() -> None:
    """More passes would prove nothing."""
    assert go(Cache(tells=False)).total == 60


def test_an_ill_server_is_left_alone() -> None:
    """After one handful of errors."""
    cache = Cache(broken=True)
    assert go(cache).why.startswith("given up")
    assert cache.asked == HANDFUL


def test_a_short_list_that_nobody_answers_is_not_warm() -> None:
    """Fewer than a handful, all of them asked."""
    assert go(Cache(broken=True), urls=("/", "/product/1")).why == "given up: 2 of 2 answers failed"


def test_a_reason_to_go_back_stops_it_at_once() -> None:
    """Not one request more."""
    cache = Cache()
    assert go(cache, "web1 refused its lease renewal").why == "stopped: web1 refused its lease renewal"
    assert cache.asked == 0


def test_one_hosts_failure_is_that_hosts_result() -> None:
    """The others are warmed."""
    world = World()

    class Broken(Cache):
        def ask(self, host: Host, urls: Sequence[str]) -> Batch:
            if host.name == "web1":
                raise HostError("cannot resolve")
            return super().ask(host, urls)

    results = warm(world.ports, Broken(), world.request.hosts, lambda host: URLS, 0.9, lambda: "")
    assert isinstance(results["web1"], HostError)
    assert all(isinstance(results[name], WarmResult) for name in ("web2", "web3"))


def test_over_http(server: Server) -> None:
    """Every URL is asked for, and what the answers say is counted."""
    server.respond = lambda handler, number: answer(handler, X_Cache_Status="HIT" if number > 1 else "MISS")
    with HttpWarmer(Warm(urls="warm.txt", rate=1000.0), SshProber(lambda *_: pytest.fail("not asked"))) as warmer:
        assert warmer.ask(server.host(), URLS) == Batch(60, 0, 60, 0)
        assert warmer.ask(server.host(), URLS) == Batch(60, 0, 60, 60)
    assert {path for path, _ in server.seen} == set(URLS)


@pytest.mark.parametrize(
    ("text", "error"),
    [("", "no URLs"), ("# none\n", "no URLs"), ("/a\nhttp://x/b\n", "warm.txt:2"), ("/a b\n", "warm.txt:1")],
)
def test_bad_lists(tmp_path: Path, text: str, error: str) -> None:
    """With the place."""
    (tmp_path / "playbooks/nginx").mkdir(parents=True)
    (tmp_path / "playbooks/nginx/warm.txt").write_text(text)
    with pytest.raises(InputError, match=error):
        load_urls(tmp_path, "nginx", "warm.txt")


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/warm.txt", "missing.txt"])
def test_lists_that_are_not_beside_the_playbook(tmp_path: Path, name: str) -> None:
    """Nothing outside is read."""
    with pytest.raises(InputError):
        load_urls(tmp_path, "nginx", name)
