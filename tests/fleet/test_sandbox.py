"""The sandbox itself: several at once on one machine do not get in each other's way."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.model.errors import DeployError
from deployer.sandbox import fleet, ports

TAKE = "from deployer.sandbox.ports import free_port; print(*(free_port() for _ in range(300))); input()"


def test_two_processes_never_get_the_same_port() -> None:
    """Even though none of them listens yet."""
    others = [subprocess.Popen([sys.executable, "-c", TAKE], stdin=-1, stdout=-1, text=True) for _ in range(3)]
    taken = [set(other.stdout.readline().split()) for other in others if other.stdout]
    for other in others:
        other.communicate("\n")
    assert all(len(found) == 300 for found in taken)
    assert len(set.union(*taken)) == 900


def test_a_port_comes_again_only_after_all_others_and_never_while_it_is_used() -> None:
    """One block is gone round; what listens is left out."""
    mine = ports.Ports()
    given = [mine.free()]
    while (port := mine.free()) not in given:
        given.append(port)
    assert port == given[0]
    assert len(given) > 0.9 * ports.BLOCK, "others on this machine may have a few of the block"
    with socket.create_server(("127.0.0.1", given[1])):
        assert mine.free() == given[2]


def test_an_origin_that_gets_no_port_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens there is another's: the fleet would have an origin that is none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(fleet, "free_port", lambda: taken.getsockname()[1])
        with pytest.raises(DeployError, match="its origin ended"), fleet.Sandbox(tmp_path / "fleet", count=1):
            pass
