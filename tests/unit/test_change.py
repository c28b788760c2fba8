"""What taking a release costs, from two configurations: a reload, a restart, and whether the cache is found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.model.change import Change, change_said
from deployer.model.fleet import Host
from deployer.model.render import render
from deployer.model.render import variables as template_variables
from deployer.sandbox.daemons import daemon
from deployer.sandbox.servers import read_files
from deployer.services import SERVICES
from deployer.services.base import ServiceSettings
from tests.unit.test_services import shell

HOST = Host("web1", vars={"deploy_prefix": "/srv/web1", "origin": "10.0.0.1:8080"})
NGINX, VCL, SQUID = "conf.d/shop.conf", "default.vcl", "conf.d/shop.conf"
# What the programs say, where they are asked: Squid prints its configuration, Traffic Server describes its records.
INSTEAD = {"squid": 'parsed() { cat "$1"/*.conf "$1"/conf.d/*; }\n', "trafficserver": "ctl() { echo x; }\n"}
KEY = '        proxy_cache_key "$host$uri$is_args$args";\n'
CASES = [
    # (service, file, old, new, what it costs)
    ("nginx", NGINX, "keys_zone=shop:10m", "keys_zone=shop:20m", "reload"),
    ("nginx", NGINX, "    location / {", "    location /static { proxy_pass http://shop; proxy_cache shop; }\n    location / {", "reload"),
    ("nginx", NGINX, "proxy_cache shop;", "proxy_cache off;", "reload"),
    ("nginx", NGINX, '"$host$uri$is_args$args"', '"${host}$uri$is_args$args"', "reload"),
    ("nginx", NGINX, '"$host$uri$is_args$args"', '$host$uri$is_args$args  ', "reload"),
    ("nginx", NGINX, '"$host$uri$is_args$args"', '"$host$uri"', "cold: the cache key changes"),
    ("nginx", NGINX, KEY, "", "cold: the cache key changes"),
    ("nginx", NGINX, KEY, "        # proxy_cache_key $x;\n" + KEY, "reload"),
    ("nginx", NGINX, "proxy_cache shop;", "proxy_cache pages;", "cold: cache zone pages takes the place of shop"),
    ("nginx", NGINX, "levels=1:2", "levels=2:2", "restart: the directory or levels of cache zone shop change, and no reload "
     "makes that live; cold: cache zone shop begins empty in its new place"),
    ("varnish", VCL, "    unset req.http.Cookie;", "    unset req.http.Cookie; // set req.url = 1;", "reload"),
    ("varnish", VCL, "    unset req.http.Cookie;", '    unset req.http.X; if (req.http.Host ~ "^www") { return (pass); }', "reload"),
    ("varnish", VCL, "sub vcl_recv {", "sub vcl_hash {\n    hash_data(req.url);\n}\nsub vcl_recv {", "cold: "),
    ("varnish", VCL, "    unset req.http.Cookie;", '    set req.url = regsub(req.url, "[?].*", "");', "cold: "),
    ("varnish", VCL, "    unset req.http.Cookie;", '    set req.http.host = "shop";', "cold: "),
    ("haproxy", "haproxy.cfg", "max-age 600", "max-age 900", "cold: each worker"),
    ("squid", SQUID, "refresh_pattern", "# more\nrefresh_pattern", "reload"),
    ("squid", "squid.conf", "http_access allow all", "http_access allow all\nstore_id_program /bin/x", "cold: store_id_program"),
    ("squid", "squid.conf", "defaultsite=shop", "defaultsite=store", "cold: a port"),
    ("squid", "squid.conf", "cache_peer", "http_port 8181\ncache_peer", "reload"),
    ("squid", "squid.conf", "http_access allow all", "workers 2\nurl_rewrite_program /x", "restart: workers changes, which a "
     "running squid does not take; cold: url_rewrite_program makes other URLs"),
    ("apache", "sites-enabled/shop.conf", "CacheLock on", "CacheLock off", "reload"),
    ("apache", "sites-enabled/shop.conf", "CacheRoot /srv", "CacheRoot /mnt", "cold: CacheRoot changes"),
    ("apache", "sites-enabled/shop.conf", "CacheDirLevels 2", "CacheDirLevels 3", "cold: CacheDirLevels changes"),
    ("apache", "sites-enabled/shop.conf", "CacheLock on", "CacheIgnoreQueryString On", "cold: CacheIgnoreQueryString"),
    ("apache", "apache2.conf", "ServerLimit 4", "ServerLimit 5", "restart: ServerLimit changes"),
    ("trafficserver", "remap.config", "headers.config", "headers.config # x", "reload"),
    ("trafficserver", "remap.config", "10.0.0.1", "10.0.0.2", "reload"),
    ("trafficserver", "remap.config", "10.0.0.1:8080", "10.0.0.1:8080/shop", "cold: the URL that is looked up changes"),
    ("trafficserver", "remap.config", "headers.config", "headers.config @plugin=cachekey.so @pparam=--sort-params", "cold: the URL"),
    ("trafficserver", "remap.config", "map /", "map /admin http://10.0.0.1:8080/admin\nmap /", "reload"),
    ("trafficserver", "storage.config", "64M", "96M", "lasting: storage.config"),
]  # fmt: skip


def trees(folder: Path, service: str, path: str, old: str, new: str) -> str:
    """Two releases below FOLDER, as words for service_change."""
    for side in ("old", "new"):
        for source in read_files(service):
            text = render(source, template_variables(HOST)).decode()
            if side == "new" and source.path == path:
                assert old in text
                text = text.replace(old, new, 1)
            file = folder / side / source.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return f"'{folder}/old' '{folder}/new'"


def change(folder: Path, service: str, words: str) -> str:
    """What the phrasebook prints."""
    script = SERVICES[service].script(ServiceSettings(str(folder / "old"), str(folder)))
    done = shell(f"{script}\n{INSTEAD.get(service, '')}service_change {words}")
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(("service", "path", "old", "new", "costs"), CASES)
def test_what_a_change_costs(tmp_path: Path, service: str, path: str, old: str, new: str, costs: str) -> None:
    """One edit of the example."""
    said = change(tmp_path, service, trees(tmp_path, service, path, old, new))
    assert said == costs if costs == "reload" else said.startswith(costs)


@pytest.mark.parametrize("service", ["nginx", "varnish", "apache"])
def test_harmless_changes_of_the_sandbox_are_reloads_that_keep_the_cache(tmp_path: Path, service: str) -> None:
    """And so is the incident: no grace for it."""
    for name, edit in daemon(service).EDITS.items():
        if name in ("hit_ratio", "moved", "syntax"):  # another key, another place
            continue
        path = edit.path.removesuffix(".j2")
        assert change(tmp_path, service, trees(tmp_path, service, path, edit.old, edit.new)) == "reload", name


def test_the_default_key_of_nginx_names_the_upstream(tmp_path: Path) -> None:
    """Where no key is given, another name in proxy_pass is another key."""
    for side, name in (("old", "shop"), ("new", "store")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "site").write_text(f"location / {{ proxy_cache z; proxy_pass http://{name}/x; }}\n")
    words = f"'{tmp_path}/old' '{tmp_path}/new'"
    assert change(tmp_path, "nginx", words).startswith("cold: proxy_pass names shop no more")
    (tmp_path / "new/site").write_text("location / { proxy_cache z; proxy_pass http://shop/y; }\n")
    assert change(tmp_path, "nginx", words) == "reload"


def test_where_nothing_was_cached_nothing_gets_cold(tmp_path: Path) -> None:
    """A first cache has nothing to lose."""
    for side, text in (("old", ""), ("new", "proxy_cache_key $uri; proxy_cache z;")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "site.conf").write_text(f"location / {{ {text} proxy_pass http://shop; }}\n")
    assert change(tmp_path, "nginx", f"'{tmp_path}/old' '{tmp_path}/new'") == "reload"
    for side in ("old", "new"):
        (tmp_path / side / "haproxy.cfg").write_text("frontend web\n")
    assert change(tmp_path, "haproxy", f"'{tmp_path}/old' '{tmp_path}/new'") == "reload"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", ("reload", "", False, "")),
        ("reload", ("reload", "", False, "")),
        ("cold: the key: another", ("reload", "", False, "the key: another")),
        ("restart: a; b: c", ("restart", "a; b: c", False, "")),
        ("restart: a; cold: b", ("restart", "a", False, "b")),
        ("lasting: the store", ("restart", "the store", True, "the store")),
        ("lasting: a; cold: b", ("restart", "a", True, "b")),
        ("nonsense", ("restart", "", False, "")),
    ],
)
def test_what_a_host_says_is_read(said: str, meant: tuple[str, str, bool, str]) -> None:
    """One line, several words."""
    assert change_said(said) == Change(*meant)


@pytest.mark.parametrize(
    ("service", "file", "text"),
    [
        ("nginx", "site", 'location / {{ proxy_cache z;\n add_header X "a # b";\n proxy_cache_key "{}"; }}\n'),
        ("nginx", "site", "location / {{ proxy_cache z;\n add_header X 'a \\' # b';\n proxy_cache_key {}; }} # it's\n"),
        ("nginx", "site", 'location / {{ proxy_cache z; proxy_cache_key "a #{}"; }}\n'),
        ("varnish", "default.vcl", 'sub vcl_recv {{ set req.url = regsub(req.url, " #.*", "{}"); }} # "\n'),
        ("varnish", "default.vcl", 'sub vcl_recv {{ set req.url = regsub(req.url," // ","{}"); }} // "\n'),
    ],
)
def test_a_comment_does_not_begin_in_quotes(tmp_path: Path, service: str, file: str, text: str) -> None:
    """What stands behind it on the line is part of the key; what stands in a comment is not."""
    for side, key, more in (
        ("old", "one", ""),
        ("new", "two", ""),
        ("same", "one", "\n# proxy_cache_key x; set req.url = 1;\n"),
    ):
        (tmp_path / side).mkdir()
        (tmp_path / side / file).write_text(text.format(key) + more)
    assert change(tmp_path, service, f"'{tmp_path}/old' '{tmp_path}/new'").startswith("cold: ")
    assert change(tmp_path, service, f"'{tmp_path}/old' '{tmp_path}/same'") == "reload"
