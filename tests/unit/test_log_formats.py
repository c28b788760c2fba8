"""What a log says is read by its format: every field that may hold the separator, and every way in which a log is not
all requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.model.errors import InputError
from deployer.services import SERVICES
from deployer.services.apache import access_log as apache_log
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.haproxy import access_log as haproxy_log
from deployer.services.haproxy.syntax import statements
from deployer.services.nginx import access_log as nginx_log
from deployer.services.squid import access_log as squid_log
from deployer.services.trafficserver import access_log as trafficserver_log
from tests.unit.test_logline import AWKS, count

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FIRST = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "squid": "squid.conf", "apache": "apache2.conf"}


def log_of(service: str, text: str, **variables: str) -> AccessLog:
    """As the phrasebook reads it."""
    found = SERVICES[service].access_log(
        {FIRST[service]: text.encode()}, ServiceSettings(f"/etc/{service}", "/r", vars=variables)
    )
    assert found is not None
    return found


def nginx(form: str, lines: str = "access_log /l x;", escape: str = "") -> AccessLog:
    return log_of("nginx", f"http {{ log_format x {escape} {form};\n {lines} }}")


def told(log: AccessLog, *lines: str, awk: str = "awk") -> Any:
    return count(AWKS[awk], [log], "".join(f"{line}\n" for line in lines).encode(), -1)


RETRIED = "'$remote_addr [$time_local] $request_time $upstream_response_time $status $upstream_cache_status \"$http_user_agent\"'"


@pytest.mark.parametrize("awk", AWKS)
def test_p18_retried_errors_are_errors(awk: str) -> None:
    """Two upstream times in one field, which hold the separator of the fields; every awk."""
    log = nginx(RETRIED)
    found = told(
        log,
        '10.0.0.9 [29/Nov/2026:12:00:00 +0000] 1.220 0.600, 0.620 502 MISS "Mozilla/5.0 (X11; Linux)"',
        '10.0.0.9 [29/Nov/2026:12:00:00 +0000] 0.300 0.1 : 0.2 200 MISS "v"',
        '10.0.0.9 [29/Nov/2026:12:00:00 +0000] 0.000 - 200 HIT "v"',
        awk=awk,
    )
    assert {key: found[key] for key in ("n", "err", "look", "miss", "orig", "bad")} == {
        "n": 3, "err": 1, "look": 3, "miss": 2, "orig": 4, "bad": 0,
    }  # fmt: skip


def test_p18_status_before_and_cache_behind() -> None:
    """Nothing was bad here, and the cache's word was a piece of the list."""
    log = nginx("'$status $upstream_addr $upstream_status $upstream_cache_status $request_time \"$http_user_agent\"'")
    found = told(log, '502 10.0.0.1:80, unix:/run/b.sock : 10.0.0.3:80 502, 504 : 502 MISS 1.5 "v"')
    assert {key: found[key] for key in ("n", "err", "look", "miss", "orig", "bad")} == {
        "n": 1, "err": 1, "look": 1, "miss": 1, "orig": 3, "bad": 0,
    }  # fmt: skip


def test_p18_lists_behind_commas_and_in_json() -> None:
    commas = nginx("'$status, $upstream_response_time, $upstream_cache_status, $request_time'")
    assert told(commas, "502, 0.6, 0.62 : 0.7, MISS, 1.9")["orig"] == 3
    json = nginx(
        """'{"s":$status,"u":$upstream_response_time,"a":"$http_user_agent",' '"c":"$upstream_cache_status","t":$request_time}'""",
        escape="escape=json",
    )
    hostile = '{"s":502,"u":0.6, 0.62,"a":"x\\",\\"c\\":\\"HIT\\",\\"t\\":0}","c":"MISS","t":1.5}'
    found = told(json, hostile)
    assert (found["err"], found["miss"], found["orig"], found["bad"]) == (1, 1, 2, 0)


