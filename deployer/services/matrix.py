"""The capability matrix of docs/SERVERS.md: `python -m deployer.services.matrix > docs/SERVERS.md`. A test holds that
the page is what the code says."""

from __future__ import annotations

import sys
from dataclasses import fields

from deployer.services import SERVICES
from deployer.services.base import Facts

ROWS = {
    "check": "checked by",
    "reload": "activated by",
    "proof": "proven by",
    "cache_after_reload": "cache after a reload",
    "cache_after_restart": "cache after a restart",
    "way_back": "way back",
    "traffic": "real traffic from",
    "counters": "counters from",
    "restarts": "needs a restart",
    "cannot": "cannot",
}
HEAD = """\
# What is known of each server

Made from the code (`python -m deployer.services.matrix > docs/SERVERS.md`), which was measured on the real daemons of
Debian 12; a test holds that this page is what the code says. A release is live only when the *running process* has it:
the exit code of a reload proves nothing on any of these servers.

A change that needs a restart is refused by `deploy plan` and `deploy push` before anything is changed, unless the
playbook says `restart: allow`; a rollback restarts where it must. A change after which the cache holds nothing that is
looked for is called cold by `deploy plan`; a push warms it (`warm:`), and the gate allows for it.
"""


def page() -> str:
    """The whole text of docs/SERVERS.md."""
    names = list(SERVICES)
    short = ("cache_after_reload", "cache_after_restart", "way_back", "restarts")
    lines = [HEAD, f"| | {' | '.join(ROWS[row] for row in short)} |", f"|{'---|' * (len(short) + 1)}"]
    lines += [f"| {SERVICES[n].title} | {' | '.join(cell(SERVICES[n].facts, row) for row in short)} |" for n in names]
    for name in names:
        lines += ["", f"## {SERVICES[name].title}", "", f"| `service: {name}` | |", "|---|---|"]
        lines += [f"| {ROWS[f.name]} | {cell(SERVICES[name].facts, f.name)} |" for f in fields(Facts)]
    return "\n".join(lines) + "\n"


def cell(facts: Facts, row: str) -> str:
    """One fact; a bar would end the cell."""
    return str(getattr(facts, row)).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
