"""What is read of a process in the middle of something is not known yet: it is asked again, never concluded from."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.model.sh import shipped
from deployer.services import SERVICES
from deployer.services.base import PROCESSES, ServiceSettings
from tests.fakes import haproxy
from tests.unit.test_services import shell

TELLS = "|type=m;desc=master;pid=1;reloads=1;timestamp=0|type=w;desc=worker;pid=2"


@contextlib.contextmanager
def master(folder: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """The stand-in for a master on FOLDER/haproxy.cfg, ready."""
    (folder / "haproxy.cfg").write_text("global\n")
    names = {"HAPROXY_MWORKER": "1", "HAPROXY_MWORKER_WAIT_ONLY": "1", "HAPROXY_PROCESSES": TELLS, **environ}
    words = ["haproxy", "-S", str(haproxy.__file__), "-f", str(folder / "haproxy.cfg")]
    child = subprocess.Popen(words, executable=sys.executable, env=names, start_new_session=True)
    try:
        end = time.monotonic() + 20
        while not (folder / "ready").exists():
            assert time.monotonic() < end, "the stand-in is ready"
            time.sleep(0.01)
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def phrase(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """One line of the phrasebook's functions."""
    settings = ServiceSettings(str(folder), str(folder), "", {"haproxy_bin": "true"})
    return shell(SERVICES["haproxy"].script(settings) + line)


def test_a_master_in_the_middle_of_an_exec_is_waited_for(tmp_path: Path) -> None:
    """Without command line and environment for a second: it did not die, and the reload is proven after it."""
    with master(tmp_path, EXEC="1") as child:
        done = phrase(tmp_path, "service_reload one")
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "loaded").read_text().startswith("one ")
        assert child.poll() is None


def test_a_master_that_does_not_catch_the_signal_yet_is_not_killed_by_it(tmp_path: Path) -> None:
    """SIGUSR2 ends a process that has no handler for it: none is sent before there is one."""
    with master(tmp_path, EXEC="0.1", DEAF="2") as child:
        done = phrase(tmp_path, "service_reload one")
        assert (done.returncode, done.stderr) == (0, "")
        assert child.poll() is None


def test_a_master_that_never_catches_the_signal_is_sent_none(tmp_path: Path) -> None:
    """Refused, and alive."""
    with master(tmp_path, EXEC="0.1", DEAF="60") as child:
        done = phrase(tmp_path, "limit() { clock; end=$up; }; service_reload one")
        assert done.returncode == 1
        assert "catches no SIGUSR2: nothing was sent" in done.stderr
        assert child.poll() is None


@pytest.mark.parametrize("function", ["service_running", f"service_check {Path('/')}", "boss"])
def test_a_master_in_the_middle_of_an_exec_is_there(tmp_path: Path, function: str) -> None:
    """Not taken for none, which would start a second one, nor for one without a master process."""
    with master(tmp_path, EXEC="1") as child:
        phrase(tmp_path, 'limit 5; settle "$(boss)"')
        child.send_signal(signal.SIGUSR2)
        done = phrase(tmp_path, function.replace(" /", f" '{tmp_path}'"))
        assert (done.returncode, done.stderr) == (0, "")


def test_a_master_that_dies_of_the_reload_is_not_waited_for(tmp_path: Path) -> None:
    """Also while nobody has taken its exit code: a zombie is nobody."""
    with master(tmp_path, DIES="1"):
        phrase(tmp_path, 'limit 5; settle "$(boss)"')
        done = phrase(tmp_path, "service_reload one; clock; [ $up -lt $((end - 5)) ] && echo early >&2")
        assert done.stderr.startswith("haproxy died of the reload")
        assert "early" in done.stderr


def test_what_has_no_command_line_for_good_is_not_waited_for(tmp_path: Path) -> None:
    """A zombie, a thread of the kernel and a process that is gone: no pause is made for them."""
    child = subprocess.Popen(["true"])
    end = time.monotonic() + 20
    while " Z " not in Path(f"/proc/{child.pid}/stat").read_text():
        assert time.monotonic() < end, "it ended"
        time.sleep(0.01)
    script = (
        shipped("deployer.services", PROCESSES)
        + 'pause() { echo paused; }\nfor pid in "$@" 4000000; do words "$pid"; done'
    )
    kernel = [p.parent.name for p in Path("/proc").glob("[0-9]*/status") if not (p.parent / "cmdline").read_bytes()]
    assert shell(script, str(child.pid), *kernel[:3]).stdout == ""
    child.wait()


@pytest.mark.parametrize(("does", "waits"), [("while True: pass", False), ("time.sleep(60)", True)])
def test_a_process_that_runs_does_not_wait(does: str, waits: bool) -> None:
    """It may have taken a signal a moment ago and not have begun with it."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; print(flush=True)\n{does}"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        line = f"limit {60 if waits else 3}; until waits {child.pid} || ! in_time; do :; done; waits {child.pid} && echo waits || echo runs"
        assert shell(shipped("deployer.services", PROCESSES) + line).stdout.strip() == ("waits" if waits else "runs")
    finally:
        child.kill()
        child.wait()