def test_a_text_without_quotes_takes_nothing_of_what_is_behind_it() -> None:
    """As long as there is one of them; with two, what stands between them could be said by a visitor."""
    log = nginx("'$http_user_agent $status $upstream_cache_status $request_time $upstream_response_time'")
    found = told(log, "curl 200 HIT 0.1 0.1 502 MISS 1.5 0.1, 0.2", "a b c 200 HIT 0.0 -")
    assert (found["n"], found["err"], found["look"], found["miss"], found["orig"]) == (2, 1, 2, 1, 2)
    with pytest.raises(InputError, match=r"the status of a request cannot be told from \$http_referer") as caught:
        nginx("'$http_referer $status $upstream_cache_status $request_time $upstream_response_time $http_user_agent'")
    assert caught.value.hint == "put $http_referer into quotes"


@pytest.mark.parametrize("lines", ["server-template web 1-3 app.internal:80", "server web1 10.0.0.1:80", ""])
def test_p19_every_server_is_a_server(lines: str) -> None:
    """Those of a template, and those that were added at run time; what begins with `<` is none."""
    text = f"defaults\n option httplog\nfrontend f\nbackend b\n {lines}\n"
    log = log_of("haproxy", text, haproxy_access_log="/l")
    line = '<134>Nov 25 01:07:18 localhost haproxy[1]: 127.0.0.1:40448 [25/Nov/2026:01:07:18.095] f b/{} 0/0/0/2/2 200 3 - - ---- 1/1/0/0/0 0/0 {{v}} "GET / HTTP/1.1"'
    found = told(log, line.format("web1"), line.format("<CACHE>"), line.format("<NOSRV>"))
    assert (found["n"], found["look"], found["miss"], found["orig"], found["odd"]) == (3, 2, 1, 1, 0)


def test_a_word_that_nobody_knows_is_counted() -> None:
    """It is neither hit nor miss; what nginx writes where it does not look is known."""
    log = nginx(RETRIED)
    line = '10.0.0.9 [29/Nov/2026:12:00:00 +0000] 0.1 0.1 200 {} "v"'
    found = told(log, *(line.format(word) for word in ("HIT", "-", "CLOUDY", "CLOUDY", "ODD")))
    assert (found["odd"], found["word"], found["look"]) == (3, "CLOUDY", 1)


ERRORS_ONLY = "map $status $loggable { ~^[23] 0; default 1; }"


def test_p20_a_log_of_errors_only_is_no_log_of_all_requests() -> None:
    with pytest.raises(InputError, match=r"nginx.conf:2: not every request .*if=\$loggable depends on \$status"):
        nginx(RETRIED, f"access_log /l x if=$loggable; {ERRORS_ONLY}")
    beside = nginx(RETRIED, f"access_log /l x if=$loggable; access_log /all x; {ERRORS_ONLY}")
    assert (beside.path, beside.note) == ("/all", "")
    through = f"map $loggable $again {{ default $loggable; }} {ERRORS_ONLY}"
    with pytest.raises(InputError, match=r"depends on \$status"):
        nginx(RETRIED, f"access_log /l x if=$again; {through}")
    with pytest.raises(InputError, match="cannot be told from these files"):
        nginx(RETRIED, "access_log /l x if=$from_lua;")


@pytest.mark.parametrize(
    "made",
    ["map $request_uri $l { ~^/health 0; default 1; }", "split_clients $remote_addr $l { 10% 1; * ''; }", "geo $l { }"],
)
def test_p20_what_was_asked_may_decide_and_it_is_said(made: str) -> None:
    log = nginx(RETRIED, f"access_log /l x if=$l; {made}")
    assert log.note == "nginx.conf:2: requests that if=$l leaves out are not judged"


def test_p20_locations_and_servers_that_log_elsewhere_are_said() -> None:
    log = nginx(
        RETRIED,
        "access_log /l x; server { location = /favicon.ico { access_log off; } location /api { if ($x) { access_log /o x; } } }"
        " server { access_log /vhost x; } server { access_log /l x; access_log /more x; }",
    )
    assert log.path == "/l"
    assert "1 other server(s) log elsewhere" in log.note
    assert "requests of location = /favicon.ico (nginx.conf:2) log nothing and are not judged, and 1 more" in log.note


