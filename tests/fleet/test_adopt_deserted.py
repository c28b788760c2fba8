"""The deployer is killed in the middle of adopt and unadopt: every host is as before or as after, whole, and asking
again brings it to its end. Killed on the host: tests/faults/adoption.py.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.sandbox.processes import processes
from tests.fleet.conftest import Fleet, eventually, make_fleet

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("deserted")]

NAMES = ("web1", "web2", "web3")
RESULTS = {"adopt": "deployed", "unadopt": "unadopted"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Three hosts, asked one after the other."""
    yield from make_fleet("nginx", 3)


def dest(fleet: Fleet, name: str) -> Path:
    return fleet.host(name).prefix / "etc/nginx"


def files(fleet: Fleet, name: str) -> dict[str, bytes]:
    """What its server would read; of a release without what is ours in it."""
    site = dest(fleet, name).resolve()
    found = {str(path.relative_to(site)): path for path in site.rglob("*") if path.is_file()}
    return {path: file.read_bytes() for path, file in found.items() if not path.startswith(".")}


def begun(fleet: Fleet, verb: str, name: str) -> bool:
    """Has the verb touched this host?"""
    return done(fleet, verb, name) or bool(at_work(fleet, verb, name))


def done(fleet: Fleet, verb: str, name: str) -> bool:
    site = dest(fleet, name)
    return site.is_symlink() if verb == "adopt" else site.is_dir() and not site.is_symlink()


def at_work(fleet: Fleet, verb: str, name: str) -> list[int]:
    """The agent's processes there that carry it out."""
    found = []
    for pid in processes(fleet.host(name).prefix):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if verb.encode() in words:
            found.append(pid)
    return found


MOMENTS: dict[str, Callable[[Fleet, str], bool]] = {
    "the first is begun": lambda fleet, verb: begun(fleet, verb, "web1"),
    "one is done": lambda fleet, verb: done(fleet, verb, "web1"),
    "two are done": lambda fleet, verb: done(fleet, verb, "web2"),
    "all are done": lambda fleet, verb: done(fleet, verb, "web3"),
}


@pytest.mark.parametrize("moment", [
    pytest.param(name, marks=[] if name == "one is done" else [pytest.mark.long]) for name in MOMENTS
])  # fmt: skip
@pytest.mark.parametrize("verb", ["adopt", "unadopt"])
def test_the_deployer_is_killed(fleet: Fleet, verb: str, moment: str) -> None:
    """Its retry ends it on every host and in the ledger, and the next command is as after one that nobody killed."""
    opposite = "unadopt" if verb == "adopt" else "adopt"
    code, body, err = fleet.deploy(opposite, "--yes")
    assert code == 0, (body, err)
    found = {name: files(fleet, name) for name in NAMES}
    child = fleet.start(verb, "--yes", "-f", "1")
    end = time.monotonic() + 90
    while not MOMENTS[moment](fleet, verb) and child.poll() is None:  # no sleep: the moment is short
        assert time.monotonic() < end, f"never: {moment}"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    for name in NAMES:
        eventually(lambda name=name: not at_work(fleet, verb, name), 60, f"{name} ends what it was told")  # type: ignore[misc]
    states = fleet.deploy("status")[1]["hosts"]
    for name in NAMES:
        assert files(fleet, name) == found[name], f"{name} has another tree"
        assert states[name]["adopted"] == dest(fleet, name).is_symlink(), states[name]
    code, body, err = fleet.deploy(verb, "--yes")
    assert code == 0, (body, err)
    assert all(done(fleet, verb, name) for name in NAMES)
    assert {name: files(fleet, name) for name in NAMES} == found
    code, body, err = fleet.deploy("status")
    assert (code, body["lagging"]) == (0 if verb == "adopt" else 4, {}), (body, err)
    last = fleet.deploy("history")[1]["deploys"][-1]
    assert (last["result"], set(last["hosts"])) == (RESULTS[verb], set(NAMES)), "the ledger has it"
