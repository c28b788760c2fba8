"""The story that `deploy demo` tells: a good release, the founding incident caught and undone, a rollback by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.model.errors import DeployError
from deployer.sandbox import repository
from deployer.sandbox.fleet import Sandbox

# -P: nothing is imported from the working folder
DEPLOY = [sys.executable, "-P", "-m", "deployer"]


@dataclass
class Story:
    """say: prints a line; head: prints a heading."""

    fleet: Sandbox
    say: Callable[[str], None]
    head: Callable[[str], None]

    def deploy(self, *words: str, expect: int) -> dict[str, Any]:
        """Run `deploy` and hold it to its exit code; the closing JSON object as it lies in .deploy/runs."""
        self.say(f"$ deploy {' '.join(words)}")
        plain = [] if words[0] == "status" else ["--output", "plain"]
        config = self.fleet.config
        done = subprocess.run(
            [*DEPLOY, *words, *plain], cwd=config, env=self.fleet.environ(), stdin=subprocess.DEVNULL, check=False
        )
        self.say(f"exit {done.returncode}")
        expected(done.returncode == expect, f"deploy {words[0]} ended with {done.returncode}, not with {expect}")
        runs = sorted((config / ".deploy/runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns)
        body: dict[str, Any] = json.loads(runs[-1].read_text())
        return body

    def queries(self) -> int:
        """Database queries so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.fleet.origin_port}/_stats", timeout=10) as answer:
            return int(json.load(answer)["queries"])

    def table(self, before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> dict[str, int]:
        """Requests that went past the cache, per host, in between."""
        self.say(f"{'host':<8}{'requests':>10}{'from cache':>12}{'past it':>10}{'errors':>8}")
        past = {}
        for host in self.fleet.hosts:
            a, b = before[str(host.http_port)], after[str(host.http_port)]
            delta = {key: b.get(key, 0) - a.get(key, 0) for key in ("requests", "hit", "bypass", "errors")}
            past[host.name] = delta["bypass"]
            cells = f"{delta['requests']:>10}{delta['hit']:>12}{delta['bypass']:>10}{delta['errors']:>8}"
            self.say(f"{host.name:<8}{cells}")
        return past

    def running(self) -> set[str]:
        """The releases that the hosts' links lead to."""
        return {(host.prefix / "var/lib/deployer/nginx/current").readlink().name for host in self.fleet.hosts}

    def tell(self) -> None:
        """Good release, incident, rollback."""
        out = self.fleet.start_traffic(rate=20, seconds=300)
        found = self.deploy("adopt", "--yes", expect=0)
        self.head("A good release: pages stay in the cache a little longer")
        repository.commit_edit(self.fleet, "good")
        good = self.deploy("push", "--yes", "-m", "longer TTL", expect=0)
        self.incident(out)
        self.head("On call, by hand, after it went back by itself: there is nothing to do, and it does no harm")
        self.deploy("rollback", "--yes", expect=0)
        expected(self.running() == {good["release"]}, "the hosts are not on the good release")
        self.head("And further, to what was there before everything: by name, with nothing but SSH")
        self.deploy("rollback", "--yes", "--to", found["hosts"]["web1"]["release"], expect=0)
        expected(good["release"] not in self.running(), "a host stayed on the release that was rolled away from")
        self.deploy("status", expect=0)

    def incident(self, out: Path) -> None:
        """out: what the visitors count."""
        self.head("The founding incident: one line sends every request past the cache")
        repository.commit_edit(self.fleet, "incident")
        self.say(repository.git(self.fleet.config, "show", "--format=%h %s", "-U0"))
        before, cost = json.loads(out.read_text()), self.queries()
        bad = self.deploy("push", "--yes", expect=3)
        past = self.table(before, json.loads(out.read_text()))
        self.say(f"database queries in that time: {self.queries() - cost}")
        self.say(f"why: {bad['verdict']['because']}")
        expected(past["web1"] > 0, "the canary never had the incident")
        expected(not any(n for name, n in past.items() if name != "web1"), f"other hosts saw it: {past}")
        self.say("the canary was caught and is back; the other three hosts never saw it")


def expected(holds: bool, otherwise: str) -> None:
    """The story goes as it is told, or ends here."""
    if not holds:
        raise DeployError(f"the demo failed: {otherwise}", hint="what deploy printed above says why")


def demo(say: Callable[[str], None], head: Callable[[str], None]) -> None:
    """Stage it all in a temporary folder, which is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="deployer-demo-"))
    began = time.monotonic()
    head("4 web servers (sshd + nginx) on loopback, a shop with a database, visitors")
    try:
        with Sandbox(folder, 4) as fleet:
            repository.make_repository(fleet, bake="5s", serial="[1, 100%]")
            say(f"up after {time.monotonic() - began:.1f} s, everything below {folder}")
            Story(fleet, say, head).tell()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    head(f"done in {time.monotonic() - began:.0f} s; everything is cleaned up")