@pytest.mark.parametrize(
    ("options", "fine"),
    [("buffer=4k flush=1s", True), ("buffer=4k flush=500ms", True), ("buffer=4k flush=5s", False), ("buffer=4k", False),
     ("buffer=4k flush=1m", False), ("gzip", False), ("gzip=4 flush=1s", False)],
)  # fmt: skip
def test_a_log_that_is_written_late(options: str, fine: bool) -> None:
    if fine:
        assert nginx(RETRIED, f"access_log /l x {options};").path == "/l"
        return
    with pytest.raises(InputError, match="is written late"):
        nginx(RETRIED, f"access_log /l x {options};")


def test_p21_escapes_of_nginx_are_what_nginx_reads() -> None:
    """A tab; a backslash before any other letter stays."""
    form = (
        '"time:$time_local\\tstatus:$status\\tcache:$upstream_cache_status\\trt:$request_time\\t'
        'urt:$upstream_response_time\\tua:$http_user_agent"'
    )
    log = nginx(form)
    assert "\tstatus:" in log.pieces
    found = told(
        log, "time:29/Nov/2026:12:00:00 +0000\tstatus:502\tcache:MISS\trt:1.2\turt:0.6, 0.6\tua:a status:200 b"
    )
    assert (found["n"], found["err"], found["orig"], found["bad"]) == (1, 1, 2, 0)
    literal = nginx("'$status\\x22$upstream_cache_status $request_time \\\\ $upstream_addr'")
    assert literal.pieces[2] == "\\x22"
    assert literal.pieces[6] == " \\ "


