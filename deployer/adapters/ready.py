"""What would leave a deploy without evidence: probes that fail, answers that do not say whether they came from a cache,
figures that cannot be had. All of it at once; the same text is said once, for all the hosts that it holds for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from deployer.adapters.prometheus import QueryReader
from deployer.adapters.tally import CheckResult
from deployer.model.errors import HostError
from deployer.model.health import HealthCheck
from deployer.model.sources import Prometheus

NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


def missing(check: HealthCheck, results: Sequence[CheckResult]) -> tuple[str, ...]:
    """`web1-4: why` for everything that is not there. results: of every probe once on every host."""
    found: dict[str, list[str]] = {}
    cacheable = {probe.name for probe in check.probes if probe.cacheable}
    for one in results:
        if one.failure and one.level == "required":
            found.setdefault(f"probe {one.probe}: {one.failure}", []).append(one.host)
        elif not one.failure and one.hit is None and one.probe in cacheable:
            text = f"probe {one.probe} is cacheable, and no header of its answer says whether it came from the cache"
            found.setdefault(text, []).append(one.host)
    said = [f"{folded(hosts)}: {text}" for text, hosts in found.items()]
    prometheus = check.sources.prometheus
    return (*said, *(silent(prometheus) if prometheus else ()))


def silent(prometheus: Prometheus) -> tuple[str, ...]:
    """Queries that give no number now; all are asked at the same time."""

    def ask(query: str) -> str:
        try:
            QueryReader(prometheus.url, query).read()
        except HostError as error:
            return str(error)
        return ""

    found: dict[str, list[str]] = {}
    names: Mapping[str, str] = {name: one.query for name, one in prometheus.queries.items()}
    with ThreadPoolExecutor(max(1, min(16, len(names)))) as executor:
        for name, why in zip(names, executor.map(ask, names.values()), strict=True):
            if why:
                found.setdefault(why, []).append(name)
    return tuple(f"{', '.join(names)} of {prometheus.url}: {why}" for why, names in found.items())


def folded(hosts: Sequence[str]) -> str:
    """`web1-3, web7, db1`: runs of numbers as one; the order is that of the inventory."""
    runs: list[tuple[str, int, int, str, int]] = []
    for host in dict.fromkeys(hosts):
        match = NUMBERED.fullmatch(host)
        head, number, tail = (match[1], match[2], match[3]) if match else (host, "", "")
        if number and runs and runs[-1][0] == head and runs[-1][3] == tail:
            _, first, last, _, width = runs[-1]
            if int(number) == last + 1 and len(number) == (width or len(number)):
                runs[-1] = (head, first, last + 1, tail, width)
                continue
        runs.append((head, int(number or -1), int(number or -1), tail, len(number)))
    return ", ".join(_run(*run) for run in runs)


def _run(head: str, first: int, last: int, tail: str, width: int) -> str:
    if first < 0:
        return head
    return f"{head}{first:0{width}}{f'-{last:0{width}}' if last > first else ''}{tail}"
