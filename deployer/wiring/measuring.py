"""Where real traffic is seen on each host, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from deployer.adapters.http.over_ssh import ANSWER, SshProber
from deployer.adapters.measuring.poll import Reader
from deployer.adapters.measuring.probes import HttpProbes
from deployer.adapters.measuring.traffic import CounterReader, LogReader, Traffic
from deployer.adapters.ssh.exchange import Completed
from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.missing import Missing, fold
from deployer.model.release import Release
from deployer.model.sh import Sh
from deployer.remote import counters
from deployer.remote.verbs import Command
from deployer.services.base import AccessLog
from deployer.wiring.context import Context
from deployer.wiring.site import Site

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

    def again(self, lost: str, hosts: Mapping[str, object]) -> tuple[str, ...]:
        """What was lost of the evidence, to be told once more at the end, where it is read; what holds for several of
        `hosts` once. lost: real traffic that was there and by which nothing was judged; "" where it was, or where none
        can be seen."""
        return fold((*self.all, *filter(None, [lost])), hosts)

    def noting(self, missing: Callable[[Sequence[Host]], Missing]) -> Callable[[Sequence[Host]], Missing]:
        """The same question; what it is warned of is a loss, too, and told by who asked."""

        def ask(hosts: Sequence[Host]) -> Missing:
            found = missing(hosts)
            self.all += found.warned
            return found

        return ask

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
    def said(self) -> str:
        """What a person should know of it; "" for nothing."""
        return self.lacking or (self.log.note if self.log else "")

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

    def run(host: Host, line: Sh, deadline: float) -> Completed:
        return context.transport.run(host, Command(line, b"", deadline, most=ANSWER))

    return SshProber(run)


def traffic_on(context: Context, host: Host, release: Release) -> Seen:
    """What `sources: traffic:` means on this host with the release: what was asked for, or an error; for `auto` what
    there is."""
    return traffic_of(
        context, host, {path: content for path, (content, _) in release.packages[host.name].files.items()}
    )


def traffic_of(context: Context, host: Host, files: Mapping[str, bytes]) -> Seen:
    """The same with these files. Raises InputError."""
    asked = context.check.sources.traffic
    site = context.site(host)
    service = site.service
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
            log = site.access_log(files)
        except InputError as error:
            if asked != "auto":
                raise
            log, lacking = None, f"{error.message}; {error.hint}"
        if log is not None:
            return Seen(log)
    if service.counters and asked in ("auto", "counters"):
        instead = f"; the counters of {service.name} are read instead, as far as it has any"
        return Seen(counters=True, lacking=f"{lacking}{instead}" if lacking else "")
    if asked == "auto":
        return Seen(lacking=f"real traffic is not judged: {lacking or 'no request is logged'}")
    raise InputError(
        f"traffic: {asked} cannot be read on {host.name}: {service.name} has no {asked.replace('_', ' ')}",
        hint="write traffic: none to be judged by the probes alone",
    )


def files_there(context: Context, site: Site) -> Mapping[str, bytes]:
    """Path below dest -> content, of the release that the host has. Raises HostError."""
    return counters.unpack(context.transport.run(site.host, counters.fetch(site.layout)).stdout)


def reader_for(context: Context, host: Host, release: str, seen: Seen, say: Say) -> Reader[Traffic] | None:
    """A reader of that; None where there is nothing to read."""
    site = context.site(host)
    if seen.counters:
        return CounterReader(context.transport, host, site.layout)
    if seen.log is None:
        return None
    log = replace(seen.log, note="")  # two releases that log alike are one
    return LogReader(context.transport, host, site.layout, log, release, partial(plain, site), say)


def plain(site: Site, files: Mapping[str, bytes]) -> AccessLog | None:
    """The old release's log, without its note."""
    log = site.access_log(files)
    return replace(log, note="") if log else None
