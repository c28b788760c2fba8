"""Where nginx logs requests, from the files of a release: log_format, access_log, and what decides which requests are
in it: `if=`, the servers and the locations that log elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployer.model.errors import InputError
from deployer.services.base import AccessLog, ServiceSettings
from deployer.services.includes import Includes
from deployer.services.nginx.log_format import NEEDED, VARIABLE, parsed, wanted
from deployer.services.nginx.syntax import Directive, tree, walk

HITS = frozenset(("HIT", "STALE", "UPDATING"))
MISSES = frozenset(("MISS", "EXPIRED", "REVALIDATED", "SCARCE"))  # REVALIDATED asked the origin (RFC 9211, 2.1)
PASSES = frozenset(("BYPASS",))
# Known before the answer is: what a condition on these leaves out is no worse and no better than the rest.
ASKED = (
    *("arg_", "http_", "cookie_", "request_", "remote_", "realip_", "server_", "ssl_", "geoip", "time_", "msec", "uri"),
    *("args", "is_args", "query_string", "document_uri", "host", "scheme", "https", "binary_remote_addr", "pid"),
)
OUTCOME = ("request_time", "request_completion")
SOON = {"ms": 0.001, "s": 1.0, "": 1.0}  # of flush=, in seconds


@dataclass(frozen=True)
class Logs:
    """Every access_log of the http block: per server the lines that are in force there; nested: blocks in it with lines
    of their own."""

    http: list[Directive]
    servers: tuple[list[Directive], ...]
    nested: tuple[tuple[int, Directive, list[Directive]], ...]


def own_logs(block: list[Directive]) -> list[Directive] | None:
    """The access_log lines of one block; None where it has none and takes those of the block around it."""
    found = [d for d in block if d.name == "access_log" and len(d.words) > 1]
    return found or None


def logs_of(http: list[Directive]) -> Logs:
    """What is logged where; a http block without servers (they come from elsewhere) counts as one."""
    outer = own_logs(http) or []
    servers = [d for d in http if d.name == "server"]
    in_force = tuple(own_logs(server.inner) or outer for server in servers) or (outer,)
    nested = tuple(
        (number, block, own)
        for number, server in enumerate(servers)
        for block in walk(server.inner)
        if block.inner and (own := own_logs(block.inner))
    )
    return Logs(http, in_force, nested)


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The log that most servers write all their requests to; None where nothing is logged. Raises InputError with
    file:line."""
    includes = Includes()
    with includes.reading("nginx.conf", "nginx.conf"):
        root = tree(files, "nginx.conf", settings, includes)
    http = [d for block in root if block.name == "http" for d in block.inner]
    formats = {d.words[1]: d for d in http if d.name == "log_format" and len(d.words) > 2}
    logs = logs_of(http)
    lines = {line.words: line for own in logs.servers for line in reversed(own) if line.words[1] != "off"}

    def rank(line: Directive) -> tuple[int, bool]:
        return -sum(writes(own, line) for own in logs.servers), bool(condition(line))

    error: InputError | None = None
    for one in sorted(lines.values(), key=rank):
        try:
            return described(one, formats, settings, logs)
        except InputError as problem:
            error = error or problem
    if error:
        raise error
    return None


def writes(own: Sequence[Directive], line: Directive) -> bool:
    """All that `line` would log is logged to the same file by one of these."""
    return any(one.words[1] == line.words[1] and condition(one) == condition(line) for one in own)


def condition(line: Directive) -> str:
    """What stands behind the `if=` of an access_log; "" for none."""
    return next((o.removeprefix("if=") for o in line.words[2:] if o.startswith("if=")), "")


