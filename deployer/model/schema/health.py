"""HealthCheck: probes, comparisons and limits. This type is the schema of `health_checks/*.yml`."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from deployer.model.schema.playbook import Schema, Seconds
from deployer.model.schema.quantity import parse_margin, parse_rate, parse_share
from deployer.model.schema.sources import Sources, merge_sources

Share = Annotated[float, BeforeValidator(parse_share)]
Rate = Annotated[float, BeforeValidator(parse_rate)]
Margin = Annotated[str, BeforeValidator(parse_margin)]


def parse_fresh(value: object) -> object:
    """`query`, `none`, or URLs."""
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return tuple(Probe.scheme(one) for one in value)
    if value not in ("query", "none"):
        raise ValueError(f"{value!r} is not one of query, none, nor a list of URLs such as [/page/1, /page/2]")
    return value


class Probe(Schema):
    """One request, repeated. url: a path (sent to each host's http_port) or http(s)://; host: the Host header.
    cacheable: asked twice at once; the second answer must come from the cache. via ssh: sent from the host. fresh: of a
    cacheable one, once a second a URL never asked before is asked twice, too: the same with a query of its own
    (`query`), or one of a list in turn (cached pages that are seldom asked for); `none`: not at all."""

    name: str
    url: str
    host: str = ""
    expect: Annotated[int, Field(ge=100, le=599)] = 200
    contains: str = ""
    rate: Rate = 1.0
    timeout: Seconds = 2.0
    level: Literal["required", "advisory"] = "required"
    via: Literal["http", "ssh"] = "http"
    cacheable: bool = False
    fresh: Annotated[str | tuple[str, ...], BeforeValidator(parse_fresh)] = "query"

    @field_validator("url")
    @classmethod
    def scheme(cls, url: str) -> str:
        """http, https or a path; nothing else is ever fetched."""
        if not url.startswith(("/", "http://", "https://")):
            raise ValueError(f"{url!r} is neither a path nor http:// or https://")
        if any(ord(c) <= 32 or ord(c) == 127 for c in url):
            raise ValueError(f"{url!r}: spaces and control characters must be percent-encoded")
        if not url.startswith("/"):
            refuse_link_local(url)
        return url


def refuse_link_local(url: str) -> None:
    """Cloud metadata lives there. Probes go to the inventory host whatever the URL says; this one means another."""
    try:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local:
        raise ValueError(f"{url!r} is a link-local address: probes are not sent there")


class Comparison(Schema):
    """How much worse than the control a metric may be (gate/metrics.py says what a margin means for each). at_least:
    absolute slack of a latency on top. shadow: judged and shown, never acted upon."""

    max_increase: Margin | None = None
    max_decrease: Margin | None = None
    at_least: Seconds | None = None
    shadow: bool = False


class Compare(Schema):
    """Against the control hosts at the same time, or against before where no control is left."""

    latency_p50: Comparison | None = None
    latency_p75: Comparison | None = None
    latency_p95: Comparison | None = None
    latency_p99: Comparison | None = None
    error_rate: Comparison | None = None
    hit_ratio: Comparison | None = None
    origin_ratio: Comparison | None = None

    @field_validator("latency_p50", "latency_p75", "latency_p95", "latency_p99")
    @classmethod
    def latency(cls, given: Comparison | None) -> Comparison | None:
        """A latency has no points, and nobody minds less of it."""
        if given and (given.max_decrease or "point" in (given.max_increase or "")):
            raise ValueError("a latency is held to max_increase: 20% and at_least: 5ms")
        return given

    @field_validator("error_rate", "origin_ratio")
    @classmethod
    def bad(cls, given: Comparison | None) -> Comparison | None:
        """More of it is worse."""
        if given and (given.max_decrease or given.at_least is not None):
            raise ValueError("this is held to max_increase: 0.5 points, or 20%")
        return given

    @field_validator("hit_ratio")
    @classmethod
    def good(cls, given: Comparison | None) -> Comparison | None:
        """Less of it is worse."""
        if given and (given.max_increase or given.at_least is not None):
            raise ValueError("the hit ratio is held to max_decrease: 5 points, or 5%")
        return given


class Limit(Schema):
    """Absolute ceilings, whatever the control says. refetch_miss: share of immediate re-fetches not from cache."""

    error_rate: Share | None = 0.05
    refetch_miss: Share | None = 0.2
    latency_p50: Seconds | None = None
    latency_p95: Seconds | None = None
    latency_p99: Seconds | None = None


class HealthCheck(Schema):
    """max_rate: probes a second and host up to which they are asked more often where no visitors are there to judge by,
    until they suffice for a verdict. inconclusive: what a verdict without enough evidence leads to."""

    name: str = ""
    probes: tuple[Probe, ...] = ()
    max_rate: Annotated[Rate, Field(le=20)] = 20.0
    compare: Compare = Compare()
    limit: Limit = Limit()
    sources: Sources = Sources()
    inconclusive: Literal["rollback", "pause", "continue"] = "rollback"


SEVERITY = ("rollback", "pause", "continue")


def merge(checks: Sequence[HealthCheck]) -> HealthCheck:
    """Several health checks of one playbook as one: all probes (a name used twice is prefixed with its check's
    name), the strictest limit of each kind, the strictest `inconclusive`; comparisons and sources of a later check
    add to and replace those of an earlier one. None at all: a check without probes, which measures nothing."""
    if len(checks) == 1:
        return checks[0]
    names = [probe.name for check in checks for probe in check.probes]
    probes = tuple(
        probe if names.count(probe.name) == 1 else probe.model_copy(update={"name": f"{check.name}/{probe.name}"})
        for check in checks
        for probe in check.probes
    )
    limits: dict[str, float | None] = {}
    for field in Limit.model_fields if checks else ():
        values = [value for check in checks if (value := getattr(check.limit, field)) is not None]
        limits[field] = min(values, default=None)
    compare = Compare()
    for check in checks:
        given = {name: value for name in Compare.model_fields if (value := getattr(check.compare, name)) is not None}
        compare = compare.model_copy(update=given)
    return HealthCheck(
        name="+".join(check.name for check in checks),
        probes=probes,
        max_rate=min((check.max_rate for check in checks), default=20.0),
        compare=compare,
        limit=Limit().model_copy(update=limits),
        sources=merge_sources([check.sources for check in checks]),
        inconclusive=min((check.inconclusive for check in checks), key=SEVERITY.index, default="rollback"),
    )
