"""What would leave a push without evidence, asked for before anything is changed: probes that fail, answers that do not
say whether they came from a cache, a log that cannot be read, figures that cannot be had. All of it at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from deployer.adapters.measuring.figures import SEPARATOR
from deployer.adapters.measuring.poll import Reader
from deployer.adapters.measuring.tally import CheckResult
from deployer.adapters.measuring.traffic import Traffic
from deployer.gate.trial.attendance import STREAK
from deployer.model.errors import HostError
from deployer.model.fleet import Host
from deployer.model.missing import Missing, per_text
from deployer.model.schema.health import HealthCheck

AGAIN = 1.0  # seconds between two questions: a hiccup is none of the hosts' illness


class Probing(Protocol):
    """Asks every probe once on every host; only: these (host, probe) alone."""

    def once(self, hosts: Sequence[Host], only: Collection[tuple[str, str]] | None = None) -> Sequence[CheckResult]: ...


class Ready:
    """readers: of the traffic, by host; figures: see adapters.figures.figure_readers. place: `probe NAME`, `figure
    NAME` or `traffic` -> file:line, "" where it is written nowhere. results: of every probe on every host, as it was
    last asked. Probes and readers may be those that measure after it."""

    def __init__(
        self,
        check: HealthCheck,
        probes: Probing,
        readers: Mapping[str, Reader[Traffic]],
        figures: Mapping[str, Reader[float]],
        place: Callable[[str], str] = lambda what: "",
    ) -> None:
        self._probes, self._readers = probes, readers
        self.results: tuple[CheckResult, ...] = ()
        self._check, self._figures, self._place = check, figures, place
        self._cacheable = {probe.name for probe in check.probes if probe.cacheable}

    def missing(self, hosts: Sequence[Host]) -> Missing:
        """Of these hosts, now. What fails is asked again, until it has failed as often as a watch would take for an
        illness. The probes first: some logs begin with the first request."""
        asked = {host.name: self._readers[host.name] for host in hosts if host.name in self._readers}
        results = {(one.host, one.probe): one for one in self._probes.once(hosts)}
        logs, figures = failed(asked), failed(self._figures)
        for _ in range(STREAK - 1):
            again = {key for key, one in results.items() if self._ill(one) or self._mute(one)}
            if not (again or logs or figures):
                break
            time.sleep(AGAIN)
            here = [host for host in hosts if any(name == host.name for name, _ in again)]
            results |= {(one.host, one.probe): one for one in self._probes.once(here, again)}
            logs = failed({name: asked[name] for name in logs})
            figures = failed({key: self._figures[key] for key in figures})
        self.results = tuple(results.values())
        refused = [*self.failing(), *self._unsaid(all), *self._logs(logs, True), *self._silent(figures, False)]
        warned = [*self._unsaid(some), *self._logs(logs, False), *self._silent(figures, True)]
        return Missing(tuple(refused), tuple(warned))

    def _named(self, what: str) -> str:
        place = self._place(what)
        return f"{what} ({place})" if place else what

    def _ill(self, one: CheckResult) -> bool:
        return bool(one.failure) and one.level == "required"

    def _mute(self, one: CheckResult) -> bool:
        """It is cacheable, and its answer says nothing of a cache."""
        return not one.failure and one.hit is None and one.probe in self._cacheable

    def place(self, probe: str) -> str:
        """file:line of a probe; "" where it is written nowhere."""
        return self._place(f"probe {probe}")

    def failing(self) -> tuple[str, ...]:
        """What `results` says of required probes. A time-out that a busy machine took for one is none."""
        ill = [one for one in self.results if self._ill(one) and not one.doubtful]
        return per_text((one.host, f"{self._named(f'probe {one.probe}')}: {one.failure}") for one in ill)

    def _unsaid(self, of: Callable[[Sequence[bool]], bool]) -> tuple[str, ...]:
        """of: all cacheable probes of a host are mute, which leaves nothing to tell its re-fetches by; or only some."""
        why = (
            "is cacheable, and no header of its answer says whether it came from the cache (Cache-Status, X-Cache, Age)"
        )
        told: dict[str, list[CheckResult]] = {}
        for one in self.results:
            if one.probe in self._cacheable and not one.failure:
                told.setdefault(one.host, []).append(one)
        found = [one for ones in told.values() if of([self._mute(one) for one in ones]) for one in ones]
        return per_text((one.host, f"{self._named(f'probe {one.probe}')} {why}") for one in found if self._mute(one))

    def _logs(self, logs: Mapping[str, str], refused: bool) -> tuple[str, ...]:
        """What was asked for by name is not replaced by something else."""
        traffic = self._check.sources.traffic
        if refused != (traffic not in ("auto", "none")):
            return ()
        place = self._place("traffic")
        what = (
            f"`traffic: {traffic}`{f' ({place})' if place else ''} cannot be read"
            if refused
            else "no real traffic is seen"
        )
        return per_text((host, f"{what}: {why}") for host, why in logs.items())

    def _silent(self, figures: Mapping[str, str], shadow: bool) -> tuple[str, ...]:
        """Figures that give no number, with the hosts whose part is missing. shadow: those that decide nothing."""
        prometheus = self._check.sources.prometheus
        queries = prometheus.queries if prometheus else {}
        asked = {name for name, one in self._check.sources.figures.items() if one.shadow == shadow}
        found: dict[str, list[str]] = {}
        there: list[tuple[str, str]] = []
        for key, why in figures.items():
            name, _, host = key.partition(SEPARATOR)
            if name in asked and host:
                there.append((host, f"{self._named(f'figure {name}')}: {why}"))
            elif name in asked:
                found.setdefault(f"{prometheus.url}: {why}" if prometheus and name in queries else why, []).append(name)
        here = (f"{', '.join(self._named(f'figure {name}') for name in names)}: {why}" for why, names in found.items())
        return (*per_text(there), *here)


def some(said: Sequence[bool]) -> bool:
    """Not all of them."""
    return any(said) and not all(said)


def failed(readers: Mapping[str, Reader[Any]]) -> dict[str, str]:
    """key -> why it gives nothing now; all are asked at the same time."""

    def ask(reader: Reader[Any]) -> str:
        try:
            reader.read()
        except HostError as error:
            return str(error) or "no answer"
        except Exception as error:  # ours: that place's result, and the others are told
            return f"internal error: {type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(max(1, min(64, len(readers))), thread_name_prefix="ready") as executor:
        return {key: why for key, why in zip(readers, executor.map(ask, readers.values()), strict=True) if why}
