"""Every inventory gives what ansible-core gives, with its types, or is refused: never read by half."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ansible.ask import Referee, differences, needs_ansible, ours, pattern_differences, start
from tests.ansible.generate import made

EXAMPLES = int(os.environ.get("ANSIBLE_EXAMPLES", "150"))
LEAST_EQUAL = 0.5  # of the examples: a reader that refuses everything is no reader

pytestmark = needs_ansible


@pytest.fixture(scope="module")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Referee]:
    found = start(tmp_path_factory.mktemp("ansible"))
    yield found
    found.process.stdin.close()  # type: ignore[union-attr]
    found.process.wait()


def test_generated_inventories(referee: Referee, tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    """ANSIBLE_EXAMPLES of them; how many were equal and how many refused is told at the end."""
    seen: Counter[str] = Counter()
    whys: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**40))
    def compared(seed: int) -> None:
        root = tmp_path / "root"
        shutil.rmtree(root, ignore_errors=True)
        example = made(seed)
        for name, text in example.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        sources = [root / name for name in example.sources]
        fleet = ours(sources, root)
        if isinstance(fleet, str):
            seen["refused"] += 1
            whys[" ".join(fleet.split(": ", 1)[-1].split()[-4:])] += 1
            return
        said = referee.ask(sources, root, example.patterns)
        found = differences(fleet, said)
        found += pattern_differences(fleet, example.patterns, said["patterns"]) if "patterns" in said else []
        assert not found, "\n".join([*found, *(f"--- {name}\n{text}" for name, text in example.files.items())])
        seen["equal"] += 1

    compared()
    print(f"\n{seen['equal']} equal, {seen['refused']} refused; {whys.most_common(12)}")  # noqa: T201
    record_property("equal", seen["equal"])
    assert seen["equal"] >= LEAST_EQUAL * seen.total(), (seen, whys.most_common(20))
