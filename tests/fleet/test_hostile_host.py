"""One hostile host among real ones: sshd is real, the agent behind it is not ours any more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

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
    "nested without end": """head -c 1500000 /dev/zero | tr '\\\\0' '['""",
}


def weighed(fleet: Fleet, *words: str) -> tuple[int, dict[str, object], str, int]:
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
    kept = path.read_bytes()
    yield path
    path.write_bytes(kept)
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
