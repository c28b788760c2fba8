"""Everything that reads text which others wrote, in one list: a reader that is not in PARSERS is not fuzzed.

Each takes one generated input and may raise only what it says. Add a row for a new reader; `script/fuzz` and the small
sample in the test suite then feed it.
"""

from __future__ import annotations

import atexit
import io
import json
import random
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from deployer.adapters.git.refusals import reason
from deployer.adapters.git.signatures import read_allowed, signing_key, split
from deployer.adapters.http.over_ssh import read as read_probe
from deployer.adapters.local.plan_file import read_plan
from deployer.adapters.local.runs import FIELDS, entry_from_json
from deployer.adapters.measuring.figures import number
from deployer.adapters.measuring.prometheus import value as prometheus_value
from deployer.adapters.reading.inventory import environment_hosts, load_inventory
from deployer.adapters.reading.playbooks import load_health_checks, load_playbook
from deployer.adapters.reading.yaml_source import parse_yaml
from deployer.adapters.ssh.agent import certified_key
from deployer.adapters.ssh.ask import _collect, read_strictly
from deployer.adapters.ssh.config import _hop
from deployer.adapters.ssh.host_certificate import objection
from deployer.adapters.ssh.known_hosts import lookup_name, matches, read_known_hosts
from deployer.model.errors import DeployError, HostError
from deployer.model.excerpt import hide_pairs
from deployer.model.fleet import Host
from deployer.model.ledger import Entry
from deployer.model.pattern import select
from deployer.model.recording import read_recording
from deployer.model.release import SourceFile
from deployer.model.render import render, variables
from deployer.model.schema.health import Probe
from deployer.model.schema.quantity import parse_duration, parse_margin, parse_rate, parse_serial, parse_share
from deployer.model.secret import Secrets
from deployer.model.secret_file import as_template, secret_file
from deployer.model.state import HostState
from deployer.remote import recognise, tree
from deployer.remote.answer import parse
from deployer.remote.counters import parse_counters, unpack
from deployer.remote.examine import seen
from deployer.remote.logs import FROM_START, parse_logs
from deployer.remote.words import FRAME, answer_in
from deployer.services import SERVICES
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.headers import cache_hit
from deployer.services.logline import program
from deployer.services.running import running
from deployer.wiring.finding import addressed

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)  # every test worker imports this


@dataclass(frozen=True)
class Parser:
    """feed: reads one input; raises nothing but `raises`."""

    name: str
    inputs: SearchStrategy[Any]
    feed: Callable[[Any], object]
    raises: tuple[type[Exception], ...] = (DeployError,)


def edited(chance: random.Random, seeds: Sequence[str], tokens: Sequence[str]) -> str:
    """A good text, cut, doubled, and with strange words in it: gets deeper into a reader than noise does."""
    if chance.random() < 0.3:
        return "".join(chance.choices(tokens, k=chance.randint(0, 40)))
    text = chance.choice(seeds)
    for _ in range(chance.randint(0, 6)):
        at, end = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        word = chance.choice(
            [*tokens, chr(chance.randint(0, 0x2FF)), "".join(chr(chance.randint(0, 255)) for _ in range(6))]
        )
        middle = {"cut": "", "double": text[at:end] * 2, "insert": word + text[at:end], "replace": word}
        text = text[:at] + middle[chance.choice(list(middle))] + text[end:]
    return text


def texts(seeds: Sequence[str], tokens: Sequence[str]) -> SearchStrategy[str]:
    """Edited seeds and sequences of the format's own words (from a number, which is cheap), and any text at all."""
    numbered = st.integers(0, 2**48).map(lambda number: edited(random.Random(number), seeds, tokens))
    return numbered | numbered | numbered | st.text(max_size=80)


def write(name: str, text: str | bytes) -> Path:
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


YAML = [": ", "- ", "\n", "  ", "{", "}", "[", "]", ",", "&a ", "*a", "!!str ", "!x ", "<<: ", "'", '"', "|\n", ">\n", "#", "---\n", "...\n", "~",
        "null", "0777", "1e999", "22:22", "\t", "\0", "﻿", "? ", "%YAML 1.1\n", "\x85", "\ud800"]  # fmt: skip
INVENTORY = ["all", "hosts", "children", "vars", "web[01:03]", "[a:z]", "[1:999999999]", "[3:1]", "ansible_port", "ansible_host", "{{ x }}", ":2222", "ansible_group_priority", "no", "0x1F", "2024-01-01", "plugin",
             "password: x", "10.0.0.1", "::1", "-oProxyCommand=x"]  # fmt: skip
