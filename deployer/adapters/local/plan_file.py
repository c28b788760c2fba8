"""A plan on disk: `deploy plan -o FILE` writes it, `deploy push FILE` applies exactly that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from deployer.model.errors import InputError
from deployer.model.fleet import Fleet
from deployer.model.plan import HostPlan, Plan


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
class SavedPlan:
    """What a file said."""

    playbook: str
    environment: str
    revision: str
    body: dict[str, object]

    def on(self, fleet: Fleet) -> Plan:
        """As a Plan of this inventory's hosts, to be compared with what would be done now."""
        try:
            hosts = {
                name: HostPlan(fleet.hosts[name], p["current"], p["target"], p["changes"])
                for name, p in self.body["hosts"].items()  # type: ignore[attr-defined]
            }
            waves = tuple(tuple(map(str, wave)) for wave in self.body["waves"])  # type: ignore[attr-defined]
            release = str(self.body["release"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"cannot apply the saved plan: {error}", hint="run deploy plan -o again") from None
        return Plan("push", self.environment, self.playbook, release, "", self.revision, hosts, waves)


def read_plan(path: Path) -> SavedPlan:
    """Raises InputError."""
    try:
        body = json.loads(path.read_text())
        return SavedPlan(str(body["playbook"]), str(body["environment"]), str(body["revision"]), body)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a plan", hint="deploy plan -o FILE writes one") from None
