"""The gate on real fleets: real sshd, real servers, visitors, a shop with a database. Prints one table.

  script/bench fleet                                   every harmful change of nginx and varnish, once
  script/bench fleet --effects incident --service nginx
  script/bench fleet --benign 100 --fleets 4           harmless changes: how many of 100 pushes are undone
  script/bench fleet --service S --harmless 200        comments alone, 200 activations (bench/harmless.py)

Everything lies in temporary folders on loopback and is removed. A row is one push: how it ended, after how many
seconds of watching, which metric its sentence names, how many hosts other than the canary ever had the release, and
what it cost the origin.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from bench.harmless import harmless as comments
from bench.reloads import busy
from deployer.sandbox import repository, traffic
from deployer.sandbox.daemons import NAMES, daemon
from deployer.sandbox.fleet import Sandbox

HARMFUL = ("incident", "latency", "errors", "hit_ratio", "database")
RESTART = "moved"  # no reload takes it; here, where restarts are allowed, it empties the cache
BENIGN = ("comment", "log_format", "ttl", "location", "header", "workers", "good", RESTART)
CARTS = 0.05  # of the visits: no cache keeps the page, so the hit ratio is 95 % and the database has something to do
ENDING = threading.Event()


@dataclass(frozen=True)
class Row:
    """One push."""

    service: str
    effect: str
    code: int
    detect: float
    metric: str
    strayed: int
    queries: int
    because: str


def queries(fleet: Sandbox) -> int:
    """Database queries so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{fleet.origin_port}/_stats", timeout=10) as answer:
        return int(json.load(answer)["queries"])


