"""What a push is judged by: asked for once before it, and measured during it. The same probes, logs and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer.adapters.local.threads import make_executor
from deployer.adapters.measuring.figures import Figures, figure_readers
from deployer.adapters.measuring.meter import Measure
from deployer.adapters.measuring.poll import Reader
from deployer.adapters.measuring.probes import HttpProbes
from deployer.adapters.measuring.ready import Ready
from deployer.adapters.measuring.traffic import Traffic
from deployer.adapters.reading.places import places
from deployer.model.errors import HostError, InputError
from deployer.model.fleet import Host
from deployer.model.release import Release
from deployer.model.schema.sources import Sources
from deployer.remote.counters import NoRelease
from deployer.wiring.context import Context
from deployer.wiring.measuring import Say, Seen, files_there, probes_for, reader_for, traffic_of, traffic_on


@dataclass(frozen=True)
class Unseen:
    """A place of which it is known already that it gives nothing, and why."""

    why: str
    follows: bool = True
    slow: bool = False

    def read(self) -> Traffic:
        """Raises HostError."""
        raise HostError(self.why)


@dataclass(frozen=True)
class Evidence:
    """seen: how each host's traffic is; readers: of that. ready: asks for all of it once. Close the probes at the
    end."""

    probes: HttpProbes
    seen: Mapping[str, Seen]
    readers: Mapping[str, Reader[Traffic]]
    ready: Ready


def refuse_commands(sources: Sources) -> None:
    """Raise InputError where the health checks would run commands on this machine."""
    if here := [name for name, one in sources.exec.items() if one.on == "deployer"]:
        raise InputError(
            f"the health checks would run commands on this machine ({', '.join(here)}), and any commit can change them",
            hint="write on: host, or allow it with --allow-exec",
        )


def evidence_for(context: Context, release: Release, say: Say, run: bool = False, allow_exec: bool = False) -> Evidence:
    """Of a push of `release`; what a person should know of how it logs is said. run: the commands of `exec:`, too;
    allow_exec: the operator lets them run on this machine. Raises InputError where the files ask for a source that
    cannot be."""
    if run and not allow_exec:
        refuse_commands(context.check.sources)
    seen = {host.name: seen_on(context, host, release) for host in context.hosts}
    readers = {host.name: reader_for(context, host, release.id, seen[host.name], say) for host in context.hosts}
    return asking(context, seen, readers, say, run)


def seen_on(context: Context, host: Host, release: Release) -> Seen:
    """How its traffic is seen; a host outside the limit, which does not get the release, stops nothing."""
    try:
        return traffic_on(context, host, release)
    except InputError as error:
        if host.name in context.limit:
            raise
        return Seen(lacking=f"{host.name}: {error.message}")


def measure_for(context: Context, evidence: Evidence) -> Measure:
    """What measures, by the same probes and readers."""
    sources = context.check.sources

    def figures(executor: ThreadPoolExecutor) -> Figures:
        return Figures(executor, sources, context.hosts, context.transport)

    ours = [name for name, one in evidence.seen.items() if one.counts_probes]
    asked = "" if sources.traffic in ("auto", "none") else sources.traffic
    return Measure(evidence.probes, evidence.readers, figures, sources.min_traffic, ours, asked)


def evidence_there(context: Context, hosts: Sequence[Host], say: Say) -> Evidence:
    """Of what these hosts have now: their own files say how they log. What was not adopted yet has none of ours to ask,
    which is said and is no failure: `check` comes before `adopt`."""
    seen: dict[str, Seen] = {}

    def look(host: Host) -> Reader[Traffic] | None:
        try:
            seen[host.name] = traffic_of(context, host, files_there(context, context.site(host)))
        except NoRelease:
            seen[host.name] = Seen(lacking="its log is not read before deploy adopt")
            return None
        except HostError as error:
            return Unseen(str(error))
        except InputError as error:
            return Unseen(f"{error.message}; {error.hint}")
        return reader_for(context, host, "", seen[host.name], say)

    readers: dict[str, Reader[Traffic] | None] = {}
    if context.check.sources.traffic != "none":
        with make_executor(context.options.forks) as executor:
            readers = dict(zip((host.name for host in hosts), executor.map(look, hosts), strict=True))
    return asking(context, seen, readers, say)


def asking(
    context: Context,
    seen: Mapping[str, Seen],
    readers: Mapping[str, Reader[Traffic] | None],
    say: Say,
    run: bool = False,
) -> Evidence:
    """run: what changes nothing runs no command that a health check names."""
    for text in dict.fromkeys(one.said for one in seen.values()):
        if text:
            say(text)
    check, probes = context.check, probes_for(context, say)
    sources = check.sources if run else check.sources.model_copy(update={"exec": {}})
    figures = figure_readers(sources, context.hosts, context.transport)
    known = {name: reader for name, reader in readers.items() if reader is not None}
    ready = Ready(check, probes, known, figures, places(context.root, context.playbook))
    return Evidence(probes, seen, known, ready)
