"""What would leave a deploy without evidence is known at once, and said once."""

from __future__ import annotations

import pytest

from deployer.adapters.ready import folded, missing
from deployer.adapters.tally import CheckResult
from deployer.model.health import HealthCheck

CHECK = HealthCheck.model_validate(
    {
        "probes": [{"name": "home", "url": "/"}, {"name": "page", "url": "/p", "cacheable": True}],
        "sources": {"prometheus": {"url": "http://127.0.0.1:1", "db": {"query": "x"}, "cpu": {"query": "y"}}},
    }
)


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (["web1", "web2", "web3", "web4"], "web1-4"),
        (["web01.eu", "web02.eu", "web03.us", "db"], "web01-02.eu, web03.us, db"),
        (["web9", "web10", "web1", "a", "a"], "web9, web10, web1, a"),
        (["0", "1"], "0-1"),
    ],
)
def test_hosts_are_folded(hosts: list[str], said: str) -> None:
    assert folded(hosts) == said


def test_everything_that_is_missing_is_said_at_once() -> None:
    """A probe that fails everywhere, an answer without a cache header, a Prometheus that is down; what is advisory or
    well is not in it."""
    hosts = [f"web{n}" for n in range(1, 5)]
    results = [CheckResult(h, "home", "required", "answered 500, not 200") for h in hosts]
    results += [CheckResult(h, "page", "required", "", 1.0, None if h == "web2" else True) for h in hosts]
    results += [CheckResult(h, "extra", "advisory", "no answer") for h in hosts]
    probes, header, figures = missing(CHECK, results)
    assert probes == "web1-4: probe home: answered 500, not 200"
    assert header.startswith("web2: probe page is cacheable, and no header of its answer says")
    assert figures.startswith("db, cpu of http://127.0.0.1:1: ")


def test_nothing_is_missing() -> None:
    assert missing(HealthCheck(probes=CHECK.probes), [CheckResult("a", "page", "required", "", 1.0, False)]) == ()