GOOD_INVENTORY = """\
all:
  vars: {ansible_user: deploy, db_password: x1y2z3}
  children:
    edge:
      hosts: {"web[01:03].example.com": {ansible_port: 22}, a: {http_port: 80}}
    production: {children: {edge: {}}}
"""
GOOD_INI = "[edge]\nweb[1:2]:2200 x='a b' y=[1,'b'] # c\n[edge:vars]\ntier=(None, 0x1F)\n[production:children]\nedge\n"
GOOD_VARS = "ansible_port: 2200\nx: [no, 0x1F, 2024-01-01, 22:22, 1e3, ~]\nansible_ssh_common_args: -J a@b -o Port=22\n"
GOOD_PLAYBOOK = """\
service: nginx
hosts: edge
dest: /etc/nginx
serial: [1, 25%, 100%]
bake: 2m
confirm_timeout: 60s
health_checks: [storefront]
no_log: [x]
warm: {urls: warm.txt}
custom: {check: a, activate: b, verify: c}
"""
GOOD_CHECK = """\
probes:
  - {name: home, url: /, expect: 200, rate: 5/s, level: required, timeout: 2s}
compare:
  latency_p95: {max_increase: 20%, at_least: 5ms}
limit: {error_rate: 2%}
sources: {traffic: access_log, prometheus: {url: http://p:9090}}
inconclusive: rollback
"""


def inventory(text: str) -> object:
    fleet = load_inventory(write("inventory.yml", text))
    return environment_hosts(fleet, "all", None)


def ini(text: str) -> object:
    return load_inventory(write("hosts", text))


def variable_file(text: str) -> object:
    write("vars/hosts", "[edge]\nweb1\n")
    write("vars/group_vars/edge/main.yml", text)
    return load_inventory(FOLDER / "vars")


def playbook(text: str) -> object:
    write("playbooks/nginx/playbook.yml", text)
    return load_playbook(FOLDER, "nginx")


