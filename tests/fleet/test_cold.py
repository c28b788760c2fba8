"""Is what service_change says of the cache true? Each change is taken by the real server, and its pages asked for."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox.daemons import NAMES
from tests.fleet.conftest import eventually
from tests.fleet.load import hit_ratio
from tests.fleet.phrases import Phrases, phrases

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
MANY, FEW = 50, 5
PAGES = itertools.count(1000, MANY)  # no test asks for another's
SHOP, CONF = "conf__d___shop__conf", "squid__conf"
SITE = "sites-enabled___shop__conf"
RECODED = "sub vcl_hash {\n    hash_data(req.url);\n    hash_data(req.http.X-Device);\n    return (lookup);\n}\nsub vcl_recv {"
CASES: dict[str, list[tuple[str, str, str, str]]] = {  # (file, old, new, word)
    "nginx": [
        (SHOP, "keys_zone=shop:10m", "keys_zone=shop:12m", "reload"),
        (SHOP, "inactive=60m", "inactive=90m", "reload"),
        (SHOP, "$host$uri", "${host}$uri", "reload"),
        (SHOP, '"$host$uri$is_args$args"', '"$host$uri$is_args$args "', "cold"),
        (SHOP, '        proxy_cache_key "$host$uri$is_args$args";\n', "", "cold"),
        (SHOP, "proxy_cache_path", "proxy_cache_path /tmp/never levels=1 keys_zone=never:1m;\nproxy_cache_path", "reload"),
    ],
    "varnish": [
        ("default__vcl", "beresp.ttl = 10m", "beresp.ttl = 11m", "reload"),
        ("default__vcl", "sub vcl_recv {", RECODED, "cold"),
        ("default__vcl", "sub vcl_recv {", 'sub vcl_recv {\n    set req.http.host = "other";', "cold"),
    ],
    "haproxy": [("haproxy__cfg", "max-age 600", "max-age 900", "cold")],
    "squid": [
        (SHOP, "20% 1440", "20% 2880", "reload"),
        (SHOP, "cache_mem 32 MB", "cache_mem 33 MB", "reload"),
        (CONF, "accel defaultsite=shop vhost", "accel no-vhost defaultsite=store", "cold"),
    ],
    "apache": [
        (SITE, "CacheLock on", "CacheLock off", "reload"),
        (SITE, "CacheDirLevels 2", "CacheDirLevels 3", "cold"),
        (SITE, "CacheLock on", 'CacheKeyBaseURL "http://other.example/"', "cold"),
        (SITE, "var/cache/apache2\n", "var/cache/apache2/lower\n", "cold"),
    ],
    "trafficserver": [
        ("cache__config", "action=never-cache", "action=never-cache\n# x", "reload"),
        ("remap__config", "http://127.0.0.1:", "http://localhost:", "reload"),
        ("records__config", "pristine_host_hdr INT 1", "pristine_host_hdr INT 0", "cold"),
        ("remap__config", "headers.config", "headers.config @plugin=cachekey.so @pparam=--static-prefix=x", "cold"),
    ],
}  # fmt: skip


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Phrases, str]]:
    """One real server and the name of its first release."""
    folder = Path(tempfile.mkdtemp(prefix="cold-"))
    try:
        with phrases(folder, request.param) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_cache_after_a_change(server: tuple[Phrases, str]) -> None:
    """What is called cold is found nowhere afterwards, what is called a reload everywhere."""
    one, first = server
    port = one.host.http_port
    for file, old, new, word in CASES[one.sandbox.service]:
        page, case = next(PAGES), f"{old} -> {new}"
        eventually(lambda page=page: filled(port, page), 30, "every page is in the cache")  # type: ignore[misc]
        release = one.release(first, **{file: (old, new)})
        said = one.call("service_change", str(one.path(first)), str(one.path(release))).stdout
        assert said.startswith(word), case
        assert one.take(release) == "", case
        if word == "cold":  # a record of Traffic Server is there for a second before it is followed
            few = itertools.cycle(range(page, page + MANY, FEW))
            eventually(lambda few=few: hit_ratio(port, next(few), FEW) == 0.0, 10, case)  # type: ignore[misc]
        else:
            assert hit_ratio(port, page, MANY) == 1.0, case
        assert one.take(first) == "", case


def filled(port: int, page: int) -> bool:
    """Asks for each; true once all come from the cache."""
    try:
        return hit_ratio(port, page, MANY) == 1.0
    except OSError:
        return False
