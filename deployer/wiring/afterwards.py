"""What follows a rollback once the last host is back: who left the hosts where they are, the record, the probes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.engine.deploy.record import close
from deployer.model.errors import DeployError
from deployer.model.events import Notice
from deployer.model.ledger import stood
from deployer.model.release import shown
from deployer.model.state import number_of
from deployer.wiring.consent import yes_to

if TYPE_CHECKING:
    from deployer.engine.deploy.target import Aim
    from deployer.engine.ports import Ports
    from deployer.model.ledger import Entry
    from deployer.wiring.context import Context


def one_further(context: Context, ports: Ports, aim: Aim, apart: Sequence[str]) -> bool:
    """Every host that was read is back already, so git may be asked who did it; one step more is a person's word, never
    --yes. apart: the hosts that are not known to be there."""
    try:
        chain = context.glance.read()
    except DeployError as error:
        ports.emit(Notice("warning", f"who left the hosts where they are is not known: {error.message}"))
        chain = ()
    name = context.playbook.name
    by = next((e for e in reversed(chain) if e.playbook == name and number_of(e.deploy) == aim.number), None)
    who = f"deploy {by.deploy} by {by.who}, {when(by.at)}" if by else f"deploy {aim.number}" if aim.number else "that"
    hosts = f"every host but {', '.join(apart)}" if apart else "every host"
    ports.emit(Notice("info", f"{hosts} is on {shown(aim.release)}, where {who} left it"))
    if not aim.further or context.options.yes or not context.options.interactive:
        return False
    good = stood(chain, name, aim.further)
    span = f" (good {when(good[0])} to {when(good[1])})" if good else ""
    return yes_to(f"Go one further, to {shown(aim.further)}{span}?")


def when(epoch: float) -> str:
    """`Nov 29 04:12 UTC`."""
    return time.strftime("%b %d %H:%M UTC", time.gmtime(epoch))


def record(context: Context, ports: Ports, entry: Entry) -> None:
    """The ledger, best effort: what cannot be written now is written by the next command that reaches git."""
    try:
        close(context.ledger, entry, ports)
    except DeployError as error:
        context.memory.put_aside(entry)
        ports.emit(Notice("warning", f"{error.message}; the rollback is recorded by the next command that reaches git"))


def probe(context: Context, ports: Ports) -> None:
    """The required probes once, for information: the hosts are back either way."""
    from deployer.adapters.measuring.probes import HttpProbes

    if ports.stop.asked():
        ports.emit(Notice("warning", "not probed: interrupted; the rollback itself is over"))
        return
    try:
        with HttpProbes(context.check) as probes:
            results = probes.once(context.chosen)
    except DeployError as error:
        ports.emit(Notice("warning", f"not probed: {error.message}"))
        return
    bad = [f"{r.host} {r.probe}: {r.failure}" for r in results if r.failure and r.level == "required"]
    text = (
        f"required probes failing after the rollback: {'; '.join(bad)}" if bad else "required probes pass on every host"
    )
    ports.emit(Notice("alarm" if bad else "info", text))
