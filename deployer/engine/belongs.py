"""A host has one ledger: what happened to it under another environment is neither missing nor forged."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.engine.ports import Ledger
from deployer.model.errors import DeployError
from deployer.model.ledger import Entry
from deployer.model.state import HostState


def refuse_foreign(chain: tuple[Entry, ...], states: Mapping[str, HostState], ledger: Ledger, environment: str) -> None:
    """Raises DeployError naming hosts whose last deploy is in another environment's ledger and not in `chain`."""
    ours = {entry.deploy for entry in chain}
    asked = {state.deploy for state in states.values() if state.deploy} - ours
    owners = {deploy: owner for deploy in sorted(asked) if (owner := ledger.environment_of(deploy))}
    foreign = {name: owners[state.deploy] for name, state in states.items() if state.deploy in owners}
    if foreign:
        lines = ", ".join(f"{name} ({owner})" for name, owner in sorted(foreign.items()))
        raise DeployError(
            f"cannot act on {environment}: the last deploy of these hosts was in another environment: {lines}",
            hint=f"pass -e {sorted(foreign.values())[0]}: a host belongs to one environment, whose ledger knows it",
        )
