"""`deploy show ID`."""

from __future__ import annotations

import json
import time

import click

from deployer.commands.options import Options, shared
from deployer.model.errors import InputError


@click.command()
@click.argument("deploy")
@shared(playbook=False)
def show(options: Options, deploy: str) -> int:
    """Show one deploy with its evidence: the ledger's records, and the run of this machine if it was run here.

    \b
    Examples:
      deploy show 12-3fa9
      deploy show 12-3fa9 -e production
      deploy show 12-3fa9 --json
    """
    from pathlib import Path

    from deployer.adapters.files import find_root
    from deployer.adapters.inventory import load_inventory
    from deployer.adapters.ledger import GitLedger
    from deployer.adapters.runs import Runs, entry_to_json

    root = find_root(Path.cwd())
    runs = Runs(root)
    run = runs.read_run(deploy)
    names = [options.environment] if options.environment else [str(run["environment"])] if run else []
    if not names:
        fleet = load_inventory(Path(options.inventory) if options.inventory else root / "inventory.yml")
        names = list(fleet.environments) or ["all"]
    entries = [e for name in names for e in GitLedger(root, name, runs).read() if e.deploy == deploy]
    if not entries and run is None:
        raise InputError(f"no deploy is called {deploy!r} in {', '.join(names)}", hint="deploy history lists them")
    if options.json:
        click.echo(json.dumps({"deploy": deploy, "records": [entry_to_json(e) for e in entries], "run": run}))
        return 0
    for entry in entries:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))
        words = f"{entry.command} {entry.playbook} {entry.release} by {entry.who} {entry.result}"
        click.echo(f"{when}  {entry.record:<8} {words}")
        if entry.because:
            click.echo(f"    {entry.because}")
        for host, release in entry.hosts.items():
            click.echo(f"    {host:<24} {release or '-'}")
    verdict = run.get("verdict") if run else None
    if isinstance(verdict, dict):
        click.echo(f"verdict: {verdict['ruling']}: {verdict['because']}")
        for row in verdict.get("evidence", []):
            seen, control = row["observed"], row["control"]
            words = f"{row['metric']:<14} {row['host']:<10} observed {seen} control {control} allowed {row['margin']}"
            click.echo(f"    {words}  {row['ruling']} ({row['samples']} in {row['seconds']:.0f} s)")
    return 0