def note(line: Directive, logs: Logs, agent: bool, form: str) -> str:
    """Which requests are not in it, and what else a person should know."""
    said = []
    if others := sum(not writes(own, line) for own in logs.servers):
        said.append(f"{others} other server(s) log elsewhere, or not at all, and are not judged")
    apart = [(b, own) for n, b, own in logs.nested if writes(logs.servers[n], line) and not writes(own, line)]
    if apart:
        block, own = apart[0]
        more = f", and {len(apart) - 1} more such block(s)" if len(apart) > 1 else ""
        how = "log nothing" if own[0].words[1] == "off" else "log elsewhere"
        said.append(f"requests of {' '.join(block.words)} ({block.at}) {how} and are not judged{more}")
    if condition(line):
        said.append(f"requests that if={condition(line)} leaves out are not judged")
    if not agent:
        said.append(f"log_format {form} has no $http_user_agent: our own probes are counted as traffic")
    return f"{line.at}: {'; '.join(said)}" if said else ""


def described(line: Directive, formats: Mapping[str, Directive], settings: ServiceSettings, logs: Logs) -> AccessLog:
    """One access_log line as an AccessLog."""
    path, options = line.words[1], line.words[2:]
    name = options[0] if options and "=" not in options[0] else "combined"
    if path.startswith("syslog:") or "$" in path:
        raise InputError(
            f"{line.at}: the access log {path} is no file that can be followed", hint="log to one file as well"
        )
    if not path.startswith("/"):
        if not settings.prefix:
            raise InputError(f"{line.at}: the access log {path} is relative", hint="write its absolute path")
        path = f"{settings.prefix}/{path}"
    if late(options):
        raise InputError(f"{line.at}: the access log is written late", hint="add flush=1s to its buffer, and no gzip")
    if name not in formats:
        known = "has no cache status" if name == "combined" else "is not defined"
        raise InputError(f"{line.at}: log_format {name} {known}", hint=f"define a log_format with {wanted(NEEDED)}")
    if (asked := condition(line)) and (why := biased(asked, logs.http)):
        raise InputError(
            f"{line.at}: not every request is in the access log: if={asked} {why}",
            hint="log all requests to another file as well, without if=",
        )
    pieces, forms = parsed(formats[name])
    return AccessLog(path, pieces, 1000.0, HITS, MISSES, PASSES, forms, note=note(line, logs, "agent" in pieces, name))


def late(options: Sequence[str]) -> bool:
    """A buffer that is not written every second; what is compressed cannot be followed at all."""
    if any(o.startswith("gzip") for o in options):
        return True
    flush = next((o.removeprefix("flush=") for o in options if o.startswith("flush=")), "")
    number = flush.rstrip("ms")
    soon = number.isascii() and number.isdigit() and int(number) * SOON.get(flush[len(number) :], 60.0) <= 1.0
    return any(o.startswith("buffer=") for o in options) and not soon


def biased(text: str, http: list[Directive]) -> str:
    """Why a condition leaves out requests for what came of them; "" where it looks at what was asked only."""
    for name in bases(text, http, ()):
        if name in OUTCOME or not name.startswith(ASKED):
            known = name.startswith(("upstream_", "sent_", "status", "body_bytes", "bytes_")) or name in OUTCOME
            return f"depends on ${name}" if known else f"depends on ${name}, which cannot be told from these files"
    return ""


def bases(text: str, http: list[Directive], above: tuple[str, ...]) -> Iterator[str]:
    """The variables of nginx itself that a text with variables is made of."""
    for match in VARIABLE.finditer(text):
        name = match[1] or match[2]
        if name.isdigit():  # what a regular expression of the same map caught
            continue
        sources = [text for one in walk(http) for text in made_of(one, name)]
        if not sources or name in above:
            yield name
        elif len(above) < 20:
            for source in sources:
                yield from bases(source, http, (*above, name))


def made_of(one: Directive, name: str) -> Iterator[str]:
    """The texts that this directive makes $name of."""
    if one.name in ("map", "split_clients") and one.words[2:] == (f"${name}",):
        yield one.words[1]
        yield from (line.words[1] for line in one.inner if len(line.words) > 1)
    elif one.name == "geo" and one.words[-1] == f"${name}":
        yield one.words[1] if len(one.words) > 2 else "$remote_addr"
    elif one.name == "set" and one.words[1:2] == (f"${name}",):
        yield from one.words[2:3]
