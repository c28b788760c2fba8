"""Warm caches: ask each host for what its visitors ask for, until its hit ratio stands. Never in the way of a way
back: it looks after every handful of answers whether it is still wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployer.engine.fanout import each
from deployer.engine.ports import TURN_BACK, Ports, Warmer
from deployer.model.errors import HostError
from deployer.model.events import Phase, Warmed
from deployer.model.fleet import Host
from deployer.model.warming import WarmResult

Urls = Callable[[Host], Sequence[str]]
HANDFUL = 25  # URLs between two looks whether to go on
PASSES = 3  # the first fills, the second measures; a third for what the second still filled
ILL = 0.5  # share of failing answers at which warming is given up: it would only add to the load


def warm(
    ports: Ports, warmer: Warmer, hosts: Sequence[Host], urls: Urls, until: float, lost: Callable[[], str]
) -> dict[str, WarmResult | HostError]:
    """Every host by itself. urls: what a host is asked for. until: share of answers from the cache at which it stands.
    lost: why to stop at once, "" while there is no reason. Raises Interrupted; nothing is warmed any more then that is
    about to go back."""

    def stopped() -> str:
        return "interrupted" if ports.stop.asked() >= TURN_BACK else lost()

    ports.emit(Phase("warm", f"asking {len(hosts)} host(s) for what their visitors ask for"))
    return each(ports, hosts, lambda h: warm_host(ports, warmer, h, urls(h), until, stopped))


def warm_host(
    ports: Ports, warmer: Warmer, host: Host, urls: Sequence[str], until: float, lost: Callable[[], str]
) -> WarmResult:
    """Pass after pass over `urls`. An answer that does not say whether it came from the cache counts as told nothing:
    without any that does, one pass is all that makes sense."""
    result = WarmResult(host.name)
    for number in range(1, PASSES + 1):
        result = result.next_pass(number)
        for start in range(0, len(urls), HANDFUL):
            if reason := lost():
                return result.ended("stopped", f"stopped: {reason}")
            result = result.plus(warmer.ask(host, urls[start : start + HANDFUL]))
            ports.emit(Warmed(result, len(urls)))
            asked_enough = result.asked >= min(HANDFUL, len(urls))
            if asked_enough and result.failed > ILL * result.asked:
                return result.ended("failing", f"given up: {result.failed} of {result.asked} answers failed")
        if result.told == 0:
            return result.ended("untold", "one pass: the answers do not say whether they came from the cache")
        if number > 1 and result.hits >= until * result.told:
            return result.ended("warm", f"warm: {result.hit_ratio:.0%} from the cache")
    return result.ended("cold", f"not warm: {result.hit_ratio:.0%} from the cache after {PASSES} passes")
