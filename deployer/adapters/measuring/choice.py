"""By what a deploy is judged: decided once, by what its baseline saw of real traffic. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployer.adapters.measuring.blend import Both, Requests, by_probes, by_probes_alone, by_traffic
from deployer.model.errors import DeployError
from deployer.model.sample import Sample

COUNTED = 1.0  # requests a second on every host from which on what the servers count can be held against each other
LAST = 3  # ticks of the baseline; a source that gave nothing in them is not there

BY_PROBES = "judged by the probes"

Choice = tuple[Callable[[Both], Sample], str]  # what makes a sample of a tick, and the sentence about it

NO_SOURCE: Choice = (by_probes, f"{BY_PROBES}: no source of real traffic")


def refuse_broken(asked: str, before: Sequence[Both], deciding: Sequence[str]) -> None:
    """What was asked for by name is not replaced by something else. Raises DeployError."""
    last = [both.requests for both in before[-LAST:] if not both.probes.starved]
    for name in deciding if asked and last else ():
        if all(one[name].broken for one in last if name in one):
            raise DeployError(
                f"cannot read `traffic: {asked}` on {name}: {last[-1][name].why}",
                hint="mend that, or write `traffic: auto` to be judged by what there is",
            )


def choose(before: Sequence[Both], deciding: Sequence[str], least: float) -> Choice:
    """By the traffic where every host in `deciding` has enough of it. least: requests a second on each."""
    if not before:
        return by_probes, f"{BY_PROBES}: there was no baseline"
    seconds = sum(both.seconds for both in before) or 1.0
    names = [name for name in before[-1].requests if name in deciding]
    rates = {name: sum(both.requests.get(name, Requests()).n for both in before) / seconds for name in names}
    fewest = min(rates, key=lambda name: rates[name])
    figure = f"{rates[fewest]:.1f} requests/s on {fewest}"
    whole = all(one.whole for both in before for name, one in both.requests.items() if name in names)
    if whole and rates[fewest] >= least:
        return by_traffic, f"judged by real traffic: at least {figure}"
    if rates[fewest] >= least:
        why = "the servers do not count which ones failed"
    else:
        why = before[-1].requests[fewest].why or f"fewer than min_traffic {least:g}/s"
    by = by_probes if rates[fewest] >= COUNTED else by_probes_alone
    return by, f"{BY_PROBES}: {figure}: {why}"
