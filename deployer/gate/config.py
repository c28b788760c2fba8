"""What a gate is given: made from what the user wrote, kept as JSON beside a recorded run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from deployer.gate.metrics import TABLE, Metric, fleet_metric, with_margin
from deployer.model.schema.health import Compare, HealthCheck

ALPHA = 1e-3  # false regressions of a deploy
WARM = 0.02  # what an emptied cache may still add when evidence of health begins to count (GATE.md section 3)
WARM_HALF_LIFE = 30.0  # seconds


@dataclass(frozen=True)
class GateConfig:
    """judged: of the canary hosts those that an earlier wave found healthy; they stand in for a control where none is
    left. alpha: chance at most that this gate calls a harmless release regressed. share: of the deploy's alpha.
    beta: chance at most that a metric at its line of harm is called healthy. min_bake, max_bake: seconds.
    warm_extra, warm_half_life: what an emptied cache may add to misses (a share, or requests for each request), halved
    every so many seconds. drift: factor by which a level may move by itself where there is no control.
    blind: seconds without data after which a host is blind. every: seconds between two data of a metric on one host,
    where probes are slow. refetch: re-fetches are asked for, so their data is required on every host. probes: names
    of the required ones. min_samples: per canary host, of errors (and re-fetches)."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # of what is read back

    canary: tuple[str, ...]
    control: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = tuple(TABLE.values())
    alpha: float = ALPHA
    share: float = 1.0
    beta: float = 0.05
    min_bake: float = 60.0
    max_bake: float = 600.0
    warm_extra: float = 0.0
    warm_half_life: float = WARM_HALF_LIFE
    drift: float = 3.0
    blind: float = 30.0
    every: Mapping[str, float] = field(default_factory=dict)
    refetch: bool = False
    probes: tuple[str, ...] = ()
    min_samples: int = 5
    judged: tuple[str, ...] = ()

    @property
    def limit(self) -> float:
        """The odds at which a release is called regressed."""
        return 1.0 / self.alpha


def bakes(bake: float, warm: float = 0.0) -> tuple[float, float]:
    """(min_bake, max_bake) of a playbook's bake in seconds: healthy at the earliest after half of it (a minute at
    most), no verdict at the latest after five of it. Three minutes at least, however short the bake: a harmless release
    is to be found healthy within them (GATE.md section 8, goal 4), and no verdict undoes it. An emptied cache has all
    of that after it is warm: before, nothing counts as evidence of its health. warm: see make_gate_config."""
    return min(60.0, bake / 2), max(180.0, 5.0 * bake) + warm_up(warm)


def warm_up(warm: float = 1.0) -> float:
    """Seconds until an emptied cache adds less than WARM to the share of misses."""
    return WARM_HALF_LIFE * math.log2(warm / WARM) if warm > WARM else 0.0


def make_gate_config(
    check: HealthCheck,
    canary: Sequence[str],
    control: Sequence[str],
    bake: float,
    share: float = 1.0,
    warm: float = 0.0,
) -> GateConfig:
    """The gate of one wave. Several health checks: `model.health.merge` them first. bake: seconds. share: of the
    deploy's false alarms, 1 / number of waves. warm: 1.0 where the activation empties the cache. What the whole
    fleet counts is added by `with_fleet`."""
    judged = tuple(p for p in check.probes if p.level == "required") or check.probes  # as the probes count them
    rates = {"error_rate": judged, "refetch_miss": tuple(p for p in check.probes if p.cacheable)}
    every = {name: 1.0 / max(0.001, sum(p.rate for p in probes)) for name, probes in rates.items() if probes}
    low, high = bakes(bake, warm)
    own = tuple(dict.fromkeys(canary))
    return GateConfig(
        canary=own,
        control=tuple(name for name in dict.fromkeys(control) if name not in own),
        metrics=judged_metrics(check),
        alpha=ALPHA * share,
        share=share,
        min_bake=low,
        max_bake=high,
        warm_extra=warm,
        blind=max(min(30.0, max(5.0, bake / 2)), 3.0 * every.get("error_rate", 1.0)),
        every=every,
        refetch="refetch_miss" in every,
        probes=tuple(probe.name for probe in check.probes if probe.level == "required"),
    )


def judged_metrics(check: HealthCheck) -> tuple[Metric, ...]:
    """The table with the user's margins and limits. A list of new pages may be used up before the bake ends."""
    listed = any(isinstance(probe.fresh, tuple) for probe in check.probes if probe.cacheable)
    found = []
    for name, metric in TABLE.items():
        comparison = getattr(check.compare, name) if name in Compare.model_fields else None
        ceiling: float | None = getattr(check.limit, name, None)
        if ceiling is not None and metric.kind == "latency":
            ceiling *= 1000.0
        required = metric.required and not (name == "fresh_miss" and listed)
        own = with_margin(metric, comparison) if comparison else metric
        found.append(replace(own, ceiling=ceiling, required=required))
    return tuple(found)


def with_fleet(config: GateConfig, fleet: Mapping[str, str | None], shadow: frozenset[str] = frozenset()) -> GateConfig:
    """The gate with what only the whole fleet counts: name in Sample.fleet -> its max_increase (None: the default).
    shadow: names that are judged, shown and never act. Its data is then required; the weights add up to 1 again."""
    found = [*config.metrics, *(replace(fleet_metric(n, margin), shadow=n in shadow) for n, margin in fleet.items())]
    total = max(1.0, sum(metric.weight for metric in found))
    return replace(config, metrics=tuple(replace(metric, weight=metric.weight / total) for metric in found))


def with_judged(config: GateConfig, hosts: Sequence[str]) -> GateConfig:
    """The gate of a later wave. hosts: those that an earlier wave found healthy."""
    return replace(config, judged=tuple(name for name in config.canary if name in hosts))


def config_to_json(config: GateConfig) -> dict[str, Any]:
    """Plain values only."""
    body = asdict(config)
    body["every"] = dict(config.every)
    return body


def config_from_json(body: Mapping[str, Any]) -> GateConfig:
    """What config_to_json gave, also after a round trip through JSON. Raises ValueError that names the
    first field that is none."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(GateConfig).validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