def health_check(text: str) -> object:
    write("health_checks/shop.yml", text)
    return load_health_checks(FOLDER, ("shop",))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([10**400, -(10**30), "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def objects(fields: Sequence[str], good: dict[str, Any]) -> SearchStrategy[str]:
    """A good JSON object in which some fields are something else."""
    changes = st.dictionaries(st.sampled_from(list(fields)), JSON, max_size=4)
    return changes.map(lambda some: json.dumps({**good, **some}))


ANSWER = {"ok": True, "proto": 1, "adopted": True, "phase": "idle", "fence": 3, "history": [[1, "push", "r"]], "files": {"a": "b"}, "drift": ["M a"]}  # fmt: skip
RECORD = {"record": "INTENT", "deploy": "1-a", "environment": "e", "playbook": "p", "command": "push", "release": "r", "who": "w", "at": 1.0}  # fmt: skip
PLAN = {"playbook": "nginx", "environment": "production", "revision": "HEAD", "release": "r", "waves": [["a"]],
        "hosts": {"a": {"current": "x", "target": "y", "changes": {}, "action": "reload"}}}  # fmt: skip
ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJOZ0OGhBIeyMTlCkdF2vDq6kGwK3Lx0m3RcM8m2lL2e"
KNOWN = [f"web1,10.0.0.1 {ED}\n", f"|1|MDEyMzQ1Njc4OWFiY2RlZjAxMjM=|7oDSvkk0X1QfFqQzvVqjYH0Yp4E= {ED}\n", f"@cert-authority *.x {ED}\n",
         f"@revoked * {ED} comment\n", f"[a.b]:22,!c,?? {ED}\n"]  # fmt: skip
SSH = "hostname 127.0.0.1\nport 22\nuser x\nidentityfile ~/.ssh/a\nproxyjump a@b:3,c\nconnecttimeout none\n"
COMMIT = b"tree 1\nauthor a\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n\nm\n"


def answer(raw: bytes | str) -> object:
    state = parse(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass"), 0, b"\xffx\n")
    assert isinstance(state, HostState)
    return state


def known_hosts(text: str) -> object:
    lines = read_known_hosts([str(write("known_hosts", text))])
    return [matches(line, name) for line in lines for name in ("web1", lookup_name("a.b", 2222), "[::1]:22")]


def saved_plan(text: str) -> object:
    fleet = load_inventory(write("plan-inventory.yml", "all: {hosts: {a: {}}}\n"))
    return read_plan(write("plan.json", text)).on(fleet)


def record(text: str | bytes) -> Entry:
    return entry_from_json(json.loads(text))


def pattern(text: str) -> object:
    return select(load_inventory(write("pattern-inventory.yml", GOOD_INVENTORY)), text)


def quantities(text: str) -> object:
    found: list[object] = []
    for reader in (parse_duration, parse_serial, parse_share, parse_rate, parse_margin):
        try:
            found.append(reader(text))
        except ValueError:
            continue
    return found


def template(text: str) -> object:
    source = SourceFile("a.conf", text.encode("utf-8", "surrogatepass"), template=True)
    return render(source, variables(Host("web1", vars={"x": 1, "items": ["a"]})))


def secrets(text: str) -> object:
    known = Secrets()
    known.learn_named({"password": text, "x": {"token": [text]}})
    return known.hide(hide_pairs(text))


def processes(text: str) -> object:
    """What runs on a host, and where its configuration lies."""
    seen = recognise.seen(b"user x 0\n" + text.encode("utf-8", "surrogatepass"))
    return [running(p.service, p.words, "/p", seen.built.get(p.service, "")) for p in seen.processes]


def archive(change: tuple[int, bytes]) -> object:
    """A tar of a host, with some bytes of it others."""
    at, noise = change
    return tree.unpack(TAR[:at] + noise + TAR[at + len(noise) :])


def tidied(text: str) -> object:
    """A file of a host without its secrets; the template gives it back byte for byte."""
    content = text.encode("utf-8", "surrogatepass")
    why = secret_file("conf.d/a.conf", content)
    made, hidden = as_template(content, 1, "nginx")
    if hidden:
        names = {one.name: one.value for one in hidden}
        assert render(SourceFile("a.conf", made, template=True), names) == content
    return why, made


LOG = {"release": "r", "state": "ok", "start": 0, "skipped": 0, "inode": 3, "rotated": False,
       "log": {"n": 1, "err": 0, "look": 1, "miss": 0, "orig": 0, "probe": 0, "bad": 0, "odd": 0, "word": "x", "used": 9, "exit": 0, "lat": [[0.5, 1]]}}  # fmt: skip
SAMPLE = {"phase": "pre", "wave": 1, "sample": {"t": 1.0, "hosts": {"a": {"n": 1, "err": 0, "lat": [[1.0, 2]]}}}}
FIGURE = {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "2"]}]}}
AWK = program(
    [
        AccessLog(
            "/l",
            ("", "status", " ", "cache", " ", "time", ' "', "agent", '"'),
            1000.0,
            frozenset({"HIT"}),
            frozenset({"MISS"}),
        )
    ]
)
CONF = {
    "nginx": "nginx.conf",
    "apache": "apache2.conf",
    "haproxy": "haproxy.cfg",
    "squid": "squid.conf",
    "trafficserver": "logging.yaml",
    "varnish": "default.vcl",
}
LOGS = ["log_format a '$status $upstream_cache_status $request_time';\nhttp { access_log /l a; include x*.conf; }\n",
        'LogFormat "%>s %D \\"%{User-Agent}i\\"" x\nCustomLog /var/log/a x\n',
        'global\n log /dev/log local0\ndefaults\n log-format "%ST %Tr"\n log global\nfrontend f\n',
        "logformat x %>Hs %Ss %tr\naccess_log stdio:/l x\n", "logging:\n  formats:\n  - name: x\n    format: '%<pssc> %<crc>'\n  logs:\n  - {filename: a, format: x}\n"]  # fmt: skip


def log_lines(raw: bytes) -> object:
    words = ["awk", "-v", "total=-1", "-v", "cap=1000000", "-v", "drop=0", AWK]
    done = subprocess.run(
        words, input=raw, capture_output=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, check=True
    )
    line = json.dumps({**LOG, "log": "@"}).replace('"@"', done.stdout.decode("ascii"))
    (read,) = parse_logs(line.encode(), [FROM_START])
    assert read.counts.n >= read.counts.err
    return read


def access_log(text: str) -> object:
    settings = ServiceSettings("/etc/x", "/var/lib/x", "", {})
    found: list[object] = []
    for name, service in SERVICES.items():
        try:
            log = service.access_log(
                {CONF.get(name, "x.conf"): text.encode("utf-8", "surrogatepass"), "x.conf": b"a"}, settings
            )
            found.append(program([log]) if log else None)
        except DeployError:
            continue
    return found


