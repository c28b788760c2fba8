"""`deploy demo`."""

from __future__ import annotations

import sys

import click

from deployer.console.say import say
from deployer.model.errors import EXIT_INTERRUPTED


@click.command()
def demo() -> int:
    """Stage the founding incident on this machine and undo it; needs Linux, git, and on Debian nothing more.

    Four real nginx behind four real sshd, all on loopback, in one temporary folder that is removed at the end. What is
    not installed is unpacked into a cache folder (DEPLOY_CACHE); nothing is installed.

    \b
    Examples:
      deploy demo
      deploy demo > demo.log
      DEPLOY_CACHE=/var/tmp/deployer deploy demo
    """
    from deployer.sandbox import story

    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    try:
        story.demo(say, lambda text: say(f"\n{bold}== {text}{plain}", styled=True))
    except KeyboardInterrupt:
        say("interrupted; everything is cleaned up", err=True)
        return EXIT_INTERRUPTED
    return 0