def deploy(fleet: Sandbox, *words: str) -> tuple[int, dict[str, Any]]:
    """`deploy WORDS --yes --json`."""
    done = subprocess.run(
        [sys.executable, "-m", "deployer", *words, "--yes", "--json"],
        cwd=fleet.config,
        env=fleet.environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for the run, which ends after this push
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {"err": done.stderr}


@contextmanager
def fleet_of(service: str, hosts: int, rate: float, bake: str) -> Iterator[Sandbox]:
    """Adopted, under traffic."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with Sandbox(folder, hosts, service) as fleet:
            repository.make_repository(fleet, bake=bake, confirm_timeout="30s", serial="[1, 100%]")
            may_restart(fleet)
            fill(fleet)
            if rate:
                watch_database(fleet)
                fleet.start_traffic(rate=rate, seconds=3600, carts=CARTS)
            code, body = deploy(fleet, "adopt")
            if code:
                raise SystemExit(f"cannot adopt: {body}")
            yield fleet
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(fleet: Sandbox) -> None:
    """Every page into every cache: a shop that has been open for a while."""
    for host in fleet.hosts:
        for number in range(traffic.PAGES):
            url = f"http://127.0.0.1:{host.http_port}/" + (f"product/{number}" if number else "")
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": "shop"}), timeout=10) as answer:
                answer.read()


def watch_database(fleet: Sandbox) -> None:
    """The health check asks the origin's Prometheus interface for its queries, too."""
    check = fleet.config / "health_checks/storefront.yml"
    text = re.sub(r"(?ms)^sources:.*?(?=^\S|\Z)", "", check.read_text())
    source = (
        f"sources:\n  prometheus:\n    url: http://127.0.0.1:{fleet.origin_port}\n"
        "    db_queries: {query: 'rate(shop_queries_total[5s])', max_increase: 30%}\n"
    )
    check.write_text(text.rstrip("\n") + "\n" + source)
    repository.commit(fleet, "watch the database")


def may_restart(fleet: Sandbox) -> None:
    """A change that no reload takes is one that empties the cache, which is warmed then, not one that fails."""
    playbook = fleet.config / "playbooks" / fleet.service / "playbook.yml"
    playbook.write_text(playbook.read_text() + "restart: allow\nwarm: {access_log: top 200, host: shop}\n")
    repository.commit(fleet, "restarts are allowed")


def push(fleet: Sandbox, effect: str, undo: bool) -> Row:
    """Commit one edit, push it, and look at what happened."""
    repository.commit_edit(fleet, effect)
    before = queries(fleet)
    code, body = deploy(fleet, "push", "--allow-quarantined")
    cost = queries(fleet) - before
    if undo:
        repository.git(fleet.config, "revert", "--no-edit", "HEAD")
    verdict = body.get("verdict") or {}
    because = str(verdict.get("because") or body.get("error") or body)
    hosts = body.get("hosts", {})
    strayed = sum(host["state"] != "untouched" for name, host in hosts.items() if name != "web1") if code else 0
    seconds = body.get("seconds", {}).get("detect", 0.0)
    return Row(fleet.service, effect, code, seconds, because.split(":", maxsplit=1)[0][:14], strayed, cost, because)


def staged(service: str, chosen: Sequence[str]) -> list[str]:
    """Those of the chosen effects that this server can show."""
    return [effect for effect in chosen if effect in daemon(service).EDITS]


def harmful(service: str, options: argparse.Namespace) -> None:
    """One fleet, one effect after the other, each undone before the next."""
    with fleet_of(service, options.hosts, options.rate, options.bake) as fleet:
        for effect in staged(service, options.effects or HARMFUL):
            if ENDING.is_set():
                return
            print(shown(push(fleet, effect, undo=True)), flush=True)


def harmless(number: int, options: argparse.Namespace) -> list[Row]:
    """Harmless changes in turn, forth and back, on one fleet."""
    rows: list[Row] = []
    with fleet_of(options.service or "nginx", options.hosts, options.rate, options.bake) as fleet:
        wanted = staged(fleet.service, options.effects or BENIGN)
        turn = number
        while len(rows) < math.ceil(options.benign / options.fleets) and not ENDING.is_set():
            rows.append(push(fleet, wanted[turn % len(wanted)], undo=True))
            turn += 1
            if rows[-1].code:
                print(shown(rows[-1]), flush=True)
            code, body = deploy(fleet, "push", "--allow-quarantined")  # the way back is a harmless push, too
            rows.append(Row(fleet.service, "back", code, 0.0, "", 0, 0, str(body.get("verdict") or body)[:300]))
            if code:
                print(shown(rows[-1]), flush=True)
    return rows


def only_comments(options: argparse.Namespace) -> int:
    """One fleet a server, one after the other."""
    undone = 0
    with busy(options.busy):
        for service in (options.service,) if options.service else NAMES:
            if ENDING.is_set():
                break
            fleet = fleet_of(service, options.hosts, options.rate, options.bake)
            tally = comments(service, options.harmless, options.probes, fleet, deploy, ENDING.is_set)
            undone += tally.undone
    return int(undone > 0)


def end(number: int, frame: FrameType | None) -> None:
    """Every fleet ends after the push that is under way, and nothing of it is left behind. Asked again: at once."""
    if ENDING.is_set():
        sys.exit(128 + number)
    ENDING.set()


def shown(row: Row) -> str:
    """One line."""
    ends = {0: "deployed", 3: "reverted", 4: "STRANDED", 1: "refused"}
    return (
        f"{row.service:<14}{row.effect:<11}{ends.get(row.code, row.code)!s:<10}{row.detect:>7.1f} s  {row.metric:<14}"
        f"{row.strayed:>3} strayed {row.queries:>6} queries  {row.because[:150]}"
    )


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", default="")
    parser.add_argument("--effects", type=lambda text: text.split(","), default=[])
    parser.add_argument("--benign", type=int, default=0)
    parser.add_argument("--harmless", type=int, default=0, metavar="N", help="so many activations of a comment")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="with --harmless: beside so many busy loops")
    parser.add_argument("--probes", type=float, default=10.0, metavar="N", help="with --harmless: so many a second")
    parser.add_argument("--fleets", type=int, default=2)
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--rate", type=float, default=20.0, help="visitors a second and host; 0: none at all")
    parser.add_argument("--bake", default="20s")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if options.harmless:
        return only_comments(options)
    if options.benign:
        with ThreadPoolExecutor(options.fleets) as pool:
            rows = [row for part in pool.map(lambda n: harmless(n, options), range(options.fleets)) for row in part]
        counts = Counter((row.effect, row.code) for row in rows)
        for (effect, code), many in sorted(counts.items()):
            print(f"{effect:<12} exit {code}: {many}")
        print(f"{len(rows)} harmless pushes, {sum(row.code != 0 for row in rows)} not deployed")
        return int(any(row.code for row in rows))
    for service in (options.service,) if options.service else ("nginx", "varnish"):
        harmful(service, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
