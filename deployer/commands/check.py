"""`deploy check`."""

from __future__ import annotations

from dataclasses import asdict

import click

from deployer.commands.options import Options, shared
from deployer.console.say import say, say_json
from deployer.model.errors import EXIT_REFUSED


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
    from deployer.commands.context import build
    from deployer.commands.evidence import evidence_there
    from deployer.model.missing import fold

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
        cached = {True: "  re-fetch from cache", False: "  re-fetch NOT from cache", None: ""}[r.hit]
        mark = "FAIL" if r.failure else "ok  "
        say(f"{mark} {r.host:<20} {r.probe:<16} {r.ms:6.0f} ms{cached}  {r.failure}".rstrip())
    for text in warned:
        say(f"warning: {text}", err=True)
    for text in bad:
        say(f"missing: {text}")
    return EXIT_REFUSED if bad else 0
