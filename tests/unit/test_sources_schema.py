"""`sources:` of a health check: what is allowed, what the message says otherwise, and several as one."""

from __future__ import annotations

import pytest

from deployer.adapters.reading.playbooks import validate
from deployer.adapters.reading.yaml_source import parse_yaml
from deployer.model.errors import InputError
from deployer.model.schema.health import HealthCheck, merge
from deployer.model.schema.sources import Sources

FULL = """\
sources:
  traffic: access_log
  min_traffic: 30/m
  prometheus:
    url: http://prometheus:9090/
    db_queries: {query: 'sum(rate(mysql_global_status_queries[1m]))', max_increase: 30%}
  exec: {load: {command: cat /proc/loadavg, on: host, shadow: true}}
"""


def read(text: str) -> HealthCheck:
    return validate(parse_yaml(text, "h.yml"), HealthCheck)


def test_everything_at_once() -> None:
    sources = read(FULL).sources
    assert (sources.traffic, sources.min_traffic) == ("access_log", 0.5)
    assert sources.prometheus is not None
    assert sources.prometheus.url == "http://prometheus:9090"
    assert list(sources.figures) == ["db_queries", "load"]
    assert (sources.figures["db_queries"].max_increase, sources.figures["load"].shadow) == ("30%", True)


def test_nothing_is_auto() -> None:
    assert read("{}").sources == Sources()
    assert Sources().traffic == "auto"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("traffic:", "trafic:", "3:unknown key `trafic`", "did you mean `traffic`?"),
        ("{query", "{qurey", "unknown key `qurey`", "did you mean `query`?"),
        ("max_increase: 30%", "max_incraese: 30%", "unknown key `max_incraese`", "did you mean `max_increase`?"),
        ("{command", "{comand", "unknown key `comand`", "did you mean `command`?"),
        ("access_log", "acces_log", "`sources.traffic`", ""),
        ("    url", "    ulr", "`ulr` is neither `url` nor a query", ""),
        ("http://p", "ftp://p", "neither http:// nor https://", ""),
        ("db_queries", "error_rate", "is not a name for a figure", ""),
        ("db_queries", "latency_p95", "is not a name for a figure", ""),
        ("load:", "db_queries:", "both a query and a command", ""),
        ("on: host", "on: moon", "`sources.exec.load.on`", ""),
        ("30/m", "30", "is not a rate", ""),
        ("30%}", "30}", "is not a margin", ""),
    ],
)  # fmt: skip
def test_mistakes_have_a_place_and_a_hint(old: str, new: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(FULL.replace(old, new))
    assert caught.value.message.startswith("h.yml:")
    assert message.rsplit(":", maxsplit=1)[-1] in caught.value.message
    assert hint in caught.value.hint


def test_several_health_checks_add_up() -> None:
    """What was written replaces, what was not written does not; figures add up."""
    one = read(FULL)
    other = read(
        "sources: {traffic: none, prometheus: {url: 'http://prometheus:9090', errors: {query: e}}, "
        "exec: {load: {command: echo 1}}}"
    )
    sources = merge([one, other, read("{}")]).sources
    assert (sources.traffic, sources.min_traffic) == ("none", 0.5)
    assert list(sources.figures) == ["db_queries", "errors", "load"]
    assert sources.exec["load"].command == "echo 1"
    elsewhere = read("sources: {prometheus: {url: 'http://other:9090'}}")
    with pytest.raises(InputError, match="two Prometheus servers"):
        merge([one, elsewhere])
