"""One hostile host among real ones: sshd is real, the agent behind it is not ours any more."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from deployer.remote.layout import layout_for
from tests.fleet.conftest import Fleet

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("hostile")]

MEMORY = 100 * 1024  # KiB that the whole deployer may ever hold
WEIGHED = """
import sys
from deployer.cli import run
try:
    sys.exit(run(sys.argv[1:]))
finally:  # of this program alone: ru_maxrss begins with what its parent had when it forked
    with open("/proc/self/status") as status:
        print("KIB", *(line.split()[1] for line in status if line.startswith("VmHWM:")), file=sys.stderr)
"""
AGENTS = {
    "says 31 MB": "head -c 31000000 /dev/zero",
    "never stops": "cat /dev/zero",
    "never closes": "echo '{'; exec sleep 600",
    "reads a byte now and then": "while dd bs=1 count=1 2>/dev/null; do sleep 0.2; done >/dev/null",
    "a fence at the top": """echo '{"ok":true,"proto":1,"adopted":true,"fence":999999999999}'""",
    "a deploy that leaves its folder": """echo '{"ok":true,"proto":1,"adopted":true,"deploy":"../../../x"}'""",
    "a watchdog of decades": """echo '{"ok":true,"proto":1,"adopted":true,"phase":"pending","left":999999999}'""",
    "a deploy of its own in flight": """sh "$0.honest" "$@" | sed 's/"phase":"[a-z]*"/"phase":"pending"/
s/"deploy":"[^"]*"/"deploy":"99-beef"/; s/"left":[0-9]*/"left":3600/; s/"target":"[^"]*"/"target":"cccccccccc-33333333"/
s/"current":"[^"]*"/"current":"cccccccccc-33333333"/'""",
    "nested without end": """head -c 1500000 /dev/zero | tr '\\\\0' '['""",
}


def weighed(fleet: Fleet, *words: str) -> tuple[int, dict[str, Any], str, int]:
    """`deploy WORDS --json`: exit code, the JSON object, stderr, KiB."""
    done = subprocess.run(
        [sys.executable, "-c", WEIGHED, *words, "--json"], cwd=fleet.sandbox.config, capture_output=True, text=True,
        env={**fleet.sandbox.environ(), "PYTHONPATH": str(Path(__file__).parents[2])}, timeout=380, check=False,
        start_new_session=True,
    )  # fmt: skip
    kib = int(done.stderr.rpartition("KIB ")[2].split()[0])
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr, kib


@pytest.fixture
def agent(nginx: Fleet) -> Iterator[Path]:
    """web2's agent, put back afterwards."""
    host = nginx.host("web2")
    from deployer.model.fleet import Host

    path = Path(layout_for(Host("web2", vars={"deploy_prefix": str(host.prefix)}), "nginx", "/etc/nginx").agent)
    kept, honest = path.read_bytes(), path.with_name(f"{path.name}.honest")
    honest.write_bytes(kept)
    yield path
    path.write_bytes(kept)
    honest.unlink()
    code, body, err = nginx.deploy("status", "--repair", "--yes")
    assert code == 0, (body, err)


def rarely(names: Iterable[str], *always: str) -> list[ParameterSet]:
    """Each costs a minute: some with every run, the others with --all."""
    return [pytest.param(name, marks=[] if name in always else [pytest.mark.long]) for name in names]


