"""The pure parts of the phrasebooks: facts, scripts as text, logs from configurations, and what real daemons said."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer import services
from deployer.model.errors import InputError
from deployer.model.sh import assignments, shipped
from deployer.services import SERVICES
from deployer.services.base import STAGED, AccessLog, ServiceSettings
from deployer.services.custom.phrasebook import FILES as CUSTOM
from deployer.services.haproxy import access_log as haproxy_log
from deployer.services.logline import program
from deployer.services.squid import access_log as squid_log

GOLDEN = Path(__file__).parents[1] / "golden"
EXAMPLES = Path(__file__).parents[2] / "playbooks"
FUNCTIONS = ("check", "running", "reload", "start", "loaded", "adopted", "change", "restart", "counters")


def settings(service: str, **names: object) -> ServiceSettings:
    return ServiceSettings(f"/etc/{service}", f"/var/lib/deployer/{service}", "", names)


@pytest.mark.parametrize("name", SERVICES)
def test_the_counters_are_those_that_the_phrasebook_prints(name: str) -> None:
    """Whether a server can be judged by its counters is no sentence."""
    script = SERVICES[name].script(settings(name))
    body = script[script.index("service_counters()") :].partition("\n}\n")[0]
    printed = set(re.findall(r'print "([a-z]+)", ', body)) - {"since"}
    assert printed == SERVICES[name].counters


@pytest.mark.parametrize("name", SERVICES)
def test_facts_are_complete(name: str) -> None:
    """Every cell of the capability matrix is a phrase."""
    for key, text in dataclasses.asdict(SERVICES[name].facts).items():
        assert text, key
        assert not text.endswith("."), key


@pytest.mark.parametrize("name", SERVICES)
def test_scripts_define_every_function_and_lint(name: str, tmp_path: Path) -> None:
    """Those of base.py, in sh that shellcheck takes."""
    script = SERVICES[name].script(settings(name))
    for function in FUNCTIONS:
        assert re.search(rf"^service_{function}\(\) \{{", script, re.MULTILINE), function
    file = tmp_path / "service"
    file.write_text("#!/bin/sh\n" + script)
    allowed = (Path(__file__).parents[2] / ".shellcheckrc").read_text().split("disable=")[1].strip()
    rules = f"{allowed},SC2034,SC2046,SC2086,SC2002"  # variables of other functions, and words that are to be split
    words = [str(Path(sys.executable).parent / "shellcheck"), "-s", "sh", "-e", rules, str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_shell_file_is_sent() -> None:
    """By the server in whose folder it lies, once; those at the top by one at least."""
    books = {name: service.files for name, service in SERVICES.items()}
    books["custom"] = CUSTOM
    top = Path(services.__file__).parent
    for name, files in books.items():
        assert sorted(f for f in files if "/" in f) == sorted(f"{name}/{p.name}" for p in (top / name).glob("*.sh"))
        assert len(set(files)) == len(files)
    assert {f for files in books.values() for f in files if "/" not in f} == {p.name for p in top.glob("*.sh")}


def shell(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run text as sh does it on a host."""
    return subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True, check=False, timeout=60)


def counters(service: str, file: str, overrides: str) -> dict[str, int]:
    """What service_counters makes of a daemon's own words; what asks the daemon is replaced."""
    script = SERVICES[service].script(settings(service)) + f"FILE='{GOLDEN / file}'\n{overrides}\nservice_counters"
    done = shell(script)
    assert done.returncode == 0, done.stderr
    return {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}


def test_nginx_counters() -> None:
    """The words of stub_status of nginx 1.22; asked only where the configuration has it."""
    said = "Active connections: 1 \\nserver accepts handled requests\\n 8 7 31070465 \\nReading: 0 Writing: 1 Waiting: 0 \\n"
    mine = f"grep() {{ :; }}\ncurl() {{ printf '{said}'; }}\n"
    done = shell(f"{SERVICES['nginx'].script(settings('nginx'))}{mine}service_counters")
    assert done.stdout == "n 31070465\n"
    assert shell(f"{SERVICES['nginx'].script(settings('nginx'))}service_counters").returncode == 1


