"""The story that script/demo tells. Exit 0 only if every expectation held."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from deployer.adapters.sandbox import repository
from deployer.adapters.sandbox.fleet import Sandbox

DEPLOY = str(Path(sys.executable).parent / "deploy")


def say(text: str) -> None:
    """A heading of the story."""
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def deploy(fleet: Sandbox, *words: str, expect: int) -> dict[str, object]:
    """Run `deploy` and hold it to its exit code; the closing JSON object as it lies in .deploy/runs."""
    print(f"$ deploy {' '.join(words)}", flush=True)
    plain = [] if words[0] == "status" else ["--output", "plain"]
    done = subprocess.run(
        [DEPLOY, *words, *plain], cwd=fleet.config, env=fleet.environ(), stdin=subprocess.DEVNULL, check=False
    )
    print(f"exit {done.returncode}", flush=True)
    if done.returncode != expect:
        raise AssertionError(f"exit {expect} was expected, not {done.returncode}")
    runs = sorted((fleet.config / ".deploy/runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns)
    body: dict[str, object] = json.loads(runs[-1].read_text())
    return body


def queries(fleet: Sandbox) -> int:
    """Database queries so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{fleet.origin_port}/_stats", timeout=10) as answer:
        return int(json.load(answer)["queries"])


def visitors(out: Path) -> dict[str, dict[str, int]]:
    """What the visitors have seen so far, by port."""
    found: dict[str, dict[str, int]] = json.loads(out.read_text())
    return found


def table(fleet: Sandbox, before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> dict[str, int]:
    """Requests that went past the cache, per host, in between."""
    print(f"{'host':<8}{'requests':>10}{'from cache':>12}{'past it':>10}{'errors':>8}")
    past = {}
    for host in fleet.hosts:
        a, b = before[str(host.http_port)], after[str(host.http_port)]
        delta = {key: b.get(key, 0) - a.get(key, 0) for key in ("requests", "hit", "bypass", "errors")}
        past[host.name] = delta["bypass"]
        print(f"{host.name:<8}{delta['requests']:>10}{delta['hit']:>12}{delta['bypass']:>10}{delta['errors']:>8}")
    return past


def running(fleet: Sandbox) -> set[str]:
    """The releases that the hosts' links lead to."""
    return {(host.prefix / "var/lib/deployer/nginx/current").readlink().name for host in fleet.hosts}


def story(folder: Path) -> None:
    """Good release, incident, rollback."""
    say("4 web servers (sshd + nginx) on loopback, a shop with a database, visitors")
    began = time.monotonic()
    with Sandbox(folder, 4) as fleet:
        repository.make_repository(fleet, bake="5s", serial="[1, 100%]")
        out = fleet.start_traffic(rate=20, seconds=300)
        print(f"up after {time.monotonic() - began:.1f} s, everything below {folder}")
        found = deploy(fleet, "adopt", "--yes", expect=0)

        say("A good release: pages stay in the cache a little longer")
        repository.commit_edit(fleet, "good")
        good = deploy(fleet, "push", "--yes", "-m", "longer TTL", expect=0)

        say("The founding incident: one line sends every request past the cache")
        repository.commit_edit(fleet, "incident")
        subprocess.run(["git", "show", "--format=%h %s", "-U0"], cwd=fleet.config, check=True)
        before, cost = visitors(out), queries(fleet)
        bad = deploy(fleet, "push", "--yes", expect=3)
        past = table(fleet, before, visitors(out))
        print(f"database queries in that time: {queries(fleet) - cost}")
        verdict = bad["verdict"]
        assert isinstance(verdict, dict)
        print(f"why: {verdict['because']}")
        assert past["web1"] > 0, "the canary never had the incident"
        assert not any(count for name, count in past.items() if name != "web1"), f"other hosts saw it: {past}"
        print("the canary was caught and is back; the other three hosts never saw it")

        say("On call, by hand, after it went back by itself: there is nothing to do, and it does no harm")
        deploy(fleet, "rollback", "--yes", expect=0)
        assert running(fleet) == {good["release"]}

        say("And further, to what was there before everything: by name, with nothing but SSH")
        deploy(fleet, "rollback", "--yes", "--to", found["hosts"]["web1"]["release"], expect=0)
        assert good["release"] not in running(fleet)
        deploy(fleet, "status", expect=0)
    say(f"done in {time.monotonic() - began:.0f} s; everything is cleaned up")


def main() -> int:
    """Ctrl-C and a kill clean up, too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="deployer-demo-"))
    try:
        story(folder)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except AssertionError as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
