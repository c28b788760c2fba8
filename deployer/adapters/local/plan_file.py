"""A plan on disk: `deploy plan -o FILE` writes it, `deploy push FILE` applies exactly that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.model.errors import InputError
from deployer.model.fleet import Fleet
from deployer.model.plan import FileChange, HostPlan, Plan


def plan_to_json(plan: Plan) -> dict[str, object]:
    """The JSON form, also of `plan --json`."""
    return {
        "playbook": plan.playbook,
        "environment": plan.environment,
        "release": plan.release,
        "previous": plan.previous,
        "revision": plan.revision,
        "waves": [list(wave) for wave in plan.waves],
        "hosts": {
            name: {"current": p.current, "target": p.target, "changes": dict(p.changes), "action": p.cost.action}
            | ({"why": p.cost.why} if p.cost.why else {})
            | ({"cold": p.cost.cold} if p.cost.cold else {})
            for name, p in plan.hosts.items()
        },
        "unchanged": list(plan.unchanged),
        "bake": plan.bake,
        "warnings": list(plan.warnings),
    }


def write_plan(path: Path, plan: Plan) -> None:
    """Raises InputError."""
    try:
        path.write_text(json.dumps(plan_to_json(plan), indent=2) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


@dataclass(frozen=True)
class SavedHost:
    """One host of it."""

    current: str
    target: str
    changes: Mapping[str, FileChange]


@dataclass(frozen=True)
class SavedPlan:
    """What a file said, as far as a push must do the same."""

    playbook: str
    environment: str
    revision: str
    release: str
    waves: tuple[tuple[str, ...], ...]
    hosts: Mapping[str, SavedHost]

    def on(self, fleet: Fleet) -> Plan:
        """As a Plan of this inventory's hosts, to be compared with what would be done now."""
        if gone := [name for name in self.hosts if name not in fleet.hosts]:
            text = f"cannot apply the saved plan: {', '.join(gone)}: not in the inventory"
            raise InputError(text, hint="run deploy plan -o again")
        hosts = {n: HostPlan(fleet.hosts[n], one.current, one.target, one.changes) for n, one in self.hosts.items()}
        return Plan("push", self.environment, self.playbook, self.release, "", self.revision, hosts, self.waves)


def read_plan(path: Path) -> SavedPlan:
    """Raises InputError."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(SavedPlan).validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError:
        raise InputError(f"{path} is not a plan", hint="deploy plan -o FILE writes one") from None