def test_a_squid_forgets_a_pid_file_that_names_no_squid_and_nothing_else(tmp_path: Path) -> None:
    """Whatever a configuration calls its pid file: only a number of a process that is no squid is removed."""
    squid, file = tmp_path / "squid", tmp_path / "squid.pid"
    squid.write_text(f"#!/bin/sh\necho '2026/11/25 04:00:00| Processing: pid_filename {file}' >&2\n")
    squid.chmod(0o755)
    script = SERVICES["squid"].script(settings("squid", squid_bin=str(squid))) + "forget"
    for text, kept in (("root:x:0:0\n", True), ("", True), ("1\n2\n", True), (f"{os.getpid()}\n", False)):
        file.write_text(text)
        assert shell(script).returncode == 0
        assert file.exists() == kept, text


def test_haproxy_counters() -> None:
    """The connection that asked nothing is the 10th request; two previews were not looked up; one server was asked 6 times."""
    mine = 'boss() { echo 1; }\nserving() { echo 2; }\nstarted() { echo 3; }\ntold() { echo unix@/x; }\nask() { cat "$FILE"; }'
    found = counters("haproxy", "haproxy-show-stat.csv", mine)
    assert found == {"n": 10, "err": 0, "look": 7, "miss": 4, "orig": 6, "since": 23}


def test_haproxy_counters_without_an_answer() -> None:
    """No data is no zero."""
    mine = "boss() { echo 1; }\nserving() { echo 2; }\nstarted() { echo 3; }\ntold() { echo unix@/x; }\nask() { :; }"
    assert shell(SERVICES["haproxy"].script(settings("haproxy")) + mine + "\nservice_counters").returncode == 1


def test_squid_counters() -> None:
    """Hits of requests; mgr:counters knows no 5xx."""
    mine = 'boss() { echo 1; }\nkids() { echo 7; }\nsockets() { echo "5 0100007F:0050"; }\nfetch() { echo "$1" >&2; cat "$FILE"; }'
    found = counters("squid", "squid-counters.txt", mine)
    assert found == {"n": 9, "look": 9, "miss": 6, "orig": 7, "since": 7}
    done = shell(SERVICES["squid"].script(settings("squid")) + f"FILE=/dev/null\n{mine}\nservice_counters")
    assert (done.returncode, done.stderr.strip()) == (1, "http://127.0.0.1:80/squid-internal-mgr/counters")


def test_haproxy_tells_its_generation() -> None:
    """From the environment of a real master after one reload."""
    mine = f"told() {{ sed -n \"s/^HAPROXY_$2=//p\" '{GOLDEN}/haproxy-environ.txt'; }}\nreloads 1; told 1 MWORKER_WAIT_ONLY"
    assert shell(SERVICES["haproxy"].script(settings("haproxy")) + mine).stdout.split() == ["1", "1"]


def test_a_staged_tree_is_seen_in_place_of_the_live_one(tmp_path: Path) -> None:
    """Without the right to bind: a copy in which absolute paths below DEST point into the copy; gone afterwards."""
    (tmp_path / "live").mkdir()
    (tmp_path / "staged").mkdir()
    (tmp_path / "live/part").write_text("live\n")
    (tmp_path / "staged/part").write_text("staged\n")
    (tmp_path / "staged/main").write_text(f"{tmp_path}/live/part\n")
    head = assignments(DEST=str(tmp_path / "live"), ROOT=str(tmp_path / "none"))
    done = shell(
        f'{head}{shipped("deployer.services", STAGED)}\nas_if_live "$1" sh -c \'cat $(cat "$1"); echo "$1"\' sh @/main',
        str(tmp_path / "staged"),
    )
    said, where = done.stdout.split()
    assert said == "staged"
    assert not Path(where).exists()


def counted(log: AccessLog | None, file: str) -> dict[str, int]:
    """What the program that runs on hosts makes of a real daemon's log."""
    assert log is not None
    words = ["awk", "-v", "total=-1", program([log]), str(GOLDEN / file)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}
    )
    found = json.loads(done.stdout)
    assert sum(count for _, count in found["lat"]) == found["n"], "every request has its time"
    return {name: found[name] for name in ("n", "err", "look", "miss", "orig", "probe", "bad")}


# 7 visitors: 2 hits, 2 misses, a 404, 2 previews that go past the cache; and 2 probes
STORY = {"n": 7, "err": 0, "look": 7, "miss": 5, "orig": 5, "probe": 2, "bad": 0}