@pytest.mark.parametrize("how", rarely(AGENTS, "never stops", "a fence at the top"))
def test_a_rollback_with_one_hostile_host(nginx: Fleet, agent: Path, how: str) -> None:
    """The others are back and verified, the hostile one is named, in bounded time and memory."""
    old, new = (f"{age}-{list(AGENTS).index(how)}" for age in ("old", "new"))  # what a case before left is quarantined
    for mark in (old, new):
        nginx.mark(mark)
        code, body, err = nginx.deploy("push", "--yes")
        assert code == 0, (body, err)
    agent.write_text(f"#!/bin/sh\n{AGENTS[how]}\n")
    code, body, err, kib = weighed(nginx, "rollback", "--yes")
    assert code == 4, (body, err)
    hosts = body["hosts"]
    assert isinstance(hosts, dict)
    assert {name: end["state"] for name, end in hosts.items() if name != "web2"} == {"web1": "confirmed", "web3": "confirmed"}  # fmt: skip
    assert not hosts["web2"]["verified"]
    assert {nginx.served(name) for name in ("web1", "web3")} == {old}
    assert kib < MEMORY, f"{kib >> 10} MB"


KINDS = {"slow": "reads a byte now and then", "endless": "never stops", "lying": "a deploy of its own in flight"}
# Asked again at rest they change nothing, so they are run before the host turns, too; the exit codes with it.
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "plan": ((), (1,)),
    "status": ((), (4,)),
    "status --repair": (("--yes",), (0, 1, 4)),  # nothing is to be repaired: nobody need ask the host
    "doctor": ((), (0, 1)),
    "history": ((), (0,)),
    "show": ((), (0,)),
    "adopt": (("--yes",), (0, 1, 4)),  # one that says that it is adopted is not asked
    "abort": (("--yes",), (1, 4)),
    "confirm": (("--yes",), (1, 4)),
}


IDLE = {("untouched", True)}


def of_others(body: dict[str, object]) -> object:
    """What a command told of the honest hosts, without what changes by itself."""

    def kept(value: object) -> object:
        if isinstance(value, dict):
            gone = ("web2", "left", "free_kb", "seconds", "ms", "deploy", "fence", "said")
            return {key: kept(inner) for key, inner in value.items() if key not in gone}
        return [kept(inner) for inner in value] if isinstance(value, list) else value

    return kept({key: value for key, value in body.items() if key in ("hosts", "deploys", "records")})


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_the_others(nginx: Fleet, agent: Path, kind: str, command: str) -> None:
    """Is what it is without it; it is named, or the command is refused by its name and goes on without it."""
    more, codes = COMMANDS[command]
    words = [*command.split(), *([last(nginx)] if command == "show" else []), *more]
    code, honest, err = nginx.deploy(*words)
    assert code == 0, (honest, err)
    agent.write_text(f"#!/bin/sh\n{AGENTS[KINDS[kind]]}\n")
    code, body, err, kib = weighed(nginx, *words)
    assert code in codes, (body, err)
    assert kib < MEMORY, f"{kib >> 10} MB"
    if command in ("history", "show"):
        assert body == honest
        return
    assert "web2" in json.dumps(body) + err
    if not body.get("hosts"):
        code, body, err, kib = weighed(nginx, *words, "-l", "!web2")
        assert code == 0, (body, err)
    if command in ("abort", "confirm"):  # honest hosts at rest: there was nothing to be said of them
        assert {(end["state"], end["verified"]) for name, end in body["hosts"].items() if name != "web2"} <= IDLE
    else:
        assert of_others(body) == of_others(honest)


def last(fleet: Fleet) -> str:
    return str(fleet.deploy("history")[1]["deploys"][-1]["deploy"])


