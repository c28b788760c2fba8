"""Where nginx logs requests, from its files alone."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.errors import InputError
from deployer.services import includes
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.nginx.access_log import access_log

SETTINGS = ServiceSettings("/etc/nginx", "/var/lib/deployer/nginx")
CACHE = "log_format cache '$status $upstream_cache_status $request_time $upstream_addr \"$http_user_agent\"';\n"
PIECES = ("", "status", " ", "cache", " ", "time", " ", "upstream", ' "', "agent", '"')


def found(text: str, **files: str) -> AccessLog | None:
    return access_log(
        {"nginx.conf": text.encode(), **{k.replace("_", "/"): v.encode() for k, v in files.items()}}, SETTINGS
    )


def test_the_log_of_the_http_block() -> None:
    log = found(f"http {{ {CACHE} access_log /x cache; server {{ listen 80; }} }}")
    assert log is not None
    assert (log.path, log.pieces, log.ms, log.note) == ("/x", PIECES, 1000.0, "")


def test_includes_relative_absolute_and_outside() -> None:
    """A format in one file, the log in another; comments and quotes are no syntax."""
    text = "http {\n include formats;\n include /etc/nginx/conf.d/*.conf; include /elsewhere/*.conf;\n # access_log /no;\n}"
    log = access_log(
        {
            "nginx.conf": text.encode(),
            "formats": CACHE.encode(),
            "conf.d/a.conf": b"server { access_log '/a b' cache; }",
        },
        SETTINGS,
    )
    assert log is not None
    assert log.path == "/a b"


def test_files_that_include_each_other_are_named() -> None:
    """With two includes in each, ten levels were a million files: found by fuzzing."""
    with pytest.raises(InputError, match=r"^b:2: a includes itself"):
        found("http { include a; }", a="include b; include b;", b="\ninclude a; include a;")
    deep = {f"f{number}": f"include f{number + 1};" for number in range(2000)}
    with pytest.raises(InputError, match=r"^f49:1: more than .* inside each other"):
        found("include f0;", **deep)


def test_the_same_snippet_in_many_places_is_no_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As real configurations do; without any end only up to a limit."""
    many = "server { include snippet; } " * 900
    log = found(f"http {{ {CACHE} {many} }}", snippet="access_log /x cache;")
    assert log is not None
    monkeypatch.setattr(includes, "LIMIT", 800)
    with pytest.raises(InputError, match=r"^nginx.conf:2: more than 800 files"):
        found(f"http {{ {CACHE} {many} }}", snippet="access_log /x cache;")


def test_the_log_that_most_servers_use_and_it_is_said() -> None:
    servers = "server { access_log /y cache; } server { access_log /y cache; } server { access_log /y cache; }"
    log = found(f"http {{ {CACHE} access_log /x cache;\n{servers} server {{}} server {{}} }}")
    assert log is not None
    assert log.path == "/y"
    assert "2 other" in log.note


@pytest.mark.parametrize(
    "before",
    [
        "proxy_set_header A ${host}; proxy_set_header B ${host}; proxy_set_header C ${host};",
        "map $uri $kind { a}b 1; default ${uri}; }",
        'content_by_lua_block { local t = { a = "}" }; if #t > 0 then ngx.say("it\'s; {") end -- don\'t }\n }',
        "set_by_lua_block $x {\n -- it's } not over\n --[[ nor } ' here ]] return [==[ } ]] \" ]==] .. '\\'}'\n}",
        "header_filter_by_lua_block{local n = #arg}",
    ],
)
def test_what_nginx_reads_as_one_is_read_as_one(before: str) -> None:
    """A word with a brace in it ends no block (the same files pass `nginx -t`); Lua has quotes and comments of its own."""
    log = found(f"http {{ {CACHE} server {{ location /a {{ {before} }}\n access_log /x cache; }} }}")
    assert log is not None
    assert (log.path, log.note) == ("/x", "")


def test_the_line_behind_lua_is_its_own() -> None:
    """What is skipped is counted."""
    with pytest.raises(InputError, match=r"^nginx.conf:6: log_format nope"):
        found("http {\n content_by_lua_block {\n -- don't\n local n = #arg\n }\n access_log /x nope;\n}")


def test_a_json_format_and_braces_around_a_variable() -> None:
    form = 'log_format j escape=json \'{"s":$status,\' \'"c":"${upstream_cache_status}","t":$request_time,"u":"$upstream_status"}\';'
    log = found(f"http {{ {form} access_log /x j; server {{}} }}")
    assert log is not None
    assert log.pieces == ('{"s":', "status", ',"c":"', "cache", '","t":', "time", ',"u":"', "upstream", '"}')
    assert "$http_user_agent" in log.note


def test_a_variable_of_the_users_own_is_not_ours() -> None:
    """`$cache` and `$time` mean nothing to us."""
    form = "log_format cache '$cache $time $status $upstream_cache_status $request_time $upstream_addr';"
    log = found(f"http {{ {form} access_log /x cache; }}")
    assert log is not None
    assert log.pieces[1::2] == ("$cache", "$time", "status", "cache", "time", "upstream")


@pytest.mark.parametrize(
    "text", ["", "http { access_log off; server {} }", "events {}", "http { server {} }", "}{;;'\""]
)
def test_nothing_is_logged(text: str) -> None:
    assert found(text) is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("http {\n access_log /x; }", "nginx.conf:2: log_format combined has no cache status", "define a log_format"),
        ("http {\n access_log /x nope; }", "nginx.conf:2: log_format nope is not defined", "define a log_format"),
        (
            "http { log_format cache '$status';\n access_log /x cache; }",
            "nginx.conf:1: log_format cache says too little",
            "add $upstream_cache_status, $request_time and $upstream_response_time to log_format cache",
        ),
        (
            "http {\n\n log_format c '$status $request_time $upstream_addr';\n access_log /x c; }",
            "nginx.conf:3: log_format c",
            "add $upstream_cache_status to log_format c",
        ),
        ("http { log_format c '$status$request_time'; access_log /x c; }", "touch each other", "put a space"),
        (f"http {{ {CACHE} access_log /x cache buffer=4k; }}", "is written late", "flush=1s"),
        (f"http {{ {CACHE} access_log /x cache gzip flush=1s; }}", "is written late", "no gzip"),
        (f"http {{ {CACHE} access_log logs/x cache; }}", "is relative", "absolute"),
        (f"http {{ {CACHE} access_log syslog:server=x cache; }}", "no file", "log to one file"),
        (f"http {{ {CACHE} access_log /$host.log cache; }}", "no file", "log to one file"),
    ],
)  # fmt: skip
def test_incomplete_formats_say_where_and_what_to_add(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        found(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


@given(st.text(alphabet="ab{};\"'#\\$ \n/", max_size=200) | st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        found(f"http {{ {CACHE} {text}", a=text)
