"""What a command says at its end: one value, shown as text or as JSON, with its exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from deployer.console.pages import doctor, lock, status, warm
from deployer.console.pages.page import Page, show
from deployer.engine.standing import standing
from deployer.model.errors import EXIT_DONE, EXIT_HUMAN, EXIT_REFUSED, HostError, Unreachable
from deployer.model.examination import Point
from deployer.model.fleet import Host
from deployer.model.ledger import FRESH, Ended, Intent, Sign, same_deploy
from deployer.model.plan import HostPlan, Plan
from deployer.model.state import HostState
from deployer.model.warming import End, WarmResult
from deployer.wiring.consent import asked

A, B = "aaaaaaaaaa-11111111", "bbbbbbbbbb-22222222"
GOOD = HostState(adopted=True, dest="/etc/nginx", current=B, good=B, loaded=B, phase="idle")
NOW = 1_700_000_000.0


@pytest.mark.parametrize(("as_json", "out", "err"), [(False, "text\n", "beside\n"), (True, '{"a": 1}\n', "")])
def test_one_place_shows_it(as_json: bool, out: str, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To a person both streams, to a program one object; the exit code is the same."""
    assert show(Page("text", {"a": 1}, 4, "beside"), as_json) == 4
    assert capsys.readouterr() == (out, err)


def test_a_page_without_text_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even an empty line."""
    assert show(Page("", {}), False) == EXIT_DONE
    assert capsys.readouterr() == ("", "")


DECIDED = Ended("1-a", "production", "nginx", "push", B, "t", 0.0, number=3, result="deployed")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (GOOD, EXIT_DONE),
        (replace(GOOD, current=A, loaded=A), EXIT_HUMAN),
        (replace(GOOD, loaded=""), EXIT_HUMAN),
        (replace(GOOD, drift=("nginx.conf",)), EXIT_HUMAN),
        (replace(GOOD, adopted=False), EXIT_HUMAN),
        (Unreachable("no answer"), EXIT_HUMAN),
    ],
)
def test_status_ends_well_on_one_verified_release_only(host: HostState | HostError, code: int) -> None:
    """One host that differs, of which the process is unproven, that drifted, that says nothing: 4."""
    page = status.page("production", "nginx", standing({"web1": GOOD, "web2": host}, (), "nginx", False), "lock: -", "")
    body: Any = page.body
    assert (page.code, body["verified"]) == (code, code == EXIT_DONE)


def test_hosts_that_lag_are_told_unless_somebody_is_at_work() -> None:
    """With what brings them there."""
    chain = (replace(DECIDED, hosts={"web1": B, "web2": B}),)
    hosts = {"web1": GOOD, "web2": replace(GOOD, current=A, good=A, loaded=A)}
    page = status.page("production", "nginx", standing(hosts, chain, "nginx", False), "lock: none", "hint: repair")
    assert page.text.splitlines()[-3:] == [f"  web2{'':<21}{A}  verified  should run {B}", "lock: none", "hint: repair"]
    page = status.page("production", "nginx", standing(hosts, chain, "nginx", True), "lock: mine", "hint: repair")
    assert page.text.splitlines()[-1] == "lock: mine"


def test_a_host_in_json_is_plain() -> None:
    """Texts, numbers, lists and maps of them, as they always were."""
    page = status.page("production", "nginx", standing({"web1": GOOD}, (), "nginx", False), "lock: none", "")
    body: Any = json.loads(json.dumps(page.body))
    assert body["hosts"]["web1"]["change"] == ""
    assert {type(v) for v in body["hosts"]["web1"].values()} == {str, int, bool, list, dict}


@pytest.mark.parametrize("end", get_args(End))
def test_the_end_of_warming_decides_and_not_its_words(end: End) -> None:
    """Exit 1 for each but a warm cache and one that tells nothing; JSON has the words alone."""
    page = warm.page({"web1": WarmResult("web1").ended(end, "warm: not really")})
    body: Any = page.body
    assert page.code == (EXIT_DONE if end in ("warm", "untold") else EXIT_REFUSED)
    assert set(body["hosts"]["web1"]) == {"host", "number", "asked", "failed", "told", "hits", "total", "why"}


def test_a_host_that_was_not_warmed_is_cold() -> None:
    page = warm.page({"web1": HostError("warm: no")})
    assert (page.code, page.text) == (EXIT_REFUSED, f"web1{'':<21}not warmed: warm: no")


def test_doctor_ends_with_what_is_not_fine() -> None:
    page = doctor.page("production", {"web1": (Point("clock", False, "an hour late", "set it"),)})
    assert (page.code, page.text.splitlines()[-1].strip()) == (EXIT_REFUSED, "hint: set it")


@pytest.mark.parametrize(
    ("sign", "text", "fresh"),
    [
        (None, "300 s left", False),
        (Sign("x", NOW - 7), "seen alive 7 s ago", True),
        (Sign("x", NOW - FRESH), "seen alive 60 s ago", False),
        (Sign(), "its owner has gone: the next push takes it", False),
    ],
)
def test_who_holds_the_lock(sign: Sign | None, text: str, fresh: bool) -> None:
    """By the last sign of life, or by when it ends."""
    holder = same_deploy(Intent, DECIDED, at=NOW - 20, expires=NOW + 300)
    assert lock.status(holder, sign, NOW).text == f"lock: deploy 1-a by t since 20 s, {text}"
    assert (sign is not None and sign.fresh(NOW)) is fresh


@pytest.mark.parametrize(
    ("command", "previous", "release", "question"),
    [
        ("push", A, B, f"Deploy nginx {A} -> {B} on 1 hosts in PRODUCTION?"),
        ("push", "", B, f"Deploy nginx different releases -> {B} on 1 hosts in PRODUCTION?"),
        ("rollback", B, A, f"Roll back nginx on 1 hosts in PRODUCTION from {B} to {A}?"),
        ("rollback", "", A, f"Roll back nginx on 1 hosts in PRODUCTION to {A}?"),
        ("rollback", "", "", "Roll back nginx on 1 hosts in PRODUCTION to what the ledger says?"),
    ],
)
def test_the_question(command: Any, previous: str, release: str, question: str) -> None:
    """Before anything is changed, of a push and of each way back."""
    hosts = {"web1": HostPlan(Host("web1"), previous, release, {})}
    assert asked(Plan(command, "production", "nginx", release, previous, "", hosts, (("web1",),))) == question
