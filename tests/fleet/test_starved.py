"""A deployer that gets 5 % of a core blames no host: it is stopped for 950 of every 1000 ms while it measures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.fleet.conftest import CHECK, Fleet, make_fleet

pytestmark = [pytest.mark.long, pytest.mark.timeout(500), pytest.mark.xdist_group("starved")]
RUNS, STOPPED = 0.05, 0.95  # seconds


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Three hosts, judged by the probes alone, latency included."""
    yield from make_fleet("nginx", 3, CHECK.replace(", shadow: true", ""))


class Starved:
    """Holds a process to RUNS of each RUNS + STOPPED seconds, until the end of the block."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child, self._end = child, threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        while not self._end.wait(RUNS) and self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGSTOP)
                self._end.wait(STOPPED)
                os.kill(self._child.pid, signal.SIGCONT)

    def __enter__(self) -> Starved:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGCONT)


@pytest.mark.parametrize("since", ["baseline: ", "wave 1"])
def test_a_starved_deployer_blames_no_host(fleet: Fleet, since: str) -> None:
    """From the baseline on, or from the first host on that has the release. Whatever comes of it, it is not the
    release's fault: deployed, refused before any change, or taken back without a verdict and without quarantine."""
    fleet.playbook(bake="10s", confirm_timeout="60s")
    release = fleet.mark(f"starved-{since[:4]}")
    child = fleet.start("push", "nginx", "--yes", "--json")
    assert child.stderr is not None
    said: list[str] = []
    for line in child.stderr:
        said.append(line)
        if since in line:
            break
    with Starved(child):
        rest = threading.Thread(target=lambda: said.extend(child.stderr or ()))
        rest.start()
        out = child.stdout.read() if child.stdout else ""
        code = child.wait(400)
        rest.join()
    body, told = json.loads(out), "".join(said)
    verdict = body.get("verdict") or {}
    assert "Traceback" not in told
    assert body["result"] in ("deployed", "reverted", "refused"), told
    assert (code, verdict.get("ruling")) in ((0, "healthy"), (1, None), (3, "inconclusive")), (code, verdict, told)
    assert not [row for row in verdict.get("evidence", ()) if row["ruling"] == "regressed"]
    assert not any(name in str(verdict.get("because")) for name in ("web1", "web2", "web3")) or code == 0, verdict
    if code != 0:
        assert "this machine was too busy to measure" in f"{verdict.get('because')}{told}"
    again, body, _ = fleet.deploy("push", "nginx", "-r", release, "--yes")  # not quarantined
    assert (again, body["result"]) in ((0, "deployed"), (0, "unchanged"))
