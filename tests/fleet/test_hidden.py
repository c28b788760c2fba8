"""What a warm cache hides is seen on the canary, in seconds: every change of hidden.yml on a real fleet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from deployer.sandbox import repository
from tests.fleet.conftest import CHECK, Fleet, make_fleet

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
CHANGES: dict[str, list[dict[str, str]]] = yaml.safe_load(Path(__file__).with_name("hidden.yml").read_text())


@pytest.fixture(scope="module")
def fleets() -> Iterator[Callable[[str], Fleet]]:
    """Three hosts of a service, made when they are first asked for."""
    made: dict[str, Fleet] = {}
    with contextlib.ExitStack() as stack:

        def fleet(service: str) -> Fleet:
            if service not in made:
                made[service] = stack.enter_context(
                    contextlib.contextmanager(make_fleet)(service, 3, CHECK.replace(", fresh: none", ""))
                )
                made[service].playbook(bake="20s", confirm_timeout="30s")
                repository.commit(made[service].sandbox, "longer bakes")
            return made[service]

        yield fleet


@pytest.mark.parametrize(
    ("service", "change"),
    [
        pytest.param(
            service, change, id=f"{service}: {change['name']}", marks=pytest.mark.xdist_group(f"hid-{service}")
        )
        for service, changes in CHANGES.items()
        for change in changes
    ],
)
def test_what_a_warm_cache_hides_is_seen_on_the_canary(
    fleets: Callable[[str], Fleet],
    service: str,
    change: dict[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    """Undone for pages that are not kept, before a second host has it; the page that is asked for all the time says
    nothing."""
    fleet = fleets(service)
    sandbox = fleet.sandbox
    repository.change(sandbox, change["path"], change["old"], change["new"], change["name"])
    try:
        code, body, err = fleet.deploy("push", service, "--yes")
    finally:
        repository.git(sandbox.config, "revert", "--no-edit", "HEAD")
    record_property("seconds to detect", body.get("seconds", {}).get("detect"))
    verdict = body.get("verdict") or {}
    assert (code, verdict.get("ruling")) == (3, "regressed"), (body, err)
    touched = [name for name, host in body["hosts"].items() if host["state"] != "untouched"]
    assert touched == ["web1"]
    seen = {row["metric"]: row["observed"] for row in verdict["evidence"] if row["host"] in touched}
    assert seen["fresh_miss"] > 0.8
    assert seen["refetch_miss"] < 0.2
