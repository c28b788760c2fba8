"""Sources: where real traffic and the database are seen. This type is the schema of `sources:` in a health check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from deployer.model.errors import InputError
from deployer.model.schema.playbook import Schema
from deployer.model.schema.quantity import parse_margin, parse_rate

Margin = Annotated[str, BeforeValidator(parse_margin)]
Traffic = Literal["auto", "access_log", "varnish", "haproxy", "counters", "none"]
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TAKEN = frozenset(
    (
        "url",
        "error_rate",
        "refetch_miss",
        "fresh_miss",
        "hit_ratio",
        "origin_ratio",
        "err",
        "miss",
        "rehit",
        "orig",
        "traffic",
    )
)


def metric_name(name: str) -> str:
    """The name of a figure of the user's own."""
    if not NAME.fullmatch(name) or name in TAKEN or name.startswith("latency_"):
        raise ValueError(f"{name!r} is not a name for a figure; write lower case words such as db_queries")
    return name


class Query(Schema):
    """One Prometheus query: a gauge or a rate per second that counts for the whole fleet. max_increase: how much it
    may rise; shadow: judged and told, but never a reason to go back."""

    query: str
    max_increase: Margin | None = None
    shadow: bool = False


class Exec(Schema):
    """A command that prints one number: a gauge or a rate per second. on: `deployer` runs it on the machine that
    deploys, where `push --allow-exec` lets it; `host` on every watched host, and the sum counts."""

    command: Annotated[str, Field(min_length=1)]
    on: Literal["host", "deployer"] = "host"
    max_increase: Margin | None = None
    shadow: bool = False


class Prometheus(Schema):
    """url, and beside it any number of named queries."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Query]

    url: str

    @field_validator("url")
    @classmethod
    def scheme(cls, url: str) -> str:
        """http or https."""
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is neither http:// nor https://")
        return url.rstrip("/")

    @model_validator(mode="before")
    @classmethod
    def named(cls, value: object) -> object:
        """What is not a map of queries is told with the word that was meant."""
        if isinstance(value, Mapping):
            for name, item in value.items():
                if name != "url" and not isinstance(item, Mapping | Query):
                    raise ValueError(f"`{name}` is neither `url` nor a query such as {{query: ..., max_increase: 30%}}")
                if name != "url":
                    metric_name(str(name))
        return value

    @property
    def queries(self) -> Mapping[str, Query]:
        """By name, in the order of the file."""
        return self.__pydantic_extra__ or {}


class Sources(Schema):
    """traffic: where requests are counted, on every host.

    `access_log`: what the server logs (`varnish` and `haproxy` say the same and that the service is that one);
    `counters`: the server's own counters, without latency; `none`: only probes; `auto`: the access log where the
    release has a complete one, else counters where the service has some, else probes, and it is said which.
    min_traffic: requests a second and host, below which (on any host, in the baseline) the probes are judged.
    """

    traffic: Traffic = "auto"
    min_traffic: Annotated[float, BeforeValidator(parse_rate)] = 1.0
    prometheus: Prometheus | None = None
    exec: Mapping[str, Exec] = Field(default_factory=dict)

    @field_validator("exec")
    @classmethod
    def named(cls, value: Mapping[str, Exec]) -> Mapping[str, Exec]:
        """Names of figures."""
        for name in value:
            metric_name(name)
        return value

    @model_validator(mode="after")
    def once(self) -> Sources:
        """A figure has one source."""
        twice = set(self.exec) & set(self.prometheus.queries if self.prometheus else ())
        if twice:
            raise ValueError(f"{min(twice)!r} is both a query and a command")
        return self

    @property
    def figures(self) -> Mapping[str, Query | Exec]:
        """Everything that counts for the whole fleet, by name."""
        return {**(self.prometheus.queries if self.prometheus else {}), **self.exec}


def merge_sources(given: Sequence[Sources]) -> Sources:
    """Several as one: a later `traffic` or `min_traffic` that was written replaces an earlier one, figures add up (a
    later one of the same name replaces). Raises InputError for two Prometheus servers."""
    fields: dict[str, object] = {}
    queries: dict[str, object] = {}
    commands: dict[str, Exec] = {}
    urls = {sources.prometheus.url for sources in given if sources.prometheus}
    if len(urls) > 1:
        raise InputError(
            f"the health checks name two Prometheus servers: {', '.join(sorted(urls))}",
            hint="use one server for all health checks of a playbook",
        )
    for sources in given:
        fields |= {name: getattr(sources, name) for name in sources.model_fields_set & {"traffic", "min_traffic"}}
        queries |= sources.prometheus.queries if sources.prometheus else {}
        commands |= sources.exec
    prometheus = Prometheus.model_validate({"url": urls.pop(), **queries}) if urls else None
    return Sources.model_validate({**fields, "prometheus": prometheus, "exec": commands})