@pytest.mark.parametrize("kind", rarely(KINDS, "lying"))
def test_a_push(nginx: Fleet, agent: Path, kind: str) -> None:
    """Is refused by its name before any host is changed; without it, it goes on."""
    before = {name: nginx.served(name) for name in ("web1", "web3")}
    nginx.mark(f"pushed-{kind}")
    agent.write_text(f"#!/bin/sh\n{AGENTS[KINDS[kind]]}\n")
    code, body, err, kib = weighed(nginx, "push", "--yes")
    assert (code, "web2" in json.dumps(body["error"])) == (1, True), (body, err)
    assert kib < MEMORY, f"{kib >> 10} MB"
    assert {name: nginx.served(name) for name in before} == before
    code, body, err, kib = weighed(nginx, "push", "--yes", "-l", "!web2")
    assert code == 0, (body, err)
    assert {nginx.served(name) for name in before} == {f"pushed-{kind}"}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_an_unadopt(nginx: Fleet, agent: Path, kind: str) -> None:
    """It is named; the others are given back all or none, and without it they are."""
    agent.write_text(f"#!/bin/sh\n{AGENTS[KINDS[kind]]}\n")
    code, body, err, kib = weighed(nginx, "unadopt", "--yes")
    assert code in (1, 4), (body, err)
    assert "web2" in json.dumps(body) + err
    assert kib < MEMORY, f"{kib >> 10} MB"
    sites = [nginx.host(name).prefix / "etc/nginx" for name in ("web1", "web3")]
    assert {site.is_symlink() for site in sites} == {code == 1}
    code, body, err = nginx.deploy("unadopt", "--yes", "-l", "!web2")
    assert code == 0, (body, err)
    assert not [site for site in sites if site.is_symlink()]
    code, body, err = nginx.deploy("adopt", "--yes", "-l", "!web2")
    assert code == 0, (body, err)


def drips(connection: socket.socket) -> None:
    """A byte of an answer now and then."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def pours(connection: socket.socket) -> None:
    """A head that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"x" * 60000 + b"\r\n")


def flatters(connection: socket.socket) -> None:
    """Whatever it is asked, it had it."""
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Cache-Status: HIT\r\nX-Cache: HIT\r\nContent-Length: 2\r\n\r\nok")


@contextmanager
def web2_answers(fleet: Fleet, how: Callable[[socket.socket], None]) -> Iterator[None]:
    """By another server, at a port of the test's."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            how(connection)

    inventory = fleet.sandbox.config / "inventory.yml"
    kept = inventory.read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        inventory.write_text(kept.replace(str(fleet.host("web2").http_port), str(server.getsockname()[1])))
        yield
        inventory.write_text(kept)


@pytest.mark.parametrize("command", [["check"], ["warm", "--yes"]], ids=["check", "warm"])
@pytest.mark.parametrize("how", [drips, pytest.param(pours, marks=pytest.mark.long), flatters])
def test_its_http_server(nginx: Fleet, how: Callable[[socket.socket], None], command: list[str]) -> None:
    """What is measured and warmed on the others is as without it. A server that lies well enough is believed."""
    (nginx.sandbox.config / "playbooks/nginx/warm.txt").write_text("/\n/product/1\n")
    nginx.playbook(warm="{urls: warm.txt}")
    code, honest, err = nginx.deploy(*command)
    assert code == 0, (honest, err)
    with web2_answers(nginx, how):
        code, body, err, kib = weighed(nginx, *command)
    assert code == (0 if how is flatters else 1), (body, err)
    assert kib < MEMORY, f"{kib >> 10} MB"
    assert told(body) == told(honest)


def told(body: dict[str, Any]) -> object:
    """Of the honest hosts: what passed, what is warm."""
    if "results" in body:
        return [(one["host"], one["probe"], one["failure"]) for one in body["results"] if one["host"] != "web2"]
    return {name: one["why"].split(":")[0] for name, one in body["hosts"].items() if name != "web2"}


@pytest.mark.parametrize("command", rarely(["status", "abort", "doctor", "plan"], "abort", "status"))
@pytest.mark.parametrize("how", ["never stops", "a watchdog of decades"])
def test_every_command_ends(nginx: Fleet, agent: Path, how: str, command: str) -> None:
    """And names the host."""
    agent.write_text(f"#!/bin/sh\n{AGENTS[how]}\n")
    words = ["--yes"] if command == "abort" else []
    code, body, err, kib = weighed(nginx, command, *words)
    assert code in (1, 4), (body, err)
    assert "web2" in json.dumps(body) + err
    assert kib < MEMORY, f"{kib >> 10} MB"
