"""`deploy check`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from deployer.console.say import say, say_json
from deployer.model.errors import EXIT_REFUSED
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.adapters.measuring.tally import CheckResult


@click.command()
@shared()
def check(options: Options) -> int:
    """Ask once for all that a push is judged by: probes, logs, figures; change nothing. Exit 1 when some is missing.

    \b
    Examples:
      deploy check
      deploy check nginx -e production
      deploy check nginx -e production -l web01 --json
    """
    from deployer.model.missing import fold
    from deployer.wiring.context import build
    from deployer.wiring.evidence import evidence_there

    context = build(options)
    hosts = [host for host in context.hosts if host.name in context.limit]
    said: list[str] = []
    try:
        evidence = evidence_there(context, hosts, said.append)
        with evidence.probes:
            found = evidence.ready.missing(hosts)
    finally:
        context.transport.close()
    bad, warned = found.refused, fold((*said, *found.warned), context.fleet.hosts)
    if options.json:
        results = [asdict(r) for r in evidence.ready.results]
        say_json({"healthy": not bad, "missing": bad, "warnings": warned, "results": results})
        return EXIT_REFUSED if bad else 0
    for r in evidence.ready.results:
        say(line(r, evidence.ready.place(r.probe)))
    for text in warned:
        say(f"warning: {text}", err=True)
    shown = evidence.ready.failing()  # in the lines above
    for text in bad:
        if text not in shown:
            say(f"missing: {text}")
    return EXIT_REFUSED if bad else 0


def line(found: CheckResult, place: str) -> str:
    """Of one probe on one host: how it went, and of one that fails where it is written and what keeps it from stopping
    a push. place: file:line, or ""."""
    cached = {True: "  re-fetch from cache", False: "  re-fetch NOT from cache", None: ""}[found.hit]
    end, mark = "", "ok  "
    if found.failure:
        mark, end = "FAIL", f" ({place})" if place else ""
        if found.level != "required":
            end += ", advisory: stops no push"
        elif found.doubtful:
            end += ", and this machine was too busy to know"
    return f"{mark} {found.host:<20} {found.probe:<16} {found.ms:6.0f} ms{cached}  {found.failure}{end}".rstrip()
