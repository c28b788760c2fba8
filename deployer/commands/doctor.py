"""`deploy doctor`."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from deployer.console.say import say, say_json
from deployer.model.errors import EXIT_REFUSED
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.model.examination import Point
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
        found = examine(ports, [host for host in context.hosts if host.name in context.limit], examiner)
    fine = all(point.fine for points in found.values() for point in points)
    if options.json:
        hosts = {name: [asdict(point) for point in points] for name, points in found.items()}
        say_json({"fine": fine, "environment": context.environment, "hosts": hosts})
    else:
        say("\n".join(line for name, points in found.items() for line in lines(name, points)))
    return 0 if fine else EXIT_REFUSED


def rules_for(context: Context) -> str:
    """For the users who log in to these hosts."""
    from deployer.remote.layout import layout_for
    from deployer.remote.sudoers import rules

    hosts = [host for host in context.hosts if host.name in context.limit]
    users = {host.user or getpass.getuser() for host in hosts}
    return rules(
        users - {"root"} or users, [layout_for(h, context.playbook.name, context.playbook.dest) for h in hosts]
    )


def lines(name: str, points: tuple[Point, ...]) -> list[str]:
    """One host."""
    found = [name]
    for point in points:
        found.append(f"  {'ok  ' if point.fine else 'FAIL'} {point.what:<10} {point.said}")
        if point.hint:
            found.append(f"       {'':<10} hint: {point.hint}")
    return found