def test_p22_the_clf_of_haproxy_is_read() -> None:
    """As the real daemon wrote it: a bad request, a hit, three servers of a template, one of our probes."""
    log = log_of("haproxy", "defaults\n option httplog clf\nfrontend f\n", haproxy_access_log="/l")
    lines = (Path(__file__).parents[1] / "golden" / "haproxy-clf.log").read_text().splitlines()
    found = told(log, *lines)
    assert {key: found[key] for key in ("n", "err", "look", "miss", "orig", "probe", "bad")} == {
        "n": 6, "err": 1, "look": 5, "miss": 4, "orig": 4, "probe": 1, "bad": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defaults\n mode http\nfrontend f\n", "haproxy.cfg:3: nothing says how requests are logged"),
        ("defaults\n option tcplog\nfrontend f\n", "nothing says how requests are logged"),
        ("defaults\n option httplog\n option dontlog-normal\nfrontend f\n", "haproxy.cfg:3: not every request"),
        ("defaults\n option httplog\n log /dev/log local0 err\nfrontend f\n", "only err and above"),
        ("defaults\n option httplog\nfrontend f\n http-response set-log-level silent if OK\n", "haproxy.cfg:4: not every"),
        ("defaults\n option httplog\nfrontend f\n http-request set-log-level silent\n", "not every request"),
    ],
)  # fmt: skip
def test_haproxy_logs_that_are_not_all_requests(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        log_of("haproxy", text, haproxy_access_log="/l")


def test_haproxy_logs_of_a_part_that_is_said() -> None:
    text = (
        "defaults a\n option httplog\n log /dev/log sample 1:10 local0 info\nfrontend f from a\n"
        ' http-request set-log-level silent if { path /health }\nfrontend g from a\n log-format "%ST"\nfrontend h\n'
    )
    note = log_of("haproxy", text, haproxy_access_log="/l").note
    assert "haproxy.cfg:3: only a sample of the requests (1:10) is logged" in note
    assert "haproxy.cfg:5: requests that `silent if { path /health }` leaves out are not judged" in note
    assert "haproxy.cfg:6: this frontend logs in another format" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acl bad http_status 500-599\naccess_log /l squid bad\n", r"squid.conf:2: not every .*acl bad \(http_status"),
        ("acl bad http_status 500\naccess_log none !bad\naccess_log /l squid\n", "squid.conf:2: not every request"),
        ("buffered_logs on\naccess_log /l squid\n", "squid.conf:1: the access log is written late"),
        ("access_log /l squid nobody\n", "acl nobody"),
    ],
)
def test_squid_logs_that_are_not_all_requests(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        log_of("squid", text)


def test_squid_logs_of_a_part_that_is_said() -> None:
    log = log_of(
        "squid", "acl bad http_status 500\nacl lan src 10.0.0.0/8\naccess_log /e squid bad\naccess_log /l squid !lan\n"
    )
    assert (log.path, log.note) == ("/l", "squid.conf:4: requests that !lan leaves out are not judged")


APACHE = 'LogFormat "%h %u %t \\"%r\\" %>s \\"%{cache-status}e\\" %D %R \\"%{User-Agent}i\\"" c\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('CustomLog /l c "expr=%{REQUEST_STATUS} >= 500"', "apache2.conf:2: not every request"),
        ("CustomLog /l c env=!fine", "apache2.conf:2: not every request"),
        ("CustomLog /l c\nBufferedLogs On", "apache2.conf:3: the access log is written late"),
    ],
)
def test_apache_logs_that_are_not_all_requests(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        log_of("apache", APACHE + text)


def test_apache_logs_of_a_part_that_is_said() -> None:
    log = log_of("apache", APACHE + 'SetEnvIf Request_URI "^/health" quiet\nCustomLog /l c env=!quiet\n')
    assert log.note == "apache2.conf:3: requests that env=!quiet leaves out are not judged"
    hosts = (
        "CustomLog /l c\n<VirtualHost *:80>\n</VirtualHost>\n<VirtualHost *:81>\nCustomLog /other c\n</VirtualHost>\n"
    )
    assert (
        "1 virtual host(s) log elsewhere and are not judged (the first: apache2.conf:5)"
        in log_of("apache", APACHE + hosts).note
    )
    assert log_of("apache", APACHE + "GlobalLog /g c\n" + hosts).note == ""


def test_apache_quotes_in_a_header_are_no_end_of_it() -> None:
    log = log_of("apache", APACHE + "CustomLog /l c\n")
    found = told(
        log,
        r'::1 a b [29/Nov/2026:12:00:00 +0000] "GET /\" 200 \"cache hit\" 1 - \"x HTTP/1.1" 502 "-" 99 proxy-server "y \" z"',
    )
    assert (found["n"], found["err"], found["orig"], found["bad"]) == (1, 1, 1, 0)


@pytest.mark.parametrize(("condition", "fine"), [("cqup MATCH /health", True), ("pssc MATCH 500", False), ("", False)])
def test_trafficserver_filters(condition: str, fine: bool) -> None:
    text = (
        "logging:\n  filters:\n    - {name: f, action: accept, condition: '" + condition + "'}\n  formats:\n"
        "    - {name: c, format: '%<pssc> %<crc> %<ttms> %<shn>'}\n"
        "  logs:\n    - {filename: /l, format: c, mode: ascii, filters: [f]}\n"
    )  # fmt: skip

    def read() -> AccessLog | None:
        return trafficserver_log.access_log({"logging.yaml": text.encode()}, ServiceSettings("/e", "/r"))

    if fine:
        log = read()
        assert log
        assert log.note == "logging.yaml:7: requests that filter f leaves out are not judged"
        return
    with pytest.raises(InputError, match=r"logging.yaml:7: not every request is in the access log"):
        read()


# Property: a format of fields in any order; the line that it makes of any values is read back.
TIMES = st.lists(st.sampled_from(["0.600", "1.2", "-", "0.000"]), min_size=1, max_size=4)
ANY = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF, exclude_characters="\n\r\0"), max_size=30)
AGENTS = st.one_of(ANY, st.sampled_from(['x" 200 HIT "', "a b 502 MISS 0.1", "[x] y: {z}", "\\", '"', "' | ; ,"]))


