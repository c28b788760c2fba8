"""More hosts than forks, each slow to activate: 24 real sshd, two at a time, two seconds each, so that a wave takes
longer than its hosts wait for us. Nobody goes back alone, in a push and in a rollback."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox import repository
from deployer.sandbox.fleet import Sandbox, wait_for
from tests.conftest import MEASURED
from tests.fleet.conftest import Fleet

pytestmark = [pytest.mark.timeout(900), pytest.mark.long, pytest.mark.xdist_group("on time")]

HOSTS, FORKS, ACTIVATION, LEASE = 24, 2, 2, 15
PLAYBOOK = f"""service: custom
hosts: edge
dest: /etc/app
serial: [1, 100%]
bake: 2s
confirm_timeout: {LEASE}s
health_checks: [up]
custom:
  check: test -s "$1/app.conf"
  activate: sleep {ACTIVATION} && cp "$DEST/app.conf" "$PREFIX/running"
  verify: cmp -s "$ROOT/releases/$1/app.conf" "$PREFIX/running"
"""
# One server answers for all hosts: what is in question here is the order of things, not the gate.
CHECK = """probes:
  - {name: up, url: /, expect: 200, rate: 4/s, level: required}
compare:
  latency_p50: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p75: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p95: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p99: {max_increase: 500%, at_least: 2s, shadow: true}
  error_rate: {max_increase: 20 points}
limit: {error_rate: 30%}
sources: {traffic: none}
inconclusive: continue
"""


@pytest.fixture(scope="module")
def slow() -> Iterator[Fleet]:
    """Adopted."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-"))
    try:
        with Sandbox(folder, HOSTS, service="") as sandbox:
            playbook = sandbox.config / "playbooks/app"
            (playbook / "files").mkdir(parents=True)
            (playbook / "playbook.yml").write_text(PLAYBOOK)
            (sandbox.config / "health_checks").mkdir()
            (sandbox.config / "health_checks/up.yml").write_text(CHECK)
            ready = folder / "ready"
            origin = [sys.executable, "-m", "deployer.sandbox.origin", "--port", str(sandbox.origin_port)]
            sandbox.spawn([*origin, "--ready", str(ready)])
            wait_for(ready.is_file, "the server")
            known = {h.name: {**sandbox.variables(h), "http_port": sandbox.origin_port} for h in sandbox.hosts}
            lines = "".join(f"        {name}: {json.dumps(values)}\n" for name, values in known.items())
            (sandbox.config / "inventory.yml").write_text(
                f"all:\n  children:\n    edge:\n      hosts:\n{lines}    production: {{children: {{edge: {{}}}}}}\n"
            )
            for host in sandbox.hosts:
                (host.prefix / "etc/app").mkdir(parents=True)
                for file in ("etc/app/app.conf", "running"):
                    (host.prefix / file).write_text("as found\n")
            repository.git(sandbox.config, "init", "-q")
            fleet = Fleet(sandbox)
            release(fleet, "as it is")
            run(fleet, "adopt")
            yield fleet
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def release(fleet: Fleet, text: str) -> None:
    """Commit it."""
    (fleet.sandbox.config / "playbooks/app/files/app.conf").write_text(text + "\n")
    repository.commit(fleet.sandbox, text)


def run(fleet: Fleet, *words: str) -> dict[str, object]:
    """It must succeed; what it says."""
    child = fleet.start(*words, "--yes", "--json", "-f", str(FORKS))
    out, err = child.communicate(timeout=600)
    assert child.returncode == 0, (out, err)
    return dict(json.loads(out))


def went_back(fleet: Fleet) -> list[str]:
    """What any host says of going back by itself."""
    found = []
    for host in fleet.sandbox.hosts:
        events = host.prefix / "var/lib/deployer/app/events"
        found += [f"{host.name}: {line}" for line in events.read_text().splitlines() if "revert" in line.lower()]
    return found


def running(fleet: Fleet) -> set[str]:
    return {(host.prefix / "running").read_text() for host in fleet.sandbox.hosts}


def test_no_host_goes_back_alone(slow: Fleet, record_property: pytest.RecordProperty) -> None:
    """Two pushes and a rollback, each of whose waves takes longer than a lease."""
    for word, text in (("push", "first"), ("push", "second"), ("rollback", "first")):
        if word == "push":
            release(slow, text)
        said = run(slow, word)
        assert said["result"] == "deployed"
        assert went_back(slow) == []
        assert running(slow) == {text + "\n"}
        spent = said["seconds"]
        assert isinstance(spent, dict)
        assert spent["activate"] > LEASE, "the wave was too quick to prove anything"
        record_property(MEASURED, f"{HOSTS} hosts on {FORKS} forks|{word} {text}: activation|{spent['activate']:.0f} s")
