"""Real signals: thrown before the engine runs, counted from then on; whoever waits wakes up; --json always answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import fields

import pytest

from deployer.adapters.local import signals
from deployer.adapters.local.signals import HEARD, Signals
from deployer.model.outcome import Outcome

FOREVER = 60.0  # seconds that no test waits for


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Signals]:
    """Heard by a new one, each signal for itself; the handlers before are put back."""
    monkeypatch.setattr(signals, "SAME", 0.0)
    before = {number: signal.getsignal(number) for number in HEARD}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    heard = Signals()
    heard.install()
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def strike(number: int = signal.SIGINT) -> threading.Timer:
    """The process is hit in a moment, while the main thread waits."""
    timer = threading.Timer(0.1, os.kill, (os.getpid(), number))
    timer.start()
    return timer


def test_before_the_engine_runs_it_is_thrown_and_not_lost(stop: Signals) -> None:
    """Whoever swallows it: it is counted all the same."""
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked() == 1


def test_waiting_for_hosts_ends(stop: Signals) -> None:
    """The first one, or the second where only that counts."""
    stop.count_only()
    strike()
    stop.wait([Future()], 1)
    assert stop.asked() == 1
    strike(signal.SIGTERM)
    stop.wait([Future()], 2)
    assert stop.asked() == 2


def test_a_sleep_ends(stop: Signals) -> None:
    stop.count_only()
    timer = strike()
    stop.sleep(FOREVER)
    assert stop.asked() == 1
    timer.join()


def test_what_is_done_is_not_waited_for(stop: Signals) -> None:
    """Finished before, and finished while it waits."""
    stop.count_only()
    done, soon = Future[int](), Future[int]()
    done.set_result(1)
    threading.Timer(0.1, soon.set_result, (2,)).start()
    stop.wait([done, soon], 1)
    assert (soon.result(), stop.asked()) == (2, 0)


def test_the_third_ends_the_program(stop: Signals) -> None:
    """Nothing may hold a person for ever."""
    stop.count_only()
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_question_ends(stop: Signals) -> None:
    """And what comes after it is only counted again."""
    stop.count_only()
    with pytest.raises(KeyboardInterrupt), stop.throwing():
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.asked() == 2


def test_one_request_told_twice_is_one(stop: Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper hands on what the terminal sent already; a hangup comes from the shell and from the kernel."""
    stop.count_only()
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGHUP)
    assert stop.asked() == 1
    monkeypatch.setattr(signals, "SAME", 3600.0)
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.asked() == 1


@pytest.mark.parametrize("number", HEARD)
def test_early_with_json_there_is_an_object(number: signal.Signals) -> None:
    """Exit 130, and every key of the closing object."""
    script = f"""
import os, sys
from deployer import cli

def main(*words, **options):
    os.kill(os.getpid(), {number.value})

cli.cli.main = main
sys.argv = ["deploy", "push", "--json"]
cli.main()
"""
    command = ["env", "--default-signal=HUP,INT", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    body = json.loads(done.stdout)
    assert body["result"] == "interrupted"
    assert {field.name for field in fields(Outcome)} - {"hint"} <= set(body)