def by_default(text: str) -> str:
    """ngx_http_log_escape."""
    return (
        "".join(f"\\x{b:02X}" if b < 32 or b in (34, 92, 127) else chr(b) for b in text.encode())
        .encode("latin-1")
        .decode()
    )


def by_json(text: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", '"': '\\"', "\\": "\\\\"}
    return "".join(short.get(c, f"\\u{ord(c):04X}" if ord(c) < 32 else c) for c in text)


def by_apache(text: str) -> str:
    """ap_escape_logitem."""
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v", '"': '\\"', "\\": "\\\\"}
    return "".join(short.get(chr(b), f"\\x{b:02x}" if b < 32 or b > 126 else chr(b)) for b in text.encode())


def by_haproxy(text: str) -> str:
    return "".join(f"#{b:02X}" if b < 32 or b > 126 or chr(b) in '"#{|}' else chr(b) for b in text.encode())


VALUES = st.fixed_dictionaries(
    {
        "status": st.sampled_from([200, 304, 404, 499, 500, 502]),
        "cache": st.sampled_from(["HIT", "MISS", "BYPASS", "-"]),
        "time": st.sampled_from(["0.001", "12.5"]),
        "upstream": st.tuples(TIMES, st.lists(st.sampled_from([", ", " : "]), min_size=3, max_size=3)).map(
            lambda pair: "".join(a + b for a, b in zip(pair[0], [*pair[1][: len(pair[0]) - 1], ""], strict=True))
        ),
        "agent": AGENTS,
        "uri": AGENTS,
    }
)  # fmt: skip
NAMES = {
    "status": "$status", "cache": "$upstream_cache_status", "time": "$request_time", "upstream": "$upstream_response_time",
    "agent": '"$http_user_agent"', "uri": '"$request_uri"',
}  # fmt: skip


def holds(found: Mapping[str, Any], values: Mapping[str, Any], hit: str = "HIT", miss: str = "MISS") -> None:
    """What one line was counted as is what its values are."""
    if "deployer-probe" in values["agent"]:
        return
    assert found["bad"] == 0
    assert found["n"] == 1
    assert found["err"] == (values["status"] >= 500)
    assert found["look"] == (values["cache"] in (hit, miss))
    assert found["miss"] == (values["cache"] == miss)
    if "upstream" in values:
        upstream = values["upstream"]
        assert found["orig"] == (0 if upstream == "-" else len(re.split(", | : ", upstream)))
    assert found["lat"][0][1] == 1


@FEW
@given(VALUES, st.permutations(sorted(NAMES)), st.sampled_from(["default", "json"]), st.sampled_from([" ", ", ", "\t"]))
def test_nginx_lines_are_read_back(values: dict[str, Any], order: list[str], escape: str, between: str) -> None:
    form = between.replace("\t", "\\t").join(NAMES[name] for name in order)
    log = nginx(f"'{form}'", escape=f"escape={escape}")
    said = {name: str(value) for name, value in values.items()}
    for name in ("agent", "uri"):
        said[name] = f'"{(by_json if escape == "json" else by_default)(values[name])}"'
    holds(told(log, between.join(said[name] for name in order)), values)


@FEW
@given(VALUES, st.permutations(["status", "cache", "time", "upstream", "agent", "uri"]))
def test_apache_lines_are_read_back(values: dict[str, Any], order: list[str]) -> None:
    names = {
        "status": "%>s", "cache": '\\"%{cache-status}e\\"', "time": "%D", "upstream": "%R",
        "agent": '\\"%{User-Agent}i\\"', "uri": '\\"%r\\"',
    }  # fmt: skip
    log = log_of("apache", f'LogFormat "{" ".join(names[name] for name in order)}" c\nCustomLog /l c\n')
    words = {"HIT": "cache hit", "MISS": "cache miss: attempting entity save", "BYPASS": "-", "-": "-"}
    values = {**values, "cache": words[values["cache"]], "upstream": "proxy-server"}
    said = {name: str(value) for name, value in values.items()} | {"cache": f'"{values["cache"]}"', "time": "1500"}
    said |= {name: f'"{by_apache(values[name])}"' for name in ("agent", "uri")}
    holds(told(log, " ".join(said[name] for name in order)), values, words["HIT"], words["MISS"])


@FEW
@given(VALUES, st.permutations(["status", "cache", "time", "agent", "uri"]))
def test_haproxy_lines_are_read_back(values: dict[str, Any], order: list[str]) -> None:
    names = {"status": "%ST", "cache": "%b/%s", "time": "%Ta", "agent": "%{+Q}[capture.req.hdr(0)]", "uri": "%{+Q}r"}
    form = " ".join(names[name] for name in order).replace(" ", "\\ ")
    log = log_of("haproxy", f"defaults\n log-format {form}\nfrontend f\n", haproxy_access_log="/l")
    word = {"HIT": "<CACHE>", "MISS": "web-1.example:80", "BYPASS": "<NOSRV>", "-": "-"}[values["cache"]]
    values = {**{k: v for k, v in values.items() if k != "upstream"}, "cache": word}
    said = {name: str(value) for name, value in values.items()} | {"cache": f"shop/{word}"}
    said |= {name: f'"{by_haproxy(values[name])}"' for name in ("agent", "uri")}
    line = "<134>Nov 25 01:07:18 localhost haproxy[1]: " + " ".join(said[name] for name in order)
    holds(told(log, line), values, "<CACHE>", "web-1.example:80")


@FEW
@given(VALUES, st.permutations(["status", "cache", "time", "agent", "uri"]))
def test_squid_lines_are_read_back(values: dict[str, Any], order: list[str]) -> None:
    names = {"status": "%>Hs", "cache": "%Ss/%Sh", "time": "%6tr", "agent": '"%{User-Agent}>h"', "uri": '"%rm %ru"'}
    log = log_of("squid", f"logformat c {' '.join(names[name] for name in order)}\naccess_log /l c\n")
    word = {"HIT": "TCP_MEM_HIT", "MISS": "TCP_MISS_ABORTED", "BYPASS": "TCP_TUNNEL", "-": "-"}[values["cache"]]
    values = {**{k: v for k, v in values.items() if k != "upstream"}, "cache": word}
    said = {name: str(value) for name, value in values.items()} | {"cache": f"{word}/HIER_NONE", "time": "     9"}
    said |= {"agent": f'"{by_apache(values["agent"])}"', "uri": '"GET http://shop/%20x"'}
    holds(told(log, " ".join(said[name] for name in order)), values, "TCP_MEM_HIT", "TCP_MISS_ABORTED")


def test_every_reader_is_here() -> None:
    """A new phrasebook needs a row above."""
    readers = {nginx_log, apache_log, haproxy_log, squid_log, trafficserver_log}
    assert len(readers) == len(SERVICES) - 1, "all but varnishncsa, whose format is ours"


@pytest.mark.parametrize(
    ("written", "meant"),  # as HAProxy 2.6 answered it: http-request return ... string WRITTEN
    [
        (r"""a\tb\ c\\d\x41\#\"\'\qz\$y""", "a\tb c\\dA#\"'\\qz\\$y"),
        (r'''"a\tb c\\d\x41\"\'\q#\$z\ \#"''', "a\tb c\\dA\"'\\q#$z #"),
        (r"""'a\tb c\\d\x41\"\q#$z'""", r"""a\tb c\\d\x41\"\q#$z"""),
        (r"""x"y z"'\t'\tw""", "xy z\\t\tw"),
    ],
)
def test_a_word_of_haproxy_is_what_haproxy_reads(written: str, meant: str) -> None:
    """Quotes of two kinds, and escapes that mean something in all but the strong ones."""
    lines = list(
        statements({"haproxy.cfg": f"frontend f # x\n  log-format {written} # y\n".encode()}, ("haproxy.cfg",))
    )
    assert lines == [("haproxy.cfg:1", ("frontend", "f")), ("haproxy.cfg:2", ("log-format", meant))]
