"""A plan of a push, with all that a person should know before it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from deployer.engine.deploy.plan import plan_push
from deployer.model.forecast import Forecast
from deployer.model.missing import fold
from deployer.model.plan import Plan
from deployer.model.release import Release
from deployer.wiring.context import Context
from deployer.wiring.evidence import evidence_for
from deployer.wiring.forecast import foreseen, seen_by_traffic
from deployer.wiring.revision import refuse_lacking, release_of
from deployer.wiring.uncommitted import naming_uncommitted, uncommitted
from deployer.wiring.warming import unwarmed


class Planned(NamedTuple):
    """forecast: what the probes alone can prove. visitors: real traffic can be seen."""

    release: Release
    plan: Plan
    forecast: Forecast
    visitors: bool


def planned(context: Context, revision: str) -> Planned:
    """Hosts are asked, nothing is changed. Raises DeployError."""
    said: list[str] = []
    with naming_uncommitted(context):
        release = release_of(context, revision)
        refuse_lacking(context, release)
        asked = evidence_for(context, release, said.append)
        with context.ports() as ports, asked.probes:
            plan = plan_push(context.request(), release, ports, asked.ready.missing)
        warnings = [*plan.warnings, *(fold(said, context.fleet.hosts) if plan.hosts else ())]
        warnings += filter(None, [unwarmed(context, plan.hosts.values())])
        visitors = seen_by_traffic(context, release, plan)
        forecast = foreseen(context, plan, visitors)
    return Planned(release, replace(plan, warnings=(*warnings, *uncommitted(context))), forecast, visitors)
