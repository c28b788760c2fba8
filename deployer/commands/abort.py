"""`deploy abort`."""

from __future__ import annotations

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared(plain=True)
def abort(options: Options) -> int:
    """Revert what is pending on any host. Exit 0 when every host is verified back.

    \b
    Examples:
      deploy abort
      deploy abort nginx -e production
      deploy abort nginx -e production --yes --json
    """
    from deployer.wiring.by_hand import run

    return run(options, "abort")