RUNS = ["process nginx 7 1 here\tnginx: master process nginx -c x.conf\t\nlistens nginx 7 0100007F:0050\nbuilt nginx /etc/nginx/nginx.conf\n",
        "process varnish 9 1 nested\tvarnishd\t-a\t:80\t-n\t/run/x\t-f/etc/v.vcl\n", "process apache 3 1 here\t/usr/sbin/httpd\t-d\tx\t\n",
        "process haproxy 4 1 here\thaproxy\t-f\ta.cfg\t-f\t../b\t-C\t/etc\n"]  # fmt: skip
LISTED = [
    f"folder open\nkind a\nodd a b\nclosed ssl\nbig d\nfile nginx.conf\nsum {'0' * 64}  ./nginx.conf\nfile .manifest\n"
]
SECRETIVE = ["stats auth admin:hunter22\n", 'proxy_set_header Authorization "Basic dXNlcjpwYXNz";\n', "log '{{ x }} {% y';\n", "bob:$apr1$x$y\n",
             "cache_peer a parent 80 0 login=u:passw0rd\n", "-----BEGIN PRIVATE KEY-----\n"]  # fmt: skip
with io.BytesIO() as made:
    with tarfile.open(fileobj=made, mode="w") as kept:
        for name in ("./nginx.conf", "./ssl/a"):
            member = tarfile.TarInfo(name)
            member.size = 5
            kept.addfile(member, io.BytesIO(b"text\n"))
    TAR = made.getvalue()[:4096]
PROBE = Probe(name="p", url="/", contains="x")
JINJA = ["{{ ", " }}", "{% ", " %}", "x", "items", "for i in ", "endfor", "if ", "endif", "|", "upper", ".__class__", "()", "[", "]", "'", "range(3)",
         "macro m()", "endmacro", "set y = ", "*", "**", "9", "+", "self", "loop", "{#", "#}", "-"]  # fmt: skip

