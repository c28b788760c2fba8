"""Push on real sshd and nginx: what users are served is asked of the servers themselves."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox import repository
from tests.fleet.conftest import DEPLOY, Fleet, eventually

pytestmark = pytest.mark.timeout(600)


def test_plan_says_nothing_to_do_when_there_is_nothing(nginx: Fleet) -> None:
    """Changes: 2 with --detailed-exitcode; none: 0, and the words."""
    nginx.settled()
    nginx.mark("planned")
    assert nginx.deploy("plan", "--detailed-exitcode")[0] == 2
    nginx.settled()
    assert nginx.deploy("plan", "--detailed-exitcode")[0] == 0
    child = nginx.start("plan")
    assert "nothing to do" in child.communicate(timeout=200)[0]
    assert child.returncode == 0


def test_a_saved_plan_is_applied_exactly_or_refused(nginx: Fleet) -> None:
    """`plan -o` then `push FILE`; after something changed it is refused."""
    nginx.settled()
    nginx.mark("saved")
    assert nginx.deploy("plan", "-o", "plan.json")[0] == 0
    assert nginx.deploy("push", "plan.json", "--yes")[0] == 0
    assert nginx.served("web1") == "saved"
    code, body, _ = nginx.deploy("push", "plan.json", "--yes")
    assert code == 1
    assert "changed since" in body["error"]["message"]


def test_the_founding_incident_is_undone_on_the_canary(nginx: Fleet) -> None:
    """Exit 3; the others never had it; the same revision is refused afterwards."""
    nginx.settled()
    before = nginx.currents()
    repository.commit_edit(nginx.sandbox, "incident")
    try:
        code, body, _ = nginx.deploy("push", "--yes")
        assert (code, body["result"]) == (3, "reverted")
        assert body["verdict"]["ruling"] == "regressed"
        assert "refetch_miss" in body["verdict"]["because"]
        assert {n: h["state"] for n, h in body["hosts"].items()} == {
            "web1": "reverted",
            "web2": "untouched",
            "web3": "untouched",
        }
        assert all(h["verified"] for h in body["hosts"].values())
        assert nginx.currents() == before
        events = (nginx.root("web2") / "events").read_text()
        assert f"switched deploy={body['deploy']}" not in events
        assert nginx.deploy("push", "--yes")[0] == 1
    finally:
        repository.git(nginx.sandbox.config, "revert", "--no-edit", "HEAD")
    assert nginx.deploy("plan", "--detailed-exitcode")[0] == 0, "reverting the commit gives back the old release"


def test_a_cache_path_that_no_reload_makes_live_is_refused(nginx: Fleet) -> None:
    """`nginx -t` and the reload both accept it and it is never live: known before, so neither plan nor push goes on."""
    mark = nginx.settled()
    before = nginx.currents()
    repository.commit_edit(nginx.sandbox, "moved")
    for words in (["plan"], ["push", "--yes"]):
        code, body, _ = nginx.deploy(*words)
        assert code == 1
        assert "web1, web2, web3: the directory or levels of cache zone shop change" in body["error"]["message"]
        assert "restart: allow" in body["error"]["hint"]
    assert nginx.currents() == before
    assert nginx.deploy("lock", "status")[1]["lock"] is None
    nginx.playbook(restart="allow")
    plan = nginx.deploy("plan")[1]
    assert {host["action"] for host in plan["hosts"].values()} == {"restart"}, "the host itself says what it would take"
    assert all("cache zone shop" in host["cold"] for host in plan["hosts"].values())
    assert "the cache is lost and nothing warms it" in plan["warnings"][-1]
    nginx.playbook(restart="never")
    repository.git(nginx.sandbox.config, "revert", "--no-edit", "HEAD")
    assert nginx.deploy("status")[0] == 0
    assert nginx.served("web1") == mark


def test_another_cache_key_is_a_cold_cache_and_said_so(nginx: Fleet) -> None:
    """A reload, but nothing in the cache is found any more: plan says it, and what nothing warms is warned of."""
    repository.commit_edit(nginx.sandbox, "hit_ratio")
    plan = nginx.deploy("plan")[1]
    repository.git(nginx.sandbox.config, "revert", "--no-edit", "HEAD")
    assert {(host["action"], host["cold"]) for host in plan["hosts"].values()} == {("reload", "the cache key changes")}
    assert "the cache is lost and nothing warms it" in plan["warnings"][-1]


def test_what_the_validator_refuses_is_activated_nowhere(nginx: Fleet) -> None:
    """Exit 1 with file and line; the lock is given back."""
    before = nginx.currents()
    repository.commit_edit(nginx.sandbox, "syntax")
    code, body, _ = nginx.deploy("push", "--yes")
    repository.git(nginx.sandbox.config, "revert", "--no-edit", "HEAD")
    assert code == 1
    assert "conf.d/shop.conf:" in body["error"]["message"]
    assert nginx.currents() == before
    assert nginx.deploy("lock", "status")[1]["lock"] is None


def in_mid_wave(fleet: Fleet, mark: str) -> subprocess.Popen[str]:
    """A push that is baking on the canary."""
    fleet.mark(mark)
    fleet.playbook(bake="10s")
    child = fleet.start("push", "--yes")
    eventually(lambda: fleet.served("web1") == mark, 90, "the canary serves the new release")
    return child


@contextlib.contextmanager
def held(fleet: Fleet, name: str) -> Iterator[None]:
    """That host's watchdog does nothing: what is asked is asked before it acts, on a busy machine, too."""
    record = dict(line.split("=", 1) for line in (fleet.root(name) / "state").read_text().splitlines())
    pid = int((fleet.root(name) / f"wd.{record['deploy']}").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_sigkill_in_mid_wave(nginx: Fleet) -> None:
    """Nobody confirms: the canary is back by confirm_timeout, with the reload done, and status tells the truth."""
    mark = nginx.settled()
    child = in_mid_wave(nginx, "orphan")
    os.kill(child.pid, signal.SIGKILL)
    with held(nginx, "web1"):
        child.communicate()
        nginx.playbook(bake="2s")
        code, body, _ = nginx.deploy("status")
        assert (code, body["hosts"]["web1"]["phase"]) == (4, "pending")
    eventually(lambda: nginx.served("web1") == mark, 12 + 5, "the old release is served again")
    eventually(lambda: nginx.deploy("status")[0] == 0, 10, "and that is proven")
    body = nginx.deploy("status")[1]
    assert body["hosts"]["web1"]["outcome"] == "reverted"
    code, body, _ = nginx.deploy("push", "--yes")
    if code == 5:  # who is dead is not known yet; on a machine that was busy for more than a minute it is
        assert "seen alive" in body["error"]["message"]
        assert nginx.deploy("lock", "release", "--yes")[0] == 0
        code = nginx.deploy("push", "--yes")[0]
    assert code == 0
    assert nginx.served("web3") == "orphan"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_lock_of_a_killed_deployer_is_free_by_itself(nginx: Fleet) -> None:
    """Nobody releases it: the next push is told to wait, and then takes it."""
    nginx.settled()
    child = in_mid_wave(nginx, "heir")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    nginx.playbook(bake="2s")
    codes: set[int] = set()

    def pushed() -> bool:
        code = nginx.deploy("push", "--yes")[0]
        codes.add(code)
        return code not in (1, 5)  # 1: the canary is pending until its lease ends

    eventually(pushed, 80, "the lock is free")  # confirm_timeout + 60 s
    assert codes - {1, 5} == {0}
    assert nginx.served("web3") == "heir"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_in_mid_wave(nginx: Fleet, number: signal.Signals) -> None:
    """Ctrl-C, and a CI job that is cancelled: what is pending is put back, exit 130."""
    mark = nginx.settled()
    child = in_mid_wave(nginx, "interrupted")
    os.killpg(child.pid, number)
    child.communicate(timeout=200)
    nginx.playbook(bake="2s")
    assert child.returncode == 130
    assert nginx.deploy("lock", "status")[1]["lock"] is None
    assert nginx.served("web1") == mark
    assert nginx.deploy("status")[0] == 0


def test_nobody_reads_the_progress_any_more(nginx: Fleet) -> None:
    """`2>&1 | head` ended, a terminal is gone: what is done, and the exit code, do not depend on it."""
    nginx.settled()
    for change, code in (
        (lambda: nginx.mark("unwatched"), 0),
        (lambda: repository.commit_edit(nginx.sandbox, "incident"), 3),
    ):
        change()
        child = nginx.start("push", "--yes", "--output", "plain", "--allow-quarantined")
        assert child.stderr is not None
        assert child.stdout is not None
        child.stderr.readline()
        child.stderr.close()
        child.stdout.close()
        assert child.wait(120) == code
        assert nginx.served("web3") == "unwatched"
        assert nginx.deploy("lock", "status")[1]["lock"] is None
    repository.git(nginx.sandbox.config, "revert", "--no-edit", "HEAD")


def test_the_terminal_is_gone(nginx: Fleet) -> None:
    """The window is closed, ssh to the jump host breaks: hung up by the shell and by the kernel, nowhere to write to.
    Hosts are put back at once, not left to their watchdogs, and it is recorded."""
    mark = nginx.settled()
    nginx.mark("closed")
    nginx.playbook(bake="10s", confirm_timeout="600s")  # no watchdog takes part
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [*DEPLOY, "push", "--yes", "--output", "plain"],
        cwd=nginx.sandbox.config,
        env={**nginx.sandbox.environ(), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(slave)
    eventually(lambda: nginx.served("web1") == "closed", 90, "the canary serves the new release")
    child.send_signal(signal.SIGHUP)
    said = b""
    while b"putting 1 host(s) back" not in said:
        said += os.read(master, 4096)
    os.close(master)  # the second one
    eventually(lambda: nginx.served("web1") == mark, 20, "it is put back")
    eventually(lambda: nginx.deploy("lock", "status")[1]["lock"] is None, 30, "recorded")
    nginx.playbook(bake="2s", confirm_timeout="12s")
    assert nginx.deploy("history")[1]["deploys"][-1]["result"] == "interrupted"
    child.wait(30)


def test_interrupted_after_the_decision(nginx: Fleet) -> None:
    """What is decided is finished: exit 0, recorded, the lock given back."""
    nginx.settled()
    nginx.mark("decided")
    child = nginx.start("push", "--yes", "--output", "plain")
    assert child.stderr is not None
    for line in child.stderr:
        if "confirm: confirming" in line:
            os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=200)
    assert child.returncode == 0
    assert nginx.served("web3") == "decided"
    assert nginx.deploy("history")[1]["deploys"][-1]["result"] == "deployed"
    assert nginx.deploy("lock", "status")[1]["lock"] is None


def test_abort_from_another_terminal(nginx: Fleet) -> None:
    """What a stopped deployer left pending is reverted by hand; woken up, it does not confirm."""
    mark = nginx.settled()
    child = in_mid_wave(nginx, "aborted")
    os.kill(child.pid, signal.SIGSTOP)
    assert nginx.deploy("abort", "--yes")[0] == 0
    assert nginx.served("web1") == mark
    os.kill(child.pid, signal.SIGCONT)
    child.communicate(timeout=300)
    nginx.playbook(bake="2s")
    assert child.returncode == 3
    assert nginx.served("web1") == mark


def test_two_pushes_at_once(nginx: Fleet) -> None:
    """Exactly one proceeds; the other exits 5 naming the holder."""
    nginx.settled()
    nginx.mark("two")
    children = [nginx.start("push", "--yes", "--json", DEPLOY_WHO=f"worker{n}") for n in (1, 2)]
    ends = [(*child.communicate(timeout=300), child.returncode) for child in children]
    codes = sorted(code for *_, code in ends)
    assert codes == [0, 5], ends
    loser = next(out for out, _, code in ends if code == 5)
    assert "holds the lock" in loser
    assert "worker" in loser
    assert nginx.served("web3") == "two"
