"""nginx alone: what it has after a reload that it refused, and after reloads that were not ours, on the real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.sandbox.servers import dest
from tests.fleet.conftest import eventually
from tests.fleet.phrases import Phrases, phrases

pytestmark = [pytest.mark.xdist_group("nginx")]
SHELLS = ["sh", "busybox", "mksh", "bash"]
PORT = "conf__d___port__conf"


@pytest.fixture(scope="module")
def nginx() -> Iterator[tuple[Phrases, str]]:
    """One real nginx and the name of its first release."""
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))
    try:
        with phrases(folder, "nginx") as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settled(nginx: tuple[Phrases, str]) -> Iterator[tuple[Phrases, str]]:
    """On the first release before and after, whatever the test did."""
    one, first = nginx
    assert one.take(first) == ""
    yield one, first
    assert one.take(first, "reload" if one.call("service_running").returncode == 0 else "start") == ""
    assert one.loaded == first


def master(one: Phrases) -> int:
    return int(next(one.host.prefix.glob("**/nginx.pid")).read_text())


def workers(one: Phrases) -> set[str]:
    """Pids of those that accept connections."""
    pids = Path(f"/proc/{master(one)}/task/{master(one)}/children").read_text().split()
    titles = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it may be gone by now
            titles[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return {pid for pid, title in titles.items() if b"worker process" in title and b"shutting down" not in title}


def by_hand(one: Phrases) -> None:
    """A reload that the deployer did not ask for: certbot, logrotate, a person."""
    old = workers(one)
    os.kill(master(one), signal.SIGHUP)
    eventually(lambda: bool(workers(one)) and not workers(one) & old, 20, "the workers were replaced")


def with_port(one: Phrases, first: str, port: int) -> str:
    return one.release(first, **{PORT: ("", f"server {{ listen 127.0.0.1:{port}; }}\n")})


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_a_release_that_it_refused_leaves_what_it_had(settled: tuple[Phrases, str], taken_port: int) -> None:
    """The port of another process: it tries for seconds, says so, and goes on; that is known, and nothing is to undo."""
    one, first = settled
    boss, crew = master(one), workers(one)
    why = one.take(with_port(one, first, taken_port))
    assert "bind()" in why
    assert one.loaded == first
    assert (master(one), workers(one)) == (boss, crew)


def test_the_errors_of_the_attempt_before_are_not_this_ones(settled: tuple[Phrases, str], taken_port: int) -> None:
    """A reload is asked for while nginx still tries to bind for the one before: it is waited for, then it counts."""
    one, first = settled
    one.switch(with_port(one, first, taken_port))
    os.kill(master(one), signal.SIGHUP)
    assert one.take(first) == ""
    assert one.loaded == first


@pytest.mark.parametrize("shell", SHELLS)
def test_a_reload_by_hand_of_the_same_content_is_known(settled: tuple[Phrases, str], shell: str) -> None:
    """Nothing on the disk was touched since, so that is what the new workers have."""
    one, first = settled
    for changes in (by_hand, start_anew):
        changes(one)
        assert one.call("service_loaded", shell=shell).stdout.strip() == first


def edited(one: Phrases, then: Callable[[Phrases], None]) -> None:
    """An edit of the live file that takes effect and is taken back on the disk only."""
    file = one.root / "current/nginx.conf"
    usual = file.read_text()
    file.write_text(usual + "# by hand\n")
    then(one)
    file.write_text(usual)


def start_anew(one: Phrases) -> None:
    """Stopped and started by a person."""
    boss = master(one)
    os.kill(boss, signal.SIGTERM)
    eventually(lambda: one.call("service_running").returncode != 0, 10, "nginx is gone")
    assert one.call("run_nginx", "-c", f"{one.host.prefix}{dest('nginx')}/nginx.conf").returncode == 0
    eventually(lambda: one.call("service_running").returncode == 0 and bool(workers(one)), 10, "nginx runs again")


def test_an_edit_that_was_loaded_and_taken_back_is_not_the_release(settled: tuple[Phrases, str]) -> None:
    """The files are as they should be, the process is not: unproven, until it is reloaded."""
    one, first = settled
    edited(one, lambda one: None)
    assert one.loaded == first, "the workers are those that took the release"
    for changes in (by_hand, start_anew):
        edited(one, changes)
        assert one.loaded == ""
        assert one.take(first) == ""
        assert one.loaded == first


def test_a_worker_that_died_is_no_reload(settled: tuple[Phrases, str]) -> None:
    one, first = settled
    pid = min(workers(one))
    os.kill(int(pid), signal.SIGKILL)
    eventually(lambda: bool(workers(one)) and pid not in workers(one), 10, "another one came")
    assert one.loaded == first


def test_what_an_older_version_remembered_still_counts(settled: tuple[Phrases, str]) -> None:
    """Three words: the release, the master, its start."""
    one, first = settled
    file = one.root / "loaded"
    file.write_text(" ".join(file.read_text().split()[:3]) + "\n")
    assert one.loaded == first


@pytest.mark.parametrize("shell", SHELLS)
def test_workers_without_a_master_give_their_port_up(settled: tuple[Phrases, str], shell: str) -> None:
    """A master that was killed leaves workers that serve on and hold the port: a start is the way back all the same."""
    one, first = settled
    boss, left = master(one), workers(one)
    os.kill(boss, signal.SIGKILL)
    eventually(lambda: one.call("service_running").returncode != 0, 20, "the master is gone")
    assert all(Path(f"/proc/{pid}").exists() for pid in left), "its workers live on"
    done = one.call("service_start", first, shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert one.loaded == first
    assert not workers(one) & left
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), 20, "they ended")
