"""What a push would be judged by is asked for on real daemons before it begins: all that is missing is told at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.sandbox import repository
from deployer.sandbox.ports import free_port
from tests.fleet.conftest import CHECK, Fleet, make_fleet

pytestmark = [pytest.mark.xdist_group("ready"), pytest.mark.timeout(300), pytest.mark.long]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    yield from make_fleet("nginx", 3)


def checked(fleet: Fleet, text: str) -> None:
    (fleet.sandbox.config / "health_checks/storefront.yml").write_text(text)


def test_all_that_is_missing_is_told_at_once(fleet: Fleet) -> None:
    """Prometheus is down, a log is missing on two of three hosts, a probe expects what no host answers: check,
    plan and push say all of it in one error, before the lock and before anything is measured; a host outside the limit
    stops nothing; mended, the same push is done."""
    port, before = free_port(), fleet.currents()
    sources = f"{{traffic: access_log, prometheus: {{url: 'http://127.0.0.1:{port}', db: {{query: up}}}}}}"
    wrong = CHECK.replace("{traffic: none}", sources).replace("url: /, expect: 200", "url: /, expect: 404")
    checked(fleet, wrong)
    fleet.playbook(bake="20s")  # and so a past of 30 s, which nobody waits for here
    fleet.mark("ready")
    logs = [fleet.host(name).prefix / "var/log/nginx/access.log" for name in ("web1", "web2", "web3")]
    for log in logs[1:]:
        log.rename(log.with_suffix(".gone"))
    recorded = fleet.deploy("history")[1]
    missing = [
        "web1-3: probe home (health_checks/storefront.yml:2): status 200 instead of 404",
        f"web2: `traffic: access_log` (health_checks/storefront.yml:11) cannot be read: access log {logs[1]}: missing",
        f"web3: `traffic: access_log` (health_checks/storefront.yml:11) cannot be read: access log {logs[2]}: missing",
        f"figure db (health_checks/storefront.yml:11): http://127.0.0.1:{port}: ConnectError",
    ]
    code, body, err = fleet.deploy("check")
    assert (code, body["healthy"], len(body["missing"])) == (1, False, 4), (body, err)
    assert all(one.startswith(text) for one, text in zip(body["missing"], missing, strict=True)), body["missing"]
    for words in (["plan"], ["push", "--yes"]):
        code, body, err = fleet.deploy(*words)
        assert code == 1, (body, err)
        assert all(text in body["error"]["message"] for text in missing), body["error"]
        assert "baseline" not in err
        assert "staging" not in err
    assert fleet.currents() == before
    assert fleet.deploy("lock", "status")[1]["lock"] is None
    assert fleet.deploy("history")[1] == recorded, "nothing is recorded"

    checked(fleet, CHECK.replace("{traffic: none}", "{traffic: access_log}"))
    code, body, err = fleet.deploy("plan", "-l", "web1")
    assert code == 0, (body, err)
    for log in logs[1:]:
        log.with_suffix(".gone").rename(log)
    assert fleet.deploy("plan")[0] == 0


def test_auto_says_what_it_does_not_find_and_goes_on(fleet: Fleet) -> None:
    """A warning of check and of plan; of a push at its end, too, folded."""
    checked(fleet, CHECK.replace("{traffic: none}", "{traffic: auto}"))
    fleet.playbook(bake="2s")
    names = [host.name for host in fleet.sandbox.hosts]
    logs = [fleet.host(name).prefix / "var/log/nginx/access.log" for name in names]
    for log in logs:
        log.rename(log.with_suffix(".gone"))
    try:
        code, body, err = fleet.deploy("check")
        assert (code, body["missing"]) == (0, []), (body, err)
        assert [text.partition(": no real traffic is seen: access log ")[0] for text in body["warnings"]] == names
        fleet.mark("auto")
        code, body, err = fleet.deploy("plan")
        assert sum("no real traffic is seen" in text for text in body["warnings"]) == 3, (body, err)
        for log in logs:
            log.unlink()  # the check of nginx itself made it, when the plan asked
        code, body, err = fleet.deploy("push", "--yes")
        assert (code, body["result"]) == (0, "deployed"), (body, err)
        end = err.rpartition("ledger")[2]
        assert "warning: evidence: web1: no real traffic is seen" in end, err
    finally:
        for log in logs:
            log.with_suffix(".gone").rename(log)


def test_missing_log_fields_are_said_by_plan_and_check(fleet: Fleet) -> None:
    """Asked for: refused, with the place and what to add; auto: a warning, with what is read instead."""
    checked(fleet, CHECK.replace("{traffic: none}", "{traffic: auto}"))
    repository.change(fleet.sandbox, "nginx.conf.j2", "$upstream_cache_status ", "", "less to write")
    code, body, err = fleet.deploy("plan")
    assert code == 0, (body, err)
    said = [text for text in body["warnings"] if "add $upstream_cache_status to log_format cache" in text]
    assert len(said) == 1, body["warnings"]
    assert fleet.deploy("push", "--yes")[0] == 0
    assert said[0] in fleet.deploy("check")[1]["warnings"], "of what the hosts have now"
    checked(fleet, CHECK.replace("{traffic: none}", "{traffic: access_log}"))
    code, body, err = fleet.deploy("check")
    assert (code, len(body["missing"])) == (1, 1), (body, err)
    assert body["missing"][0].startswith(
        "web1-3: `traffic: access_log` (health_checks/storefront.yml:11) cannot be read"
    )
    assert "nginx.conf:" in body["missing"][0]
    repository.git(fleet.sandbox.config, "revert", "--no-edit", "HEAD")
