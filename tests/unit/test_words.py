"""A command line that every login shell hands to sh as it is."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.adapters.ssh.exchange import exchange
from deployer.model.errors import DeployError
from deployer.remote.verbs import Command
from deployer.remote.words import BEGINS, FRAME, answer_in, for_login_shell, without_login
from deployer.sandbox import binaries

SHELLS = ["sh", "bash", "busybox", "mksh", "zsh", "fish", "tcsh", "bsd-csh"]
ODD = r"""printf '%s|' 'a!b' "it's" '\\' '\n' '\047' "$#" "x
y" '~' '{a,b}' '*' '#c' 'é' '%d' '^x' '$$' `echo one`; cat; exit 7"""


def shell(name: str) -> list[str]:
    """Its words up to the command; the test is skipped where it cannot be had."""
    try:
        return [binaries.find(name), *(["sh"] if name == "busybox" else []), "-c"]
    except DeployError as error:
        pytest.skip(f"no {name} here ({error.message}): apt-get install {binaries.packages_of(name)[0]}")


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("times", [1, 300], ids=["short", "long"])
def test_every_login_shell_gives_it_to_sh(name: str, times: int) -> None:
    """Everything that some shell reads in its own way; a long line, too, of which a csh takes no word whole."""
    line = ": '" + "word!\n" * (times - 1) + "'\n" + ODD
    meant = subprocess.run(["sh", "-c", line], input=b"input", capture_output=True, check=False)
    assert b"a!b|it's|" in meant.stdout
    assert meant.stdout.endswith(b"input")
    done = subprocess.run([*shell(name), for_login_shell(line)], input=b"input", capture_output=True, check=False)
    assert answer_in(done.stdout) == (b"", meant.stdout)
    assert (done.returncode, without_login(done.stderr)) == (7, b"")


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=400))
def test_no_character_is_lost(text: str) -> None:
    """Whatever stands in it, in whatever piece it falls. sh has no word for a last newline here."""
    line = "printf '%s' '" + text.replace("'", "'\\''") + "'"
    done = subprocess.run(["sh", "-c", for_login_shell(line)], capture_output=True, check=True)
    found = answer_in(done.stdout)
    assert found is not None
    assert found[1] == text.encode()


def test_what_login_files_print_is_set_aside() -> None:
    """Also an unfinished line, and a complaint on the other stream; what looks like an answer is none."""
    assert answer_in(b'Welcome{"ok": true}\n' + b"\n" + BEGINS.encode() + b"\nanswer") == (
        b'Welcome{"ok": true}\n',
        b"answer",
    )
    assert answer_in(b"Welcome\n") is None
    assert without_login(b"stty: not a terminal\n" + BEGINS.encode() + b"\nours\n") == b"ours\n"
    assert without_login(b"only theirs") == b"only theirs"


class Early:
    """A channel on which all of stderr is there before the first bytes of stdout are looked at."""

    exit_status = 0

    def __init__(self) -> None:
        self.out, self.err = [FRAME + b"ok\n"], [FRAME + b"it failed\n"]
        self.status_event = threading.Event()
        self.status_event.set()

    def settimeout(self, seconds: float) -> None: ...

    def exec_command(self, line: str) -> None: ...

    def shutdown_write(self) -> None: ...

    def sendall(self, text: bytes) -> None: ...

    def recv(self, most: int) -> bytes:
        return self.out.pop(0) if self.out else b""

    def recv_stderr_ready(self) -> bool:
        return bool(self.err)

    def recv_stderr(self, most: int) -> bytes:
        return self.err.pop(0)


def test_what_is_said_on_stderr_at_once_is_kept() -> None:
    """It came with the mark on stdout, and was thrown away with what login files say."""
    done = exchange(cast(Any, Early()), Command("x"), time.monotonic() + 5.0)
    assert (done.stdout, done.stderr) == (b"ok\n", b"it failed\n")