PARSERS = (
    Parser("yaml", texts([GOOD_INVENTORY, GOOD_CHECK], YAML), lambda text: parse_yaml(text, "f")),
    Parser("inventory", texts([GOOD_INVENTORY], [*YAML, *INVENTORY]), inventory),
    Parser("inventory-vars", texts([GOOD_VARS, '{"a": 1e3, "b": [null]}'], [*YAML, *INVENTORY, "-o ", "!vault", "0x", "{#"]), variable_file),
    Parser("inventory-ini", texts([GOOD_INI], ["[", "]", ":", "=", "\n", " ", "'", '"', "#", ";", "vars", "children", *INVENTORY]), ini),
    Parser("playbook", texts([GOOD_PLAYBOOK], YAML), playbook),
    Parser("health-check", texts([GOOD_CHECK], YAML), health_check),
    Parser("host-answer", st.binary(max_size=80) | objects([*HostState.__dataclass_fields__, "ok", "proto", "code", "error"], ANSWER), answer, (HostError,)),
    Parser("known-hosts", texts(KNOWN, ["|1|", " ", ",", "@revoked", "@x", "=", "\n", "[", "]", "*", "!", "AAAA"]), known_hosts),
    Parser("host-certificate", st.binary(max_size=200), lambda blob: objection(blob, frozenset(), "h", 0.0), ()),
    Parser("ledger-record", objects(list(FIELDS), RECORD) | st.binary(max_size=60), record, (ValueError,)),
    Parser("saved-plan", objects(list(PLAN), PLAN) | st.text(max_size=60), saved_plan),
    Parser("ssh-G", texts([SSH], ["\n", " ", "proxyjump", "port"]), lambda text: _collect(text.splitlines()), ()),
    Parser("proxy-jump", texts(["a@b:22", "[::1]:3"], ["@", ":", "[", "]", ",", "ssh://", "9"]), lambda text: _hop(text, str(FOLDER / "none"), 9)),
    Parser("login-files", st.binary(max_size=60) | st.binary(max_size=20).map(lambda noise: noise + FRAME + noise), answer_in, ()),
    Parser("certificate-of-an-agent", st.binary(max_size=200), certified_key, ()),
    Parser("git-refusal", texts(["remote: no\n ! [remote rejected] a -> b (hook)\nerror: x\n"], ["remote:", "! [rejected]", "(", ")", "\n", "fatal: "]), lambda text: reason(ValueError(text)), ()),
    Parser("ssh-config", texts(["Host a\n  Port 77\n  ProxyJump b\n"], ["Host ", "\n", '"', "=", " ", "Match", "Include", "ForwardAgent yes"]),
           lambda text: read_strictly("a", str(write("ssh_config", text)))),
    Parser("allowed-signers", texts([f'alice valid-before="20200101" {ED}\n'], ['"', ",", " ", "\n", "AAAA", "#"]), lambda text: read_allowed(write("allowed", text))),
    Parser("signed-commit", st.binary(max_size=120) | st.builds(lambda a, b: COMMIT[:a] + b + COMMIT[a:], st.integers(0, 99), st.binary(max_size=9)),
           lambda raw: signing_key(split(raw)[1]), ()),
    Parser("host-pattern", texts(["edge:!a", "~web.*", "edge[0:2]", "production:&edge"], [":", "!", "&", "~", "[", "]", "*", ",", "(", "+)", "-1", "all"]), pattern),
    Parser("quantities", texts(["90s", "2m", "25%", "5/s", "5 points"], ["%", "/s", "ms", ".", " ", "9" * 400, "٣"]), quantities, ()),
    Parser("template", texts(["{% for i in items %}{{ i }}{% endfor %}"], JINJA), template),
    Parser("secrets", st.text(max_size=60), secrets, ()),
    Parser("probe-answer", st.binary(max_size=200), lambda raw: read_probe(b"HTTP/1.1 200 OK\n" + raw, b"", PROBE, 1.0), ()),
    Parser("counters", st.binary(max_size=60) | st.text("nerlokmis 0123456789\n", max_size=60).map(str.encode), parse_counters, (HostError,)),
    Parser("release-tar", st.binary(max_size=1200) | st.integers(0, 600).map(lambda n: b"a" * 100 + b"0000644\0" + b"0" * n), unpack, (HostError,)),
    Parser("log-answer", objects(list(LOG), LOG) | objects(list(LOG["log"]), dict(LOG["log"])).map(lambda inner: json.dumps({**LOG, "log": json.loads(inner)})),
           lambda text: parse_logs(text.encode(), [FROM_START]), (HostError,)),
    Parser("log-lines", st.binary(max_size=200) | texts(['200 HIT 0.001 "x"\n', '502 MISS 1e9 "deployer-probe"\n'], ["\n", '"', " ", "-", "\1exit 3", "9" * 40]).map(lambda t: t.encode("utf-8", "surrogatepass")),
           log_lines),
    Parser("access-log-format", texts(LOGS, ["%", "$", "{", "}", "'", '"', ";", "\\", "\n", "include *;", "a_by_lua_block {", "--[[", "]]", "%{", "status", "log_format", "%>s", "#"]), access_log),
    Parser("figure", st.binary(max_size=20) | st.floats().map(lambda f: str(f).encode()), number, (HostError,)),
    Parser("prometheus", objects(list(FIGURE), FIGURE) | objects(["resultType", "result"], FIGURE["data"]).map(lambda d: json.dumps({"status": "success", "data": json.loads(d)})) | st.text(max_size=30),
           lambda text: prometheus_value(200, text.encode("utf-8", "surrogatepass")), (HostError,)),
    Parser("recording", objects(list(SAMPLE), SAMPLE) | objects(["t", "hosts", "fleet", "reasons"], SAMPLE["sample"]).map(lambda s: json.dumps({**SAMPLE, "sample": json.loads(s)})),
           lambda text: read_recording(text.splitlines()), ()),
    Parser("examination", st.binary(max_size=80), lambda raw: seen(b"user x\nclock 1\nfree 1\n" + raw, 0, b""), (HostError,)),
    Parser("what-runs", texts(RUNS, ["\t", "\n", "process ", "listens ", "built ", " here", "0050", *(f"{kind} " for kind in SERVICES), "-f", "-c", "..", "/"]), processes, (HostError,)),
    Parser("tree-listing", texts(LISTED, ["\n", " ", "./", "file ", "sum ", "closed ", "folder ", "..", ".j2", "0" * 64]), lambda text: tree.listing(text.encode("utf-8", "surrogatepass"), "u"), ()),
    Parser("tree-archive", st.tuples(st.integers(0, len(TAR)), st.binary(max_size=40)), archive, (HostError,)),
    Parser("secrets-in-a-file", texts(SECRETIVE, ["{{", "}}", "{% endraw %}", "{#", "\n", "\r", '"', "password ", "=", ":", "#", "\x85", "\u2028"]), tidied, (ValueError,)),
    Parser("address", texts(["deploy@web1.example.com:2222", "[fe00::1]:22"], ["@", ":", "[", "]", "9" * 9, " ", "-"]), addressed),
    Parser("cache-headers", st.dictionaries(st.sampled_from(["X-Cache", "Age", "X-Varnish", "Cache-Status", "X-Cache-Status"]), st.text(max_size=40)), cache_hit, ()),
)  # fmt: skip
