"""A sample of script/faults with every run of the tests: kills at changes to files, and a few cells of the matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.crash import Bench, Case, bench, cannot_trace, sample
from tests.faults.fleet import FaultFleet, fault_fleet
from tests.faults.injections import FAULTS, SAMPLE
from tests.faults.matrix import try_cell
from tests.faults.oracle import fingerprint, unsound
from tests.faults.powercut import CONTROLS, Cut, campaign, why_not

BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def tools() -> Iterator[Bench]:
    if reason := cannot_trace():
        pytest.skip(reason)
    with bench(workers=5) as found:
        yield found


@pytest.mark.xdist_group("crash")
@pytest.mark.parametrize("case", sample(), ids=str)
def test_killed_at_a_change_to_a_file(tools: Bench, case: Case) -> None:
    """Whatever dies wherever: the old release or the new one, whole, and ready for the next deploy."""
    tally = tools.run(case, every=case.every)
    assert tally.killed >= 3
    assert not tally.violations


@pytest.mark.xdist_group("crash")
def test_a_power_cut_and_its_control(tools: Bench) -> None:
    """What was synced is there; with `sync` stubbed something must be lost, or this proves nothing."""
    if reason := why_not():
        pytest.skip(reason)
    assert not campaign(tools, Cut(CONTROLS[0].options, CONTROLS[0].delay), every=40).violations
    assert campaign(tools, CONTROLS[0], every=40).violations


@pytest.fixture(scope="module")
def fleet() -> Iterator[FaultFleet]:
    with fault_fleet() as found:
        yield found


@pytest.mark.xdist_group("matrix")
@pytest.mark.parametrize(("command", "fault", "step"), SAMPLE)
def test_a_cell(fleet: FaultFleet, command: str, fault: str, step: str) -> None:
    """All hosts on one verified release that fits the exit code, or every exception named. Deadlines are for
    `script/faults`, on a machine that has nothing else to do."""
    result = try_cell(fleet, BY_NAME[fault], command, step)
    assert not result.skipped, result.skipped
    assert not result.violations


@pytest.mark.xdist_group("matrix")
def test_the_judge_sees_what_is_wrong(fleet: FaultFleet) -> None:
    """A checker that calls everything sound would make every cell green."""
    fleet.reset("before")
    root = fleet.root("web1")
    assert unsound(root, fleet.serves("web1"), {fleet.old}) == []
    assert unsound(root, fleet.new, {fleet.old}), "the process runs something else"
    assert unsound(root, fleet.old, {fleet.new}), "the wrong release"
    before = fingerprint(root)
    file = root / "releases" / fleet.old / "nginx.conf"
    file.write_text(file.read_text() + "#\n")
    assert unsound(root, fleet.old, {fleet.old}), "a file differs from its checksum"
    assert fingerprint(root) != before
    (root / "current").unlink()
    (root / "current").symlink_to(f"releases/{fleet.new}")
    assert unsound(root, fleet.old, {fleet.old}), "the links differ"
