"""A real fleet for a test module: sshd and nginx (or varnishd) per host, a config repository with its remote."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployer.sandbox import repository
from deployer.sandbox.fleet import Sandbox, SandboxHost
from deployer.sandbox.processes import processes

DEPLOY = ["env", "--default-signal=HUP", sys.executable, "-m", "deployer"]  # also where the tests run under nohup


@dataclass
class Fleet:
    """The sandbox with `deploy` at hand."""

    sandbox: Sandbox

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """`deploy WORDS`, running."""
        return subprocess.Popen(
            [*DEPLOY, *words],
            cwd=self.sandbox.config,
            env={**self.sandbox.environ(), "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, as a shell gives it: Ctrl-C goes to all of it
        )

    def deploy(self, *words: str, **environ: str) -> tuple[int, dict[str, Any], str]:
        """`deploy WORDS --json`: exit code, the JSON object, stderr."""
        child = self.start(*words, "--json", **environ)
        out, err = child.communicate(timeout=400)
        assert "Traceback" not in err, err
        return child.returncode, json.loads(out) if out.strip() else {}, err

    def host(self, name: str) -> SandboxHost:
        return next(host for host in self.sandbox.hosts if host.name == name)

    def root(self, name: str) -> Path:
        """ROOT of the playbook on that host."""
        return self.host(name).prefix / "var/lib/deployer" / self.sandbox.service

    def current(self, name: str) -> str:
        """What the link on the host's disk says, whatever the product reports."""
        return os.readlink(self.root(name) / "current").removeprefix("releases/")

    def currents(self) -> set[str]:
        return {self.current(host.name) for host in self.sandbox.hosts}

    def served(self, name: str, header: str = "X-Mark") -> str:
        """A header of the answer that the running server gives: what users really get."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.host(name).http_port}/", timeout=5) as answer:
            return str(answer.headers.get(header, ""))

    def mark(self, text: str) -> str:
        """Commit a harmless change that can be seen in every answer, where it is not there already."""
        path = "conf.d/shop.conf.j2"
        file = self.sandbox.config / "playbooks/nginx/files" / path
        lines = [line for line in file.read_text().splitlines() if "X-Mark" not in line]
        where = next(i for i, line in enumerate(lines) if "X-Cache-Status" in line)
        lines.insert(where, f"        add_header X-Mark {text} always;")
        marked = "\n".join(lines) + "\n"
        if marked == file.read_text():
            return repository.git(self.sandbox.config, "rev-parse", "HEAD")
        file.write_text(marked)
        return repository.commit(self.sandbox, f"mark {text}")

    def settled(self) -> str:
        """The mark that every host serves, of a confirmed release which is the repository's, too. A push that ended
        well, or went back, left the hosts so; what is not so is pushed."""
        served = {self.served(host.name) for host in self.sandbox.hosts}
        if len(served) == 1 and (mark := served.pop()):
            self.mark(mark)
            if self.deploy("plan", "--detailed-exitcode")[0] == 0:
                return mark
        self.mark(mark := f"settled-{time.time_ns()}")
        code, body, err = self.deploy("push", "--yes")
        assert code == 0, (body, err)
        assert {self.served(host.name) for host in self.sandbox.hosts} == {mark}
        return mark

    def playbook(self, **values: str) -> None:
        """Change keys of the playbook in the checkout (policy is read from there)."""
        file = self.sandbox.config / "playbooks" / self.sandbox.service / "playbook.yml"
        lines = [line for line in file.read_text().splitlines() if line.split(":")[0] not in values]
        file.write_text("\n".join([*lines, *(f"{k}: {v}" for k, v in values.items())]) + "\n")


PATIENCE = 6  # a busy machine gets so many times what an idle one needs


def eventually(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll a condition. seconds: an idle machine never needs more. The bound ends a wait for what never comes; no test
    says by it how fast anything is."""
    end = time.monotonic() + seconds * PATIENCE
    while not holds():
        assert time.monotonic() < end, f"not within {seconds * PATIENCE:g} s: {what}"
        time.sleep(0.1)


def until(go: Path) -> str:
    """Shell that waits for a file; not for ever, whatever becomes of the test."""
    return f"n=0; while ! [ -e {go} ] && [ $n -lt 1800 ]; do n=$((n + 1)); sleep 0.1; done"


@contextlib.contextmanager
def let_go(go: Path) -> Iterator[None]:
    """What waits for that file goes on when the test ends, and when it fails."""
    try:
        yield
    finally:
        go.touch()


def servers(prefix: Path) -> list[int]:
    """Pids of the cache server below prefix."""
    found = []
    for pid in processes(prefix):
        with contextlib.suppress(OSError):  # it may be gone by now
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"sshd" not in words and b"hostctl" not in words:
                found.append(pid)
    return found


# The servers are in question here, not the gate: many probes, wide margins and no latency give a verdict in seconds, on
# a busy machine, too. What the gate sees is tested in tests/unit/test_gate*.py and test_sources.py.
CHECK = """probes:
  - {name: home, url: /, expect: 200, rate: 20/s, level: required}
  - {name: product, url: /product/1, expect: 200, rate: 10/s, level: required, cacheable: true, fresh: none}
compare:
  latency_p50: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p75: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p95: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p99: {max_increase: 500%, at_least: 2s, shadow: true}
  error_rate: {max_increase: 20 points}
limit: {error_rate: 30%, refetch_miss: 20%}
sources: {traffic: none}
inconclusive: rollback
"""


def make_fleet(service: str, hosts: int, check: str = CHECK) -> Iterator[Fleet]:
    """Adopted, with short bakes. check: the health check; "" is that of the sandbox. Below /tmp: the paths of sockets and servers must stay short."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-"))
    try:
        with Sandbox(folder, hosts, service) as sandbox:
            repository.make_repository(sandbox, bake="2s", confirm_timeout="12s", serial="[1, 100%]")
            if check:
                (sandbox.config / "health_checks/storefront.yml").write_text(check)
            fleet = Fleet(sandbox)
            code, _, err = fleet.deploy("adopt", "--yes")
            assert code == 0, err
            yield fleet
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def nginx() -> Iterator[Fleet]:
    """Three nginx hosts."""
    yield from make_fleet("nginx", 3)


@pytest.fixture(scope="module")
def varnish() -> Iterator[Fleet]:
    """Two Varnish hosts."""
    yield from make_fleet("varnish", 2)
