"""What the bake of a plan can prove by the probes alone, said before it begins."""

from __future__ import annotations

import math

from deployer.engine.deploy.gates import gate_config
from deployer.engine.deploy.request import Turn
from deployer.gate import foresee
from deployer.model.forecast import Forecast, refuse_unprovable
from deployer.model.plan import Plan
from deployer.model.release import Release
from deployer.wiring.context import Context
from deployer.wiring.measuring import traffic_on
from deployer.wiring.takes import told


def forecast_of(context: Context, plan: Plan) -> Forecast:
    """Of the first wave: it has the fewest hosts that give evidence."""
    if not plan.waves or not context.check.probes:
        return Forecast()
    canary = plan.waves[0]
    control = (*(name for name in plan.hosts if name not in canary), *plan.control)
    config = gate_config(context.check, Turn(canary, (), control, 1.0 / len(plan.waves)), plan.bake)
    return foresee.forecast(context.check, config, plan.bake, len(canary) + len(control))


def seen_by_traffic(context: Context, release: Release, plan: Plan) -> bool:
    """Is there a source of real traffic on any host of the plan?"""
    seen = [traffic_on(context, plan.hosts[name].host, release) for name in plan.hosts]
    return any(one.log or one.counters for one in seen)


def foreseen(context: Context, plan: Plan, visitors: bool) -> Forecast:
    """The same, refused where the probes are all there is and prove nothing. visitors: real traffic can be seen. Raises
    DeployError, InputError."""
    found = forecast_of(context, plan)
    if not visitors:
        refuse_unprovable(found, "no source of real traffic")
    return found


def evidence(found: Forecast) -> str:
    """`Without visitors: error_rate needs 31 s at 5 probes/s a host; raised to 20/s: 8 s`; "" for no probes."""
    if not found.slowest:
        return ""
    before, after = found.seconds[found.slowest], max(found.raised_seconds.values())
    needs = f"cannot be proven at {found.rate:g} probes/s a host"
    if not math.isinf(before):
        needs = f"needs {before:.0f} s at {found.rate:g} probes/s a host"
    if found.factor > 1.0:
        needs += f"; raised to {found.raised:g}/s: " + (f"{after:.0f} s" if not math.isinf(after) else "neither")
    return f"Without visitors: {found.slowest} {needs}"


def duration(context: Context, found: Plan, forecast: Forecast, visitors: bool) -> str:
    """A baseline, and per wave what its proof takes; an emptied cache is warm before evidence of its health counts."""
    from deployer.wiring.warming import loses_cache

    colds = [any(loses_cache(context, found.hosts[name]) for name in wave) for wave in found.waves]
    cold = [any(colds[: number + 1]) for number in range(len(colds))]  # a later wave watches the earlier ones, too
    return told(found.bake, cold, forecast, context.check.sources.min_traffic if visitors else 0.0)
