"""`deploy show ID`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from deployer.console.say import say, say_json
from deployer.model.errors import DeployError, InputError
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from pathlib import Path

    from deployer.adapters.local.runs import Runs


@click.command()
@click.argument("deploy")
@shared(playbook=False)
@click.option("--replay", is_flag=True, help="Judge the recorded samples again, with the gate of today.")
def show(options: Options, deploy: str, replay: bool) -> int:
    """Show one deploy with its evidence: the ledger's records, and the run of this machine if it was run here.

    \b
    Examples:
      deploy show 12-3fa9
      deploy show 12-3fa9 -e production
      deploy show 12-3fa9 --json
      deploy show 12-3fa9 --replay
    """
    from pathlib import Path

    from deployer.adapters.git.ledger import GitLedger
    from deployer.adapters.git.memory import Memory
    from deployer.adapters.local.runs import Runs, entry_to_json
    from deployer.adapters.reading.inventory import inventories, load_inventory
    from deployer.adapters.reading.playbooks import find_root

    root = find_root(Path.cwd())
    runs = Runs(root)
    run = runs.read_run(deploy)
    if run is not None or replay:
        refuse_tracked(root)
    if replay:
        return show_replay(options, runs, deploy)
    names = [options.environment] if options.environment else [str(run["environment"])] if run else []
    if not names:
        fleet = load_inventory(*inventories(options.inventory, root), beside=root)
        names = list(fleet.environments) or ["all"]
    entries = [e for name in names for e in GitLedger(root, name, Memory(root)).read() if e.deploy == deploy]
    if not entries and run is None:
        raise InputError(f"no deploy is called {deploy!r} in {', '.join(names)}", hint="deploy history lists them")
    if options.json:
        say_json({"deploy": deploy, "records": [entry_to_json(e) for e in entries], "run": run})
        return 0
    for entry in entries:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))
        words = f"{entry.command} {entry.playbook} {entry.release} by {entry.who} {entry.result}"
        say(f"{when}  {entry.record:<8} {words}")
        if entry.because:
            say(f"    {entry.because}")
        for host, release in entry.hosts.items():
            say(f"    {host:<24} {release or '-'}")
    verdict = run.get("verdict") if run else None
    if isinstance(verdict, dict):
        show_verdict("verdict", verdict)
    return 0


def refuse_tracked(root: Path) -> None:
    """What a commit wrote is no evidence of ours."""
    from deployer.adapters.git.repository import open_repository, say_git

    try:
        repo = open_repository(root)
    except DeployError:  # no repository, so nothing is tracked
        return
    if say_git(repo, "ls-files", "--", str(root / ".deploy")):
        raise InputError(
            "cannot show a deploy: .deploy/ is tracked by git, so what lies there may be anybody's",
            hint="git rm -r --cached .deploy",
        )


def show_verdict(title: str, verdict: Mapping[str, Any]) -> None:
    """The ruling with its evidence."""
    say(f"{title}: {verdict['ruling']}: {verdict['because']}")
    for row in verdict.get("evidence", []):
        seen, control = row["observed"], row["control"]
        words = f"{row['metric']:<14} {row['host']:<10} observed {figure(seen)}{between(row)} control {figure(control)}"
        shadow = ", shadow: shown, never acts" if row.get("shadow") else ""
        say(f"    {words} allowed {row['margin']}")
        say(f"        {row['ruling']} ({row['samples']} in {row['seconds']:.0f} s{shadow})")


def figure(value: float | None) -> str:
    """Four digits; `-` where there is none."""
    return "-" if value is None else f"{value:.4g}"


def between(row: Mapping[str, Any]) -> str:
    """The 95 % interval."""
    low, high = row.get("interval") or (None, None)
    return "" if low is None else f" ({figure(low)} to {figure(high)})"


def show_replay(options: Options, runs: Runs, deploy: str) -> int:
    """Wave by wave."""
    from deployer.wiring.replay import replay

    waves = replay(runs, deploy)
    if options.json:
        say_json({"deploy": deploy, "waves": [wave.to_json() for wave in waves]})
        return 0
    for wave in waves:
        show_verdict(f"wave {wave.wave} after {wave.seconds:.0f} s", asdict(wave.verdict))
    return 0
