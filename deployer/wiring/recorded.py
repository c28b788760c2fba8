"""What is known of one deploy: its records in the ledger, and the run of this machine if it was run here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.adapters.git.repository import open_repository, say_git
from deployer.adapters.local.runs import Runs
from deployer.adapters.reading.inventory import inventories, load_inventory
from deployer.adapters.reading.playbooks import find_root
from deployer.model.errors import DeployError, InputError
from deployer.model.ledger import Entry
from deployer.wiring.options import Options

if TYPE_CHECKING:
    from deployer.engine.replay import Replayed


def recorded(options: Options, deploy: str) -> tuple[list[Entry], dict[str, object] | None]:
    """The records, and the run; None where it was run elsewhere. Raises InputError where there is neither."""
    root = find_root(Path.cwd())
    run = Runs(root).read_run(deploy)
    if run is not None:
        refuse_tracked(root)
    names = [options.environment] if options.environment else [str(run["environment"])] if run else []
    if not names:
        fleet = load_inventory(*inventories(options.inventory, root), beside=root)
        names = list(fleet.environments) or ["all"]
    entries = [e for name in names for e in GitLedger(root, name, Memory(root)).read() if e.deploy == deploy]
    if not entries and run is None:
        raise InputError(f"no deploy is called {deploy!r} in {', '.join(names)}", hint="deploy history lists them")
    return entries, run


def judged_again(deploy: str) -> list[Replayed]:
    """Its recorded samples through the gate of today. Raises InputError."""
    from deployer.engine.replay import replay

    root = find_root(Path.cwd())
    refuse_tracked(root)
    return replay(deploy, Runs(root).read_samples(deploy))


def refuse_tracked(root: Path) -> None:
    """What a commit wrote is no evidence of ours."""

    try:
        repo = open_repository(root)
    except DeployError:  # no repository, so nothing is tracked
        return
    if say_git(repo, "ls-files", "--", str(root / ".deploy")):
        raise InputError(
            "cannot show a deploy: .deploy/ is tracked by git, so what lies there may be anybody's",
            hint="git rm -r --cached .deploy",
        )
