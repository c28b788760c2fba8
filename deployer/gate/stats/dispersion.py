"""How much more the hosts of this fleet differ and waver than independent requests would (GATE.md section 3).

All from the ticks before any change, when both arms run the same release. Everything here only makes the gate slower
to call a regression, never quicker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from deployer.gate.counts import Count, Kind

BLOCKS = (1, 5, 20)  # ticks
ENOUGH = 30  # bad events below which the spread cannot be told
PULL = 5.0  # blocks' worth of belief in a spread of 1
OFFSET = 2.0  # the largest standing difference that is forgiven


class Pair(NamedTuple):
    """One tick: exposure and bad events of the canary, and of the control."""

    n_c: float
    x_c: float
    n_k: float
    x_k: float


@dataclass(frozen=True, slots=True)
class Noise:
    """phi: variance of the difference of the arms as a multiple of that of independent events; a standing difference
    counts as noise. phi_still: without a standing difference. rho: the canary's level as a multiple of the control's,
    less one standard error; never below 1."""

    phi: float = 1.0
    phi_still: float = 1.0
    rho: float = 1.0


def noise(pairs: Sequence[Pair], even: Sequence[Pair], kind: Kind, others: Sequence[Sequence[Pair]] = ()) -> Noise:
    """pairs: counted as the margin is tested. even: counted alike on both arms. others: the same of every control host
    beside the rest of them: they waver as much as the canary and tell it better, because they are several."""
    if not pairs:
        return Noise()
    still = max(spread([even], kind, still=True), spread(others, kind, still=True))
    phi = max(spread([even], kind), still)
    n_c, x_c, n_k, x_k = (sum(column) for column in zip(*pairs, strict=True))
    if x_c < 5 or x_k < 5:
        return Noise(phi, still)
    ratio = (x_c / n_c) / (x_k / n_k)
    error = ratio * math.sqrt(phi * (1.0 / x_c + 1.0 / x_k))
    return Noise(phi, still, min(OFFSET, max(1.0, ratio - error)))


def spread(series: Sequence[Sequence[Pair]], kind: Kind, still: bool = False) -> float:
    """phi of the differences canary - control of each series; still: around their mean, else around zero."""
    found = []
    for pairs in series:
        both = [pair for pair in pairs if pair.n_c > 0 and pair.n_k > 0]
        events, exposure = sum(p.x_c + p.x_k for p in both), sum(p.n_c + p.n_k for p in both)
        if events < ENOUGH:
            continue
        model = _unit(events / exposure, kind) * sum(1.0 / p.n_c + 1.0 / p.n_k for p in both) / len(both)
        found.append(([p.x_c / p.n_c - p.x_k / p.n_k for p in both], model))
    return _largest(found, still)


def alone(counts: Sequence[Count], kind: Kind) -> float:
    """phi of one arm around its own mean: counts are (exposure, bad events), tick by tick."""
    some = [count for count in counts if count[0] > 0]
    events, exposure = sum(x for _, x in some), sum(n for n, _ in some)
    if events < ENOUGH:
        return 1.0
    model = _unit(events / exposure, kind) * sum(1.0 / n for n, _ in some) / len(some)
    return _largest([([x / n for n, x in some], model)], True)


def _unit(level: float, kind: Kind) -> float:
    """Variance of one event."""
    return level if kind == "rate" else level * (1.0 - level)


def _largest(series: Sequence[tuple[Sequence[float], float]], still: bool) -> float:
    """Over the block lengths, each pulled towards 1 by PULL blocks; 1 at least. series: values and the variance that
    independent events would have. Series of hosts that are held against each other share one of them."""
    found, known = 1.0, [(values, model) for values, model in series if model > 0.0]
    shared = (len(known) - 1) / len(known) if len(known) > 1 else 1.0
    for length in BLOCKS:
        total, blocks = 0.0, 0
        for values, model in known:
            centre = sum(values) / len(values) if still else 0.0
            count = len(values) // length
            means = [sum(values[i * length : (i + 1) * length]) / length - centre for i in range(count)]
            total += length * sum(mean * mean for mean in means) / model
            blocks += count
        if blocks:
            weight = blocks * shared
            found = max(found, (PULL + weight * total / blocks) / (PULL + weight))
    return found
