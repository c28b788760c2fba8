"""`deploy adopt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deployer.console.say import say
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.wiring.context import Context

CHANGES = {  # what each of the two changes on a host, said before it is done
    "adopt": """\
deploy adopt changes this on each host:
  {dest} moves to
    {dest}.before-deployer
  a link takes its place, to
    {root}/current
  which holds a copy (links as files), the first release
  with root: /etc/cron.d/deployer-{name}, where systemd runs also
    /etc/systemd/system/deployer-{name}.service
  (they undo what nobody confirmed, after a crash or a reboot)
The service is not touched; deploy unadopt undoes all of this.""",
    "unadopt": """\
deploy unadopt changes this on each host:
  {dest} becomes a plain directory again, with what is live
  removed: {dest}.before-deployer
    {root} (its releases, their history)
    /etc/cron.d/deployer-{name}
    /etc/systemd/system/deployer-{name}.service
The service is not touched; the host agent stays, in
  {base}/bin""",
}


@click.command()
@shared()
def adopt(options: Options) -> int:
    """Take what is on the hosts today, hand edits included, as the first release. The service is not touched.

    \b
    Examples:
      deploy adopt nginx -e production
      deploy adopt nginx -e production -l web01 --yes
      deploy adopt varnish -e staging --json
    """
    from deployer.engine.deploy.adopt import adopt as run
    from deployer.wiring.context import build
    from deployer.wiring.report import report

    options.require_consent("adopt")
    context = build(options)
    say(told(context, "adopt"), err=True)
    if not options.yes:
        question = f"Put {context.playbook.dest} of {len(context.limit)} hosts in {context.environment} under deployer?"
        click.confirm(question, abort=True, err=True)
    with context.ports() as ports:
        context.ledger.back_fill()
        outcome = run(context.request(), ports, context.ledger)
    return report(options, context.runs, outcome)


def told(context: Context, verb: str) -> str:
    """What `verb` changes, with the paths of a host; hosts may keep theirs elsewhere."""
    from deployer.remote.layout import layout_for

    book = context.playbook
    layout = layout_for(context.fleet.hosts[min(context.limit)], book.name, book.dest)
    return CHANGES[verb].format(dest=layout.dest, root=layout.root, name=book.name, base=layout.base)
