"""`deploy show ID`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deployer.model.errors import DeployError, InputError
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from pathlib import Path


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
    from deployer.adapters.local.runs import Runs
    from deployer.adapters.reading.inventory import inventories, load_inventory
    from deployer.adapters.reading.playbooks import find_root
    from deployer.console.pages.page import show as end
    from deployer.console.pages.show import page, replayed
    from deployer.engine.replay import replay as run_again

    root = find_root(Path.cwd())
    runs = Runs(root)
    run = runs.read_run(deploy)
    if run is not None or replay:
        refuse_tracked(root)
    if replay:
        return end(replayed(deploy, run_again(deploy, runs.read_samples(deploy))), options.json)
    names = [options.environment] if options.environment else [str(run["environment"])] if run else []
    if not names:
        fleet = load_inventory(*inventories(options.inventory, root), beside=root)
        names = list(fleet.environments) or ["all"]
    entries = [e for name in names for e in GitLedger(root, name, Memory(root)).read() if e.deploy == deploy]
    if not entries and run is None:
        raise InputError(f"no deploy is called {deploy!r} in {', '.join(names)}", hint="deploy history lists them")
    return end(page(deploy, entries, run), options.json)


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
