"""`deploy confirm`."""

from __future__ import annotations

import click

from deployer.wiring.options import Options, shared


@click.command()
@shared(plain=True)
def confirm(options: Options) -> int:
    """Keep what is pending: a person takes the verdict upon themselves. Exit 0 when every host is verified.

    \b
    Examples:
      deploy confirm
      deploy confirm nginx -e production
      deploy confirm nginx -e production --yes --json
    """
    from deployer.wiring.by_hand import run

    return run(options, "confirm")
