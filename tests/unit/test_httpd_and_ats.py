"""Apache httpd and Traffic Server without a daemon: logs from configurations, and what the real ones said."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.render import render
from deployer.model.render import variables as template_variables
from deployer.sandbox.servers import read_files
from deployer.services import SERVICES
from deployer.services.apache import access_log as apache_log
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.headers import cache_hit
from deployer.services.logline import program
from deployer.services.trafficserver import access_log as trafficserver_log
from tests.unit.test_services import GOLDEN, counted, counters, settings, shell

HERE = ServiceSettings("/srv/web1/etc/apache2", "/root", "/srv/web1")


def example(service: str) -> dict[str, bytes]:
    """The example playbook as it lands on a host."""
    host = Host("web1", vars={"deploy_prefix": "/srv/web1", "origin": "10.0.0.1:8080"})
    return {source.path: render(source, template_variables(host)) for source in read_files(service)}


def log_of(service: str, files: dict[str, bytes]) -> AccessLog | None:
    return SERVICES[service].access_log(files, HERE)


def test_the_examples_log_what_is_needed() -> None:
    """And where."""
    httpd, ats = log_of("apache", example("apache")), log_of("trafficserver", example("trafficserver"))
    assert httpd is not None
    assert ats is not None
    assert httpd.path == "/srv/web1/var/log/apache2/access.log"
    assert ats.path == "squid.log"
    assert shell(f"{LAYOUT_SAYS}\nprintf %s {ats.place}").stdout == "/run/root/logs/squid.log"
    assert (httpd.ms, ats.ms) == (0.001, 1.0)


# What `traffic_layout info` says; with a runroot of its own it says another thing.
LAYOUT_SAYS = """timeout() { shift; "$@"; }
traffic_layout() { root=${TS_RUNROOT:-/run/root}; printf 'PREFIX: %s\\nLOGDIR: %s/logs\\n' "$root" "$root"; }"""


@pytest.mark.parametrize(
    ("record", "runroot", "place"),
    [
        ("", "", "/run/root/logs/squid.log"),
        ("own/logs", "", "/run/root/own/logs/squid.log"),
        ("/own/it's here", "", "/own/it's here/squid.log"),
        ("/own/logs", "/rr.yaml", "/rr.yaml/logs/squid.log"),
    ],
)
def test_trafficserver_logs_where_the_server_says(record: str, runroot: str, place: str) -> None:
    """Its own record, else the places it was built with or that its runroot names; never a guess."""
    line = f"CONFIG proxy.config.log.logfile_dir STRING {record}\n".encode() if record else b""
    files = example("trafficserver")
    files["records.config"] = files["records.config"] + b"\n" + line
    log = SERVICES["trafficserver"].access_log(files, ServiceSettings("/etc/ts", "/x", "", {"ts_runroot": runroot}))
    assert log is not None
    assert shell(f"{LAYOUT_SAYS}\nprintf %s {log.place}").stdout == place


def test_apache_log_of_the_real_daemon() -> None:
    """9 visitors: 2 hits, 4 misses that were saved and one that was not to be, a no-cache, one past the cache; a probe."""
    found = counted(log_of("apache", example("apache")), "apache-access.log")
    assert found == {"n": 9, "err": 0, "look": 8, "miss": 6, "orig": 7, "probe": 1, "bad": 0}


def test_trafficserver_log_of_the_real_daemon() -> None:
    """What went past the cache is a miss there, too: the requests to the origin tell."""
    found = counted(log_of("trafficserver", example("trafficserver")), "trafficserver-squid.log")
    assert found == {"n": 9, "err": 0, "look": 9, "miss": 6, "orig": 6, "probe": 1, "bad": 0}


def test_trafficserver_counters() -> None:
    """From `traffic_ctl metric match`."""
    found = counters("trafficserver", "trafficserver-metrics.txt", 'ctl() { cat "$FILE"; }')
    assert found == {"n": 10, "err": 0, "look": 10, "miss": 6, "orig": 6, "since": 1795571892}


def test_apache_counters() -> None:
    """server-status is asked only where the configuration has it, and knows requests only."""
    mine = 'grep() { :; }\ncurl() { cat "$FILE"; }'
    assert counters("apache", "apache-server-status.txt", mine)["n"] == 10
    done = shell(SERVICES["apache"].script(settings("apache")) + "service_counters")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("file", "strict", "outcome"),
    [
        ("ip_allow.yaml", "0", "refused"),
        ("remap.config", "0", "read"),
        ("logging.yaml", "0", "read"),
        ("cache.config", "1", "refused"),
        ("cache.config", "0", "read"),
        ("sni.yaml", "0", "unread"),
    ],
)
def test_trafficserver_reload_as_its_log_tells_it(file: str, strict: str, outcome: str) -> None:
    """`strict`: lines that it discards are a refusal; not for what was confirmed with them."""
    head = f"log='{GOLDEN}/trafficserver-diags.log' size=0 strict={strict}\n"
    done = shell(SERVICES["trafficserver"].script(settings("trafficserver")) + head + f"outcome {file}")
    assert done.stdout.strip() == outcome


def test_trafficserver_knows_what_needs_a_restart(tmp_path: Path) -> None:
    """From the server's own description of its records; silence is not taken for a yes."""
    for name, value in (("old", "1"), ("new", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "records.config").write_text(f"CONFIG proxy.config.http.cache.http INT {value}\n")
    script = SERVICES["trafficserver"].script(settings("trafficserver"))
    words = f"service_change '{tmp_path}/old' '{tmp_path}/new'"
    described = (GOLDEN / "trafficserver-describe.txt").read_text().split("Name ")
    for number, said in ((1, "restart: proxy.config.http.server_ports"), (2, "reload")):
        (tmp_path / "said").write_text("Name " + described[number])
        done = shell(script + f"ctl() {{ cat '{tmp_path}/said'; }}\n" + words)
        assert done.stdout.startswith(said)
    assert shell(script + "ctl() { :; }\n" + words).stdout.startswith("restart: proxy.config.http.cache.http")


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ('CustomLog /l combined\nLogFormat "%h %>s" combined', "apache2.conf:2: the log format says too little"),
        ("CustomLog /l nix", "apache2.conf:1: LogFormat nix is not defined"),
        (
            'CustomLog "|/usr/bin/rotatelogs /l" nix',
            "apache2.conf:1: the access log |/usr/bin/rotatelogs /l is no file",
        ),
        ("CustomLog ${NIX}/l nix", "is no file that can be followed"),
    ],
)
def test_apache_logs_that_say_too_little(conf: str, message: str) -> None:
    """File and line, and what to add."""
    with pytest.raises(InputError) as caught:
        log_of("apache", {"apache2.conf": conf.encode()})
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "line"),  # as httpd 2.4 wrote it, with other fields in between
    [
        (
            r"""'{"s":%>s,"it":"don\'t \\ \x","c":"%{cache-status}e","t":%D,"o":"%R"}'""",
            r"""{"s":404,"it":"don't \ \x","c":"-","t":129,"o":"-"}""",
        ),
        (r""" "%>s\t%D\\ %R \"%{cache-status}e\"" """, '404\t129\\ - "-"'),
        (r"""%>s\\x-%D\t"%{cache-status}e"\t%R""", '404\\x-129\t"-"\t-'),
    ],
)
def test_apache_formats_are_read_as_httpd_reads_them(written: str, line: str) -> None:
    """In quotes of either kind or in none; a backslash means what it means to mod_log_config."""
    log = log_of("apache", {"apache2.conf": f"LogFormat {written} one\nCustomLog /l one\n".encode()})
    assert log is not None
    words = ["awk", "-v", "total=-1", program([log])]
    done = subprocess.run(words, input=f"{line}\n", capture_output=True, text=True, check=True)
    assert '"n":1,' in done.stdout
    assert '"bad":0,' in done.stdout


