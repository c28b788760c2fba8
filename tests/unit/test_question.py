"""A question on a real terminal: what was typed before it stood there is no answer."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

ASKS = """
import sys
sys.stdin.readline()
from deployer.wiring.consent import yes_to
print("ready", flush=True)
sys.stderr.flush()
print("answer", yes_to("Deploy?"), flush=True)
"""


@pytest.mark.parametrize(("early", "late", "answer"), [("y", "n", False), ("", "y", True), ("y", "y", True)])
def test_an_early_answer_is_none(early: str, late: str, answer: bool) -> None:
    """early: typed while hosts were still surveyed; late: when the question stood there."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", ASKS], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    os.write(ours, b"go\n" + (f"{early}\n".encode() if early else b""))
    seen = b""
    while b"Deploy? [y/N]" not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, f"{late}\n".encode())
    while b"answer True" not in seen and b"answer False" not in seen:
        seen += os.read(ours, 1000)
    child.wait()
    os.close(ours)
    assert f"answer {answer}".encode() in seen
