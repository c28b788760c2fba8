"""The number and the id of a new deploy: above everything that the ledger, or more than one host, knows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from deployer.engine.deploy.record import longest_deploy
from deployer.engine.ports import Ports
from deployer.model.events import Notice
from deployer.model.ledger import Entry, known_number
from deployer.model.plan import Plan
from deployer.model.quorum import number_deploy
from deployer.model.state import HostState, Order


def make_order(
    plan: Plan, chain: tuple[Entry, ...], states: Mapping[str, HostState], restart: bool, ports: Ports
) -> Order:
    """Of a push: the fencing token is above the chain and above what its hosts have seen (offline rollbacks)."""
    order = Order("", 0, plan.command, plan.release, plan.lease, int(longest_deploy(plan)), restart)
    return numbered(order, known_number(chain), states, ports)


def numbered(order: Order, known: int, states: Mapping[str, HostState], ports: Ports) -> Order:
    """`order` with its number and id. known: the highest number in the ledger, 0 where it was not read. A host that
    claims a number far beyond everybody's is named and gets its own: it can refuse nobody else's way back."""
    found = number_deploy(known, {name: state.fence for name, state in states.items()})
    if found.apart:
        claims = ", ".join(f"{name} {number - 1}" for name, number in found.apart.items())
        text = f"claims to have seen a deploy that neither the ledger nor another host knows: {claims}; do not trust it"
        ports.emit(Notice("alarm", text))
    deploy = f"{found.number}-{secrets.token_hex(2)}"
    return replace(order, deploy=deploy, number=found.number, apart=found.apart)
