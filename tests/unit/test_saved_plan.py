"""A plan in a file is input: what is no plan is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.adapters.local.plan_file import plan_to_json, read_plan
from deployer.model.errors import InputError
from deployer.model.fleet import Fleet, Host
from deployer.model.plan import HostPlan, Plan

A, B = "aaaaaaaaaa-11111111", "bbbbbbbbbb-22222222"
HOST = Host("web1")
PLAN = Plan("push", "production", "nginx", B, A, "main", {"web1": HostPlan(HOST, A, B, {"a": "added"})}, (("web1",),))


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """As far as a push must do the same; a later version may say more."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({**plan_to_json(PLAN), "later": 1}))
    saved = read_plan(file)
    found = saved.on(Fleet({"web1": HOST}, {}))
    assert (found.release, found.waves, found.hosts) == (PLAN.release, PLAN.waves, PLAN.hosts)
    with pytest.raises(InputError, match="web1: not in the inventory"):
        saved.on(Fleet({}, {}))


@pytest.mark.parametrize(
    "change",
    [
        {"playbook": 1}, {"revision": None}, {"waves": "web1"}, {"waves": [[1]]}, {"hosts": []}, {"hosts": {"web1": {}}},
        {"hosts": {"web1": {"current": A, "target": B, "changes": {"a": "burnt"}}}},
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_no_plan(tmp_path: Path, change: dict[str, object]) -> None:
    """Types are what they are: a number is no name."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({**plan_to_json(PLAN), **change}))
    with pytest.raises(InputError, match="is not a plan"):
        read_plan(file)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_any_bytes_are_a_plan_or_an_error(tmp_path: Path, content: bytes) -> None:
    """However deep."""
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(InputError, match="is not a plan"):
        read_plan(tmp_path / "plan.json")
