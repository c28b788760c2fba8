"""The first health check of a service, from what its own log tells. Pure."""

from __future__ import annotations

from deployer.model.findings import Page, Watched
from deployer.remote.answer import one_line

HEAD = """\
# What must hold on a host that gets a new release. deploy check asks the probes once, now.
"""


def health_check(seen: Watched, page: Page) -> str:
    """The text of `health_checks/NAME.yml`. What a host's files say stands in comments: one line, whatever it holds."""
    log = not seen.lacking and seen.path
    rate = 5 if log else 10  # without visitors the probes are all the evidence there is
    ok = 200 <= page.status < 400
    probe = f"name: home, url: /, expect: {page.status if ok else 200}, rate: {rate}/s, level: required"
    probe += ", cacheable: true" if page.hit else ""
    probe += ", via: ssh" if page.via == "ssh" else ""
    compare = ["  latency_p95: {max_increase: 20%, at_least: 5ms}", "  error_rate: {max_increase: 0.5 points}"]
    if log and "cache" in seen.fields:
        compare.append("  hit_ratio: {max_decrease: 5 points}")
    if log and seen.fields & {"cache", "upstream"}:
        compare.append("  origin_ratio: {max_increase: 25%}")
    limit = ["  error_rate: 2%", *(["  refetch_miss: 20%"] if page.hit else [])]
    lines = ["probes:", f"  - {{{probe}}}", "compare:", *compare, "limit:", *limit, "sources:"]
    if log:
        lines += [f"  traffic: access_log  # {one_line(seen.path)}"]
    else:
        lines += ["  traffic: auto  # the probes alone, until the servers log what is needed:"]
        lines += [f"  # {one_line(seen.lacking)}"]
    return HEAD + "\n".join([*lines, "inconclusive: rollback"]) + "\n"
