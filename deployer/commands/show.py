"""`deploy show ID`."""

from __future__ import annotations

import click

from deployer.wiring.options import Options, shared


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
    from deployer.console.pages import show as pages
    from deployer.console.pages.page import show as end
    from deployer.wiring.recorded import judged_again, recorded

    if replay:
        return end(pages.replayed(deploy, judged_again(deploy)), options.json)
    entries, run = recorded(options, deploy)
    return end(pages.page(deploy, entries, run), options.json)
