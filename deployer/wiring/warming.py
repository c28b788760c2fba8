"""What `deploy warm` and a push with `warm:` share: the URLs, the requests, and when a push needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from deployer.adapters.http.warmer import HttpWarmer
from deployer.adapters.reading.playbooks import load_urls
from deployer.console.pages.warm import end
from deployer.engine.ports import Ports
from deployer.engine.warm import Urls, warm
from deployer.model.errors import HostError, InputError
from deployer.model.events import Notice
from deployer.model.fleet import Host
from deployer.model.plan import HostPlan
from deployer.model.schema.playbook import Playbook, Warm
from deployer.model.schema.quantity import parse_rate
from deployer.remote import toplog
from deployer.services import service_for
from deployer.wiring.context import Context
from deployer.wiring.measuring import files_there, prober


def settings_for(playbook: Playbook, urls: str, top: int, rate: str | None) -> Warm:
    """`warm:` of the playbook with what was asked for instead: `urls`, a file; `top`, so many of each host's own log;
    `rate`. Raises InputError."""
    settings = playbook.warm
    if urls or top:
        asked = {"urls": urls, "access_log": f"top {top}" if top else ""}
        settings = settings.model_copy(update=asked) if settings else Warm.model_validate(asked)
    if settings is None:
        raise InputError(
            f"playbook {playbook.name} has no warm:",
            hint="write warm: {urls: warm.txt}, or pass --urls FILE or --top N",
        )
    if rate is None:
        return settings
    try:
        return settings.model_copy(update={"rate": parse_rate(rate)})
    except ValueError as error:
        raise InputError(f"--rate: {error}") from None


def urls_for(context: Context, settings: Warm) -> Urls:
    """The same list for every host, or what each host's own visitors asked for most. Raises InputError."""
    if settings.urls:
        urls = load_urls(context.root, context.playbook.name, settings.urls)
        return lambda host: urls
    count = int(settings.access_log.removeprefix("top "))
    return lambda host: most_requested(context, host, count)


def most_requested(context: Context, host: Host, count: int) -> Sequence[str]:
    """From the log of the release that the host has. Raises HostError."""
    site = context.site(host)
    try:
        log = site.access_log(files_there(context, site))
        if log is None:
            raise HostError("cannot tell what visitors ask for: no request is logged")
        done = context.transport.run(host, toplog.top_urls(log, count))
    except InputError as error:
        raise HostError(f"cannot tell what visitors ask for: {error.message}; {error.hint}") from None
    return toplog.parse_top(done.stdout, log)


@contextmanager
def warmer_for(context: Context, settings: Warm) -> Iterator[HttpWarmer]:
    """Closed on the way out."""
    with HttpWarmer(settings, prober(context)) as warmer:
        yield warmer


def loses_cache(context: Context, host: HostPlan) -> bool:
    """Does taking the release empty the cache of this host?"""
    restarts = host.cost.action == "restart"
    return bool(host.cost.cold) or (restarts and not service_for(context.playbook).keeps_cache_on_restart)


def unwarmed(context: Context, hosts: Iterable[HostPlan]) -> str:
    """What a change costs that empties a cache which nothing warms; "" without one. Where every reload does, it is
    known."""
    always = not service_for(context.playbook).keeps_cache
    names = [h.host.name for h in hosts if loses_cache(context, h) and not (always and h.cost.action == "reload")]
    if context.playbook.warm or not names:
        return ""
    return f"{', '.join(names)}: the cache is lost and nothing warms it (warm: in the playbook); latency may undo this"


def warm_wave(context: Context, ports: Ports) -> Callable[[Sequence[HostPlan], Callable[[], str]], None]:
    """For a push: hosts whose activation emptied the cache are warmed first and judged after. A reload that keeps the
    cache gets nothing. Raises InputError before anything is contacted when the list cannot be read."""
    settings = context.playbook.warm
    if settings is None:

        def say(hosts: Sequence[HostPlan], lost: Callable[[], str]) -> None:
            if text := unwarmed(context, hosts):
                ports.emit(Notice("warning", text))

        return say
    urls = urls_for(context, settings)

    def run(hosts: Sequence[HostPlan], lost: Callable[[], str]) -> None:
        if hosts:
            with warmer_for(context, settings) as warmer:
                results = warm(ports, warmer, [host.host for host in hosts], urls, settings.until, lost)
            for name, result in results.items():
                ports.emit(Notice("info", f"{name} {end(result)}"))

    return run
