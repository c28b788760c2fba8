"""How often the gate is wrong and how long it takes: simulated deploys through the product's own gate, beside the
default rules of Flagger, Argo Rollouts and Kayenta on the same streams. One table; every share with its exact 95 %
interval. usage: script/bench gate [--deploys N] [--jobs J] [--seed S]
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import Pool

from bench.anchors import anchors
from bench.simulate import Result, Setting, deploy, others
from bench.traffic import COLD, COLD_BYPASS, EFFECTS, LATE, MODELS, Effect
from bench.wald import wald2
from deployer.gate.stats import intervals

CHUNK = 10
SMALL = {"rate": 5, "controls": 1}
ANCHORS = [rule.name for rule in anchors()]
FLEET_WIDE = (
    Effect("fleet-wide errors 30 %", err=0.3, fleet=True),
    Effect("fleet-wide latency x10", lat=10.0, fleet=True),
)
SILENT = Effect("canary silent", silent=True)
DOWN = Effect("probes down", silent=True, fleet=True)
HARMFUL = (*(e for e in EFFECTS if e.name in ("errors 0.1 -> 5 %", "hit ratio .95 -> .50", "latency x2")),
           Effect("origin x3", orig=3.0), EFFECTS[3])  # fmt: skip


@dataclass(frozen=True)
class Case:
    """deploys of the gate and of the anchors (they are slower: 30 minutes each)."""

    name: str
    setting: Setting
    deploys: int
    compared: int = 0


@dataclass
class Found:
    """What came of a case."""

    results: list[Result] = field(default_factory=list)
    others: list[dict[str, float | None]] = field(default_factory=list)

    def share(self, of: Callable[[Result], bool]) -> tuple[int, int]:
        """(those, all)."""
        return sum(of(one) for one in self.results), len(self.results)

    def mean(self) -> tuple[float, float]:
        """Seconds and the half width of their 95 % interval; not detected counts with the horizon."""
        values = [one.seconds for one in self.results]
        centre = sum(values) / len(values)
        spread = sum((v - centre) ** 2 for v in values) / max(1, len(values) - 1)
        return centre, 1.96 * math.sqrt(spread / len(values))


def cases(n: int) -> Iterator[Case]:
    """n: null deploys of each model; the others get a share of it."""
    some, few = max(12, n // 15), max(4, n // 60)
    for model in MODELS:
        yield Case(f"null {model}", Setting(model=model), n if model != "ramp" else n // 3, few)
    yield Case("null ar, 600 s", Setting(model="ar", endless=True, seconds=600), max(20, n // 6))
    yield Case("null bursts, 600 s", Setting(model="bursts", endless=True, seconds=600), max(20, n // 6))
    yield Case("null ar, 5/s, one control", Setting(model="ar", **SMALL), some)
    for effect in EFFECTS:
        for model in ("iid", "ar"):
            setting = Setting(effect, model, endless=True)
            yield Case(f"{effect.name} {model}", setting, some, few if model == "ar" else 0)
    for effect in (EFFECTS[2], EFFECTS[3], EFFECTS[7], EFFECTS[10], EFFECTS[12]):
        yield Case(f"{effect.name} small", Setting(effect, "ar", endless=True, **SMALL), some)
    for effect in HARMFUL:
        yield Case(f"pass {effect.name}", Setting(effect, "ar"), some)
    yield Case(LATE.name, Setting(LATE, "ar", endless=True), some)
    yield Case(COLD.name, Setting(COLD, "ar", warm=True), some)
    yield Case(COLD_BYPASS.name, Setting(COLD_BYPASS, "ar", endless=True, warm=True), some)
    for effect in (*FLEET_WIDE, SILENT, DOWN):
        yield Case(effect.name, Setting(effect, "ar"), some)


def work(job: tuple[str, Setting, str, int, int, bool]) -> tuple[str, list[Result], list[dict[str, float | None]]]:
    """Some deploys of one case."""
    name, setting, seed, first, count, compare = job
    seeds = [f"{seed}/{name}/{number}" for number in range(first, first + count)]
    if compare:
        hour = replace(setting, seconds=1800)
        return name, [], [others(hour, one) for one in seeds]
    return name, [deploy(setting, one) for one in seeds], []


def run(n: int, jobs: int, seed: str, only: str) -> dict[str, Found]:
    """Every case, in parallel; the seeds depend on nothing else."""
    todo = []
    for case in cases(n):
        if only in case.name:
            for compare, deploys in ((False, case.deploys), (True, case.compared)):
                for first in range(0, deploys, CHUNK):
                    count = min(CHUNK, deploys - first)
                    todo.append((case.name, case.setting, seed, first, count, compare))
    found: dict[str, Found] = {}
    with Pool(jobs) as pool:
        for done, (name, results, anchored) in enumerate(pool.imap(work, todo), 1):
            entry = found.setdefault(name, Found())
            entry.results += results
            entry.others += anchored
            if done % 100 == 0:
                print(f"{done}/{len(todo)}", file=sys.stderr, flush=True)
    return found


def percent(count: int, of: int) -> str:
    """`3/3000 [0.02-0.29 %]`."""
    low, high = intervals.share(of, count)
    return f"{count}/{of} [{100 * low:.2g}-{100 * high:.2g} %]"


def delay(found: Found | None) -> str:
    """`26.0±0.5 (99 %)`."""
    if found is None:
        return "-"
    mean, half = found.mean()
    hits, of = found.share(lambda one: one.state == "regressed")
    return f"{mean:.1f}±{half:.1f}" + ("" if hits == of else f" ({100 * hits / of:.0f} %)")


def compared(found: Found | None, name: str) -> str:
    """Mean seconds of those that were rolled back, and how many were."""
    if found is None or not found.others:
        return "-"
    hits = [at for one in found.others if (at := one[name]) is not None]
    return f"{sum(hits) / len(hits):.0f} ({100 * len(hits) / len(found.others):.0f} %)" if hits else "never"


def table(found: dict[str, Found]) -> list[list[str]]:
    """Null streams first, then delays."""
    rows = [["scenario", "Wald2 s", "gate, iid", "gate, AR", *ANCHORS]]
    for name, entry in found.items():
        if name.startswith("null"):
            wrong = percent(*entry.share(lambda one: one.state == "regressed"))
            healthy, of = entry.share(lambda one: one.state == "healthy")
            refused = entry.share(lambda one: one.suspect)[0]
            note = f"healthy {100 * healthy / of:.1f} % in {entry.mean()[0]:.0f} s; refused before {refused}"
            rows.append([f"{name}: false rollbacks", "", wrong, note, *(compared(entry, rule) for rule in ANCHORS)])
    for effect in EFFECTS:
        iid, ar = found.get(f"{effect.name} iid"), found.get(f"{effect.name} ar")
        if iid or ar:
            bound = f"{wald2(effect):.2f}"
            rows.append([effect.name, bound, delay(iid), delay(ar), *(compared(ar, rule) for rule in ANCHORS)])
    for name, entry in found.items():
        known = any(name == f"{effect.name} {model}" for effect in EFFECTS for model in ("iid", "ar"))
        if not known and not name.startswith("null"):
            ends = Counter(one.state for one in entry.results)
            of = len(entry.results)
            said = ", ".join(f"{state} {percent(count, of)}" for state, count in ends.most_common())
            label = f"{name}, 5/s, one control" if name.endswith("small") else name
            rows.append([label, "", "", delay(entry), said])
    return rows


def goals(found: dict[str, Found]) -> Iterator[str]:
    """GATE.md section 8."""

    def regressed(name: str) -> tuple[int, int]:
        return found[name].share(lambda one: one.state == "regressed")

    nulls = [f"null {model}" for model in MODELS[:4] if f"null {model}" in found]
    wrong = {name: regressed(name) for name in nulls}
    yield verdict(1, all(k <= 9 for k, _ in wrong.values()), f"false rollbacks <= 9 of 3000: {wrong}")
    late = []
    for effect in EFFECTS:
        for model, slope in (("iid", 3.0), ("ar", 8.0)):
            goal = 12.0 + slope * wald2(effect)
            entry = found.get(f"{effect.name} {model}")
            if entry and goal < 600.0 and entry.mean()[0] > goal:
                late.append(f"{effect.name} {model}: {entry.mean()[0]:.0f} s > {goal:.0f} s")
    yield verdict(2, not late, f"delay <= 12 s + 3 x Wald2 (iid), 8 x (AR): {late or 'all'}")
    strong = {e.name for e in (EFFECTS[2], EFFECTS[3], EFFECTS[7], EFFECTS[10], EFFECTS[12])}
    quick = {name: round(entry.mean()[0], 1) for name, entry in found.items() if name.rsplit(" ", 1)[0] in strong}
    met = all(seconds <= (30.0 if name.endswith("small") else 12.0) for name, seconds in quick.items())
    yield verdict(3, met, f"total harm <= 12 s, 5/s with one control <= 30 s: {quick}")
    passed = {name: found[name].share(lambda one: one.state == "healthy") for name in found if name.startswith("pass ")}
    good = all(found[n].share(lambda one: one.state == "healthy")[0] >= 0.95 * len(found[n].results) for n in nulls)
    good = good and all(found[name].mean()[0] <= 180.0 for name in nulls)
    bad = all(k <= 0.05 * of for k, of in passed.values())
    means = {name: round(found[name].mean()[0]) for name in nulls}
    yield verdict(4, good and bad, f"healthy >= 95 % in <= 180 s: {means}; harmful passed <= 5 %: {passed}")
    lates = {name: round(found[name].mean()[0], 1) for name in (LATE.name, COLD_BYPASS.name)}
    cold = regressed(COLD.name)
    met = lates[LATE.name] - LATE.start <= 30.0 and lates[COLD_BYPASS.name] <= 30.0 and cold[0] <= 0.05 * cold[1]
    yield verdict(
        5, met, f"late bypass (from 300 s), bypass while cold <= 30 s: {lates}; cold restart rolled back {cold}"
    )
    blind = {e.name: Counter(one.state for one in found[e.name].results) for e in (*FLEET_WIDE, SILENT, DOWN)}
    met = all(c["inconclusive"] >= 0.9 * sum(c.values()) and not c["healthy"] for c in blind.values())
    yield verdict(6, met, f"inconclusive >= 90 %, never healthy: { {k: dict(v) for k, v in blind.items()} }")


def verdict(number: int, met: bool, text: str) -> str:
    """One line."""
    return f"goal {number}: {'met' if met else 'NOT MET'}: {text}"


def main() -> int:
    """Exit 0 when every goal is met."""
    parser = argparse.ArgumentParser(prog="script/bench gate", description=__doc__)
    parser.add_argument("--deploys", type=int, default=300, help="null deploys of each traffic model (goal: 3000)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", default="", help="cases whose name contains this; no goals are judged then")
    given = parser.parse_args()
    began = time.monotonic()
    found = run(given.deploys, given.jobs, given.seed, given.only)
    rows = table(found)
    widths = [max(len(row[i]) for row in rows if i < len(row) and (i < 4 or len(row) > 5)) for i in range(len(rows[0]))]
    print(f"$ script/bench gate {shlex.join(sys.argv[1:])}")
    print("1 canary + 3 controls, 20 requests a second and host, 180 s before the change; traffic: bench/traffic.py")
    print("delays: mean seconds ± half a 95 % interval, an undetected one counts 900 s; (share detected)")
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())
    lines = list(goals(found)) if not given.only else []
    print(*lines, sep="\n")
    print(f"{sum(len(one.results) for one in found.values())} deploys in {time.monotonic() - began:.0f} s")
    return int(any("NOT MET" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