def test_haproxy_logs_of_the_real_daemon() -> None:
    """The example's own format in a ring, and `option httplog` as syslog writes it; BADREQ is no error of a server."""
    text = (EXAMPLES / "haproxy/files/haproxy.cfg.j2").read_bytes().replace(b"{{ deploy_prefix }}", b"")
    log = haproxy_log.access_log({"haproxy.cfg": text}, settings("haproxy"))
    assert log is not None
    assert log.path.startswith("|")
    assert "show events requests -nw" in log.path
    assert counted(log, "haproxy-ring.log") == {**STORY, "n": 8}
    plain = b"defaults\n log /dev/log local0\n option httplog\nbackend shop\n server origin 10.0.0.1:80\n"
    log = haproxy_log.access_log({"haproxy.cfg": plain}, settings("haproxy", haproxy_access_log="/var/log/haproxy.log"))
    assert log is not None
    assert log.path == "/var/log/haproxy.log"
    assert counted(log, "haproxy-httplog.log") == STORY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ring r\n format raw\ndefaults\n log ring@r local0\n", "stats socket"),
        (
            'global\n stats socket /s\n log ring@r local0\ndefaults\n log-format "%ST %Ta"\n',
            "haproxy.cfg:5: the log has no cache",
        ),
        ('global\n stats socket /s\n log ring@r local0\ndefaults\n log-format "%s %Ta" # x\n', "no status"),
    ],
)
def test_haproxy_logs_that_lack_something(text: str, message: str) -> None:
    """Said with file:line and what to add."""
    with pytest.raises(InputError, match=message):
        haproxy_log.access_log({"haproxy.cfg": text.encode()}, settings("haproxy"))


def test_haproxy_logs_nowhere() -> None:
    """Syslog alone is no file."""
    assert haproxy_log.access_log({"haproxy.cfg": b"global\n log /dev/log local0\n"}, settings("haproxy")) is None


def squid(text: str, **more: str) -> AccessLog | None:
    files = {"squid.conf": text.encode(), **{name.replace("__", "/"): part.encode() for name, part in more.items()}}
    return squid_log.access_log(files, settings("squid"))


def test_squid_logs_of_the_real_daemon() -> None:
    """The example's own format, where a connection without a request is an error (so the example does not log it), and
    the native one, which knows no User-Agent and fills the time up with blanks."""
    text = (EXAMPLES / "squid/files/squid.conf.j2").read_text().replace("{{ deploy_prefix }}", "")
    assert counted(squid(text), "squid-shop.log") == {**STORY, "n": 8, "err": 1}
    log = squid("http_port 80\n")
    assert log is not None
    assert log.path == "/var/log/squid/access.log"
    assert counted(log, "squid-native.log") == {**STORY, "n": 9, "look": 9, "miss": 3, "orig": 3, "probe": 0}


def test_squid_logs_by_include_and_continuation() -> None:
    """A format that another file defines, over two lines."""
    parts = {"conf.d__a.conf": "logformat f %>Hs \\\n %Ss %tr\n"}
    log = squid(
        "# x\ninclude /etc/squid/conf.d/*.conf\nacl other src 10.0.0.1\naccess_log none other\naccess_log /l logformat=f\n",
        **parts,
    )
    assert log is not None
    assert (log.path, log.pieces) == ("/l", ("", "status", "  ", "cache", " ", "time", ""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("access_log stdio:/l combined\n", "no time"),
        ("logformat f %Ss %tr\naccess_log stdio:/l f\n", "squid.conf:1: the log has no status"),
        ("include squid.conf\ninclude squid.conf\n", "squid.conf:1: squid.conf includes itself"),
        ("access_log syslog:daemon.info squid\n", "squid.conf:1: the access log syslog"),
        ("access_log stdio:/l logformat=nope\n", "squid.conf:1: the logformat nope is not defined"),
    ],
)
def test_squid_logs_that_lack_something(text: str, message: str) -> None:
    """Said with file:line."""
    with pytest.raises(InputError, match=message):
        squid(text)


def test_squid_logs_nowhere() -> None:
    """`none`."""
    assert squid("access_log none\n") is None


@given(st.text())
def test_any_format_is_split_into_literals_and_fields(form: str) -> None:
    """Never an error, always literal, field, ..., literal; a format without fields is itself."""
    for split in (haproxy_log.split, squid_log.split):
        pieces, forms = split(form)
        assert len(forms) == len(pieces) // 2
        assert len(pieces) % 2 == 1
        if "%" not in form:
            assert pieces == (form,)


@given(st.binary())
def test_any_bytes_are_read_without_a_traceback(text: bytes) -> None:
    """An InputError at most."""
    for read, name in ((haproxy_log.access_log, "haproxy.cfg"), (squid_log.access_log, "squid.conf")):
        with contextlib.suppress(InputError):
            read({name: b"log ring@x\naccess_log /l\n" + text}, settings(name.split(".")[0]))
