"""The rigs the contract suite runs on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.real import LocalTransport, RealRig, shell_folder
from tests.contract.rig import FakeRig, Rig

SHELLS = {"dash": "dash", "busybox": "busybox", "mksh": "mksh", "bash": "bash"}


@pytest.fixture(params=["fakes", *SHELLS])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A host that holds content and is not adopted yet."""
    if request.param == "fakes":
        yield FakeRig()
        return
    if shutil.which(SHELLS[request.param]) is None:
        pytest.skip(f"{request.param} is not installed here")
    folder = shell_folder(tmp_path / "bin", SHELLS[request.param])
    yield RealRig(tmp_path / "host", LocalTransport(folder))