def test_apache_logs_of_debian_are_found() -> None:
    """Variables of envvars, continued lines, sites that are not enabled, an incomplete log beside a complete one."""
    files = {
        "envvars": b"export APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n",
        "apache2.conf": b'LogFormat "%h %>s" common\nLogFormat "%>s \\"%{cache-status}e\\" %{ms}T \\\n  %R" cache\n',
        "sites-available/x.conf": b"CustomLog /nowhere nix\n",
        "sites-enabled/x.conf": b"CustomLog logs/y common\nCustomLog ${APACHE_LOG_DIR}/access.log cache\n",
    }
    log = log_of("apache", files)
    assert log is not None
    assert (log.path, log.ms) == ("/var/log/apache2/access.log", 1.0)
    assert log.pieces[1::2] == ("status", "cache", "time", "upstream")
    assert log_of("apache", {"apache2.conf": b"Listen 80\n"}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("logging: [", "logging.yaml:"),
        ("logging:\n  logs:\n    - filename: x\n      format: y\n", "logging.yaml:3: this log is not written as text"),
        (
            "logging:\n  logs:\n    - filename: x\n      mode: ascii\n      format: y\n",
            "logging.yaml:3: the format y is not defined",
        ),
        (
            "logging:\n  formats:\n    - name: y\n      format: '%<crc>'\n"
            "  logs:\n    - {filename: x, format: y, mode: ascii}\n",
            "logging.yaml:4: the format says too little",
        ),
    ],
)
def test_trafficserver_logs_that_say_too_little(text: str, message: str) -> None:
    """File and line."""
    with pytest.raises(InputError) as caught:
        log_of("trafficserver", {"logging.yaml": text.encode()})
    assert message in caught.value.message


def test_trafficserver_without_logs() -> None:
    """None is None."""
    assert log_of("trafficserver", {}) is None
    assert log_of("trafficserver", {"logging.yaml": b"logging:\n"}) is None
    off = b"CONFIG proxy.config.log.logging_enabled INT 0\n"
    assert log_of("trafficserver", {**example("trafficserver"), "records.config": off}) is None


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    """Nothing but InputError."""
    for service, path in (("apache", "apache2.conf"), ("trafficserver", "logging.yaml")):
        for data in (content, b"logging:\n" + content, b"CustomLog " + content):
            with contextlib.suppress(InputError):
                log_of(service, {path: data})


@given(st.lists(st.sampled_from(["%>s", "%{cache-status}e", "%D", "%R", "%h", "x", " ", '"', "%%"]), max_size=12))
def test_pieces_of_any_format(words: list[str]) -> None:
    """literal, field, ..., literal; what is literal is kept."""
    body = "".join(words)
    try:
        pieces, _, _ = apache_log.parsed(body, "f:1")
    except InputError:
        return
    assert len(pieces) % 2 == 1
    assert "".join(pieces[::2]) == "".join("%" if w == "%%" else w for w in words if w in ("x", " ", '"', "%%"))
    assert trafficserver_log.NEEDED.keys() == apache_log.NEEDED.keys()


@pytest.mark.parametrize(
    ("value", "hit"),
    [("HIT from web1", True), ("MISS from web1", False), ("PASS", False), ("hit-fresh", True), ("miss", False)],
)
def test_the_headers_of_the_examples_tell(value: str, hit: bool) -> None:
    """mod_cache's CacheHeader, and %{CACHE} of header_rewrite."""
    assert cache_hit({"X-Cache": value}) is hit
