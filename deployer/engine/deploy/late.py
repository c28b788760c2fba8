"""What only the hosts remember is written down by the next command that reaches git."""

from __future__ import annotations

from deployer.engine.deploy.record import append
from deployer.engine.deploy.request import Request
from deployer.engine.fanout import successes
from deployer.engine.ports import Ledger, Ports
from deployer.model.errors import HostError
from deployer.model.events import Notice
from deployer.model.ledger import Entry, forgotten, unrecorded
from deployer.model.quorum import of_the_fleet
from deployer.model.state import HostState, number_of


def write_missing(
    request: Request,
    chain: tuple[Entry, ...],
    surveyed: dict[str, HostState | HostError],
    ports: Ports,
    ledger: Ledger,
) -> bool:
    """Record what only the hosts remember; True when something was written (it may quarantine the release)."""
    histories = {name: state.history for name, state in successes(surveyed).items()}
    alone: dict[str, list[int]] = {}
    late = unrecorded(chain, request.environment, request.playbook.name, histories, ports.clock.now())
    recorded = {number_of(entry.deploy) for entry in late}
    compared = {name: of_the_fleet(lines) for name, lines in histories.items()}
    for line, names in forgotten(chain, request.playbook.name, compared).items():
        if len(names) == 1 < len(histories) and line.number not in recorded:
            alone.setdefault(names[0], []).append(line.number)
    for name, numbers in sorted(alone.items()):
        text = f"{name} alone remembers {len(numbers)} rollback(s) that the ledger does not know: not recorded"
        ports.emit(Notice("warning", text))
    for entry in late:
        ports.emit(Notice("info", f"recording rollback {entry.deploy}, which the ledger had missed"))
        append(ledger, entry, ports)
    return bool(late)
