"""What `deploy adopt` and `deploy unadopt` change on a host, said before it is done."""

from __future__ import annotations

from typing import Literal

from deployer.remote.layout import Layout

CHANGES = {
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


def told(verb: Literal["adopt", "unadopt"], name: str, layout: Layout) -> str:
    """name: of the playbook. layout: of one host; others may keep theirs elsewhere."""
    return CHANGES[verb].format(dest=layout.dest, root=layout.root, name=name, base=layout.base)
