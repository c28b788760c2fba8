"""The rigs the contract suite runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.rig import FakeRig, Rig


@pytest.fixture(params=["fakes"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A host that holds content and is not adopted yet."""
    return FakeRig()
