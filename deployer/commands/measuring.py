"""What measures during a push: probes, and where real traffic is seen on each host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from deployer.adapters.exchange import Completed
from deployer.adapters.figures import Figures
from deployer.adapters.measure import BY_PROBES, NO_SOURCE, Measure
from deployer.adapters.poll import Reader
from deployer.adapters.probe_ssh import ANSWER, SshProber
from deployer.adapters.probes import HttpProbes
from deployer.adapters.sources import CounterReader, LogReader, Traffic
from deployer.commands.context import Context
from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.release import Release
from deployer.remote.layout import layout_for
from deployer.remote.verbs import Command
from deployer.services import service_for
from deployer.services.base import AccessLog, ServiceSettings

Say = Callable[[str], None]


@dataclass
class Notices:
    """Kept until there is somebody to tell, then told at once."""

    kept: list[str] = field(default_factory=list)
    told: Say | None = None
    all: list[str] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        self.all.append(text)
        (self.told or self.kept.append)(text)

    def again(self, measured: str) -> tuple[str, ...]:
        """What was lost of the evidence, to be told once more at the end, where it is read. measured: by what was
        judged, which is a loss where there is a source of real traffic that was not used."""
        lost = [measured] if measured.startswith(BY_PROBES) and NO_SOURCE not in measured else []
        return tuple(dict.fromkeys((*self.all, *lost)))

    def tell(self, told: Say) -> None:
        """From now on to `told`, what was kept first."""
        self.told = told
        for text in self.kept:
            told(text)


@dataclass(frozen=True)
class Seen:
    """How a host's traffic is seen. log: None where it is not by a log. lacking: why not, for a person."""

    log: AccessLog | None = None
    counters: bool = False
    lacking: str = ""

    @property
    def counts_probes(self) -> bool:
        """Our own requests are visitors to it: a log knows them by their User-Agent only."""
        return self.counters or (self.log is not None and "agent" not in self.log.pieces[1::2])


def probes_for(context: Context, say: Say) -> HttpProbes:
    """The probes alone. Raises InputError for a playbook that would measure nothing: no data is never healthy."""
    if not context.check.probes:
        raise InputError(
            f"playbook {context.playbook.name} has no probes: without data no verdict is healthy",
            hint="add a health check with probes to health_checks: in the playbook",
        )
    return HttpProbes(context.check, say, prober(context))


def prober(context: Context) -> SshProber:
    """Sends requests from the hosts themselves, over the connections that are open."""

    def run(host: Host, line: str, deadline: float) -> Completed:
        return context.transport.run(host, Command(line, b"", deadline, most=ANSWER))

    return SshProber(run)


def measure_for(context: Context, release: Release, say: Say, allow_exec: bool = False) -> Measure:
    """Probes and real traffic. allow_exec: the operator lets the health checks run commands on this machine. Raises
    InputError where the files ask for a source that cannot be."""
    sources = context.check.sources
    here = [name for name, one in sources.exec.items() if one.on == "deployer"]
    if here and not allow_exec:
        raise InputError(
            f"the health checks would run commands on this machine ({', '.join(here)}), and any commit can change them",
            hint="write on: host, or allow it with --allow-exec",
        )
    seen = {host.name: traffic_on(context, host, release) for host in context.hosts}
    readers: dict[str, Reader[Traffic]] = {}
    for host in context.hosts:
        reader = reader_for(context, host, release.id, seen[host.name], say)
        if reader is not None:
            readers[host.name] = reader
    for text in dict.fromkeys(one.lacking or (one.log.note if one.log else "") for one in seen.values()):
        if text:
            say(text)

    def figures(executor: ThreadPoolExecutor) -> Figures:
        return Figures(executor, sources, context.hosts, context.transport)

    ours = [name for name, one in seen.items() if one.counts_probes]
    asked = "" if sources.traffic in ("auto", "none") else sources.traffic
    return Measure(probes_for(context, say), readers, figures, sources.min_traffic, ours, asked)


def traffic_on(context: Context, host: Host, release: Release) -> Seen:
    """What `sources: traffic:` means on this host: what was asked for, or an error; for `auto` what there is."""
    asked = context.check.sources.traffic
    service = service_for(context.playbook)
    if asked in ("varnish", "haproxy") and service.name != asked:
        raise InputError(
            f"traffic: {asked} is not what playbook {context.playbook.name} runs ({service.name})",
            hint="write traffic: access_log, which means the log of the playbook's own service",
        )
    if asked == "none":
        return Seen()
    lacking = ""
    if asked != "counters":
        try:
            log = describe(context, host, {p: content for p, (content, _) in release.packages[host.name].files.items()})
        except InputError as error:
            if asked != "auto":
                raise
            log, lacking = None, f"{error.message}; {error.hint}"
        if log is not None:
            return Seen(log)
    counted = not service.facts.counters.startswith("none")
    if counted and asked in ("auto", "counters"):
        instead = f"; the counters of {service.name} are read instead, as far as it has any"
        return Seen(counters=True, lacking=f"{lacking}{instead}" if lacking else "")
    if asked == "auto":
        return Seen(lacking=f"real traffic is not judged: {lacking or 'no request is logged'}")
    raise InputError(
        f"traffic: {asked} cannot be read on {host.name}: {service.name} has no {asked.replace('_', ' ')}",
        hint="write traffic: none to be judged by the probes alone",
    )


def describe(context: Context, host: Host, files: Mapping[str, bytes]) -> AccessLog | None:
    """How a host with these files logs."""
    layout = layout_for(host, context.playbook.name, context.playbook.dest)
    settings = ServiceSettings(layout.dest, layout.root, layout.prefix, host.vars)
    return service_for(context.playbook).access_log(files, settings)


def reader_for(context: Context, host: Host, release: str, seen: Seen, say: Say) -> Reader[Traffic] | None:
    """A reader of that; None where there is nothing to read."""
    layout = layout_for(host, context.playbook.name, context.playbook.dest)
    if seen.counters:
        return CounterReader(context.transport, host, layout)
    if seen.log is None:
        return None
    log = replace(seen.log, note="")  # two releases that log alike are one
    return LogReader(context.transport, host, layout, log, release, lambda files: plain(context, host, files), say)


def plain(context: Context, host: Host, files: Mapping[str, bytes]) -> AccessLog | None:
    """The old release's log, without its note."""
    log = describe(context, host, files)
    return replace(log, note="") if log else None
