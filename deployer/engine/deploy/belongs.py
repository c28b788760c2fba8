"""A host has one ledger: what happened to it under another environment is neither missing nor forged."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.engine.deploy.request import Request
from deployer.engine.ports import Ledger
from deployer.model.errors import DeployError
from deployer.model.ledger import Entry
from deployer.model.state import HostState


def refuse_foreign(chain: tuple[Entry, ...], states: Mapping[str, HostState], ledger: Ledger, request: Request) -> None:
    """Raises DeployError naming hosts that would be changed, whose last deploy is in another environment's ledger and
    not in `chain`, and which that ledger knows: what a host alone says of where it belongs stops nobody."""
    environment, ours = request.environment, {entry.deploy for entry in chain}
    asked = {
        name: s.deploy for name, s in states.items() if name in request.limit and s.deploy and s.deploy not in ours
    }
    foreign = {name: owner for name, deploy in asked.items() if (owner := ledger.environment_of(deploy, name))}
    if foreign:
        lines = ", ".join(f"{name} ({owner})" for name, owner in sorted(foreign.items()))
        raise DeployError(
            f"cannot act on {environment}: the last deploy of these hosts was in another environment: {lines}",
            hint=f"pass -e {sorted(foreign.values())[0]}: a host belongs to one environment, whose ledger knows it",
        )
