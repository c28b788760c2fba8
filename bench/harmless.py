"""Pushes of nothing but a comment, under traffic: how many are undone, and how many visitors notice.

script/bench fleet --service haproxy --harmless 200            200 activations, on fleets of --hosts hosts
script/bench fleet --harmless 100 --busy 2                     every server, beside two busy loops
script/bench fleet --service nginx --harmless 200 --rate 0 --probes 2.5 --busy 2   a fleet without visitors
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from deployer.sandbox import repository, traffic
from deployer.sandbox.daemons import daemon
from deployer.sandbox.fleet import Sandbox

Deploy = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Tally:
    """activations: hosts that took a release. visits, unanswered: of the visitors, while pushes went on."""

    service: str
    pushes: int = 0
    activations: int = 0
    undone: int = 0
    visits: int = 0
    unanswered: int = 0
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.service:<14}{self.activations:>5} activations in {self.pushes} pushes, {self.undone} not deployed; "
            f"{self.unanswered} of {self.visits} requests not answered; "
            f"median {median(self.seconds or [0.0]):.0f} s a push, longest {max(self.seconds, default=0.0):.0f} s"
        )


def visitors(fleet: Sandbox) -> tuple[int, int]:
    """Requests so far, and those without a 200; none of either where there are no visitors."""
    if not (fleet.folder / "traffic.json").exists():
        return 0, 0
    counts = json.loads((fleet.folder / "traffic.json").read_text()).values()
    return sum(c.get("requests", 0) for c in counts), sum(c.get("errors", 0) for c in counts)


def warm_from_a_list(fleet: Sandbox) -> None:
    """Also where the server tells nobody what its visitors ask for."""
    home = fleet.config / "playbooks" / fleet.service
    pages = ["/", *(f"/product/{number}" for number in range(1, traffic.PAGES))]
    (home / "warm.txt").write_text("\n".join(pages) + "\n")
    text = (home / "playbook.yml").read_text()
    (home / "playbook.yml").write_text(
        text.replace("{access_log: top 200, host: shop}", "{urls: warm.txt, host: shop}")
    )
    repository.commit(fleet, "a list to warm from")


def probe_slowly(fleet: Sandbox, rate: float) -> None:
    """So many probes a second: the visitors are what is judged, and probes of ten hosts keep a core busy."""
    check = fleet.config / "health_checks/storefront.yml"
    check.write_text(re.sub(r"rate: [0-9.]+/s", f"rate: {rate:g}/s", check.read_text()))
    repository.commit(fleet, f"{rate:g} probes a second")


def comment(fleet: Sandbox, number: int) -> None:
    """One line that begins with #, which every server takes for a comment."""
    path = fleet.config / "playbooks" / fleet.service / "files" / daemon(fleet.service).EDITS["good"].path
    path.write_text(path.read_text() + f"# harmless {number}\n")
    repository.commit(fleet, f"a comment, number {number}")


def harmless(
    service: str,
    wanted: int,
    probes: float,
    fleet_of: AbstractContextManager[Sandbox],
    deploy: Deploy,
    ended: Callable[[], bool],
) -> Tally:
    """Push comments until `wanted` activations are done. One line a push: an ended run has told what it saw."""
    tally = Tally(service)
    with fleet_of as fleet:
        warm_from_a_list(fleet)
        probe_slowly(fleet, probes)
        while tally.activations < wanted and not ended():
            comment(fleet, tally.pushes)
            visits, unanswered = visitors(fleet)
            began = time.monotonic()
            code, body = deploy(fleet, "push", "--allow-quarantined")
            tally.seconds.append(time.monotonic() - began)
            now = visitors(fleet)
            tally.visits, tally.unanswered = tally.visits + now[0] - visits, tally.unanswered + now[1] - unanswered
            tally.pushes += 1
            tally.activations += sum(h["state"] != "untouched" for h in body.get("hosts", {}).values())
            print(tally, flush=True)
            if code:
                tally.undone += 1
                why = (body.get("verdict") or {}).get("because") or body.get("error") or body
                print(f"{service} push {tally.pushes} exit {code}: {why}", flush=True)
                if not body.get("hosts"):
                    break
    return tally
