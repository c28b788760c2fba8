"""`deploy init`."""

from __future__ import annotations

import click

from deployer.wiring.options import Options, shared

SERVICES = ("nginx", "varnish", "haproxy", "squid", "apache", "trafficserver")


@click.command()
@click.argument("folder", default=".")
@shared(playbook=False, without=("environment", "limit", "output", "yes"))
@click.option(
    "--from", "source", metavar="HOST", multiple=True,
    help="Take what lies there: [user@]name[:port], or a pattern of the inventory. Files come from the first host, the "
    "others are compared with it.",
)  # fmt: skip
@click.option("--service", type=click.Choice(SERVICES), help="Which server (default: the one that runs there).")
def init(options: Options, folder: str, source: tuple[str, ...], service: str | None) -> int:
    """Write a configuration repository into FOLDER: inventory, playbook, health check. Hosts are only read.

    With --from it takes what lies on a host today: which server runs there, its configuration with links followed, and
    a health check made from its own log. Secrets are left out, and named. An inventory that is there is used and stays
    as it is. Nothing is overwritten, nothing is committed.

    \b
    Examples:
      deploy init shop --from deploy@web1.example.com
      deploy init --inventory hosts.ini --from webservers
      deploy init --from web1 --service varnish --json
      deploy init shop --service haproxy      # from nothing: an example
    """
    from deployer.console.pages.page import show
    from deployer.console.pages.scaffolded import page
    from deployer.wiring.scaffolding import scaffolded

    what, written, steps = scaffolded(options, folder, source, service)
    return show(page(folder, written, what, steps), options.json)
