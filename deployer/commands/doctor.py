"""`deploy doctor`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from deployer.console.say import say
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.wiring.context import Context


@click.command()
@shared(plain=True)
@click.option("--sudoers", is_flag=True, help="Print sudo rules of least privilege for these hosts; contact nobody.")
@click.option("--agent", is_flag=True, help="Print the host agent, to be installed by hand; contact nobody.")
def doctor(options: Options, sudoers: bool, agent: bool) -> int:
    """Look at every host: connection, root, tools, binaries, clock, agent, layers, space; change nothing.

    Exit 0 when all is fine, else 1.

    \b
    Examples:
      deploy doctor
      deploy doctor nginx -e production -K
      deploy doctor --sudoers nginx > deployer.sudoers
    """
    from deployer.adapters.ssh.examiner import Examiner
    from deployer.console.pages.doctor import page
    from deployer.console.pages.page import show
    from deployer.engine.doctor import doctor as examine
    from deployer.wiring.context import build

    if agent:
        from deployer.remote.layout import agent_source

        say(agent_source().decode(), end="")
        return 0
    context = build(options)
    if sudoers:
        say(rules_for(context), end="")
        return 0
    with context.ports() as ports:
        playbook = context.playbook
        password = context.options.ask_become_pass or bool(options.become_password())
        examiner = Examiner(context.transport, playbook.name, playbook.dest, playbook.service, password)
        found = examine(ports, context.chosen, examiner)
    return show(page(context.environment, found), options.json)


def rules_for(context: Context) -> str:
    """For the users who log in to these hosts."""
    from deployer.remote.sudoers import rules

    users = {host.user or getpass.getuser() for host in context.chosen}
    return rules(users - {"root"} or users, [context.site(host).layout for host in context.chosen])
