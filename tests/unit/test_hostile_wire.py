"""The SSH wire against servers that keep no rule: bounded in time and in memory, whatever they do.

Each of these goes on until the test ends it; the tests' own limit is what a missing deadline runs into.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployer.adapters.local.deadline import Errands
from deployer.adapters.ssh.bounds import SLACK, WINDOW, BoundedPipe
from deployer.adapters.ssh.hosts import SshHosts
from deployer.adapters.ssh.transport import SshTransport
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.remote.verbs import Command
from tests.fakes import hostile_server as hostile

Handle = Callable[[socket.socket, threading.Event], None]


def wire_to(folder: Path, port: int) -> tuple[SshTransport, Host]:
    """A transport that knows the server's key, and the host behind it."""
    key = folder / "user_key"
    hostile.KEY.write_private_key_file(str(key))
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} ssh-rsa {hostile.KEY.get_base64()}\n")
    known = f"UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n"
    (folder / "ssh_config").write_text(f"Host *\n  {known}")
    wire = SshTransport(str(folder / "ssh_config"))
    return wire, Host("web1", "127.0.0.1", port, "root", key_file=str(key))


@pytest.mark.parametrize(
    ("handle", "why", "sent"),
    [
        (hostile.speaking(hostile.never_replies), "no answer within 8 s", True),
        (hostile.greets_for_ever, "connect", False),
        (hostile.greets_in_drips, "cannot connect", False),
        (hostile.announces_a_giant, "it announces a packet of 4294967", False),
    ],
    ids=["never replies", "greets for ever", "greets in drips", "a giant packet"],
)  # fmt: skip
def test_a_server_that_keeps_no_rule(tmp_path: Path, handle: Handle, why: str, sent: bool) -> None:
    """It is that host's result, in time, and the next host is not concerned."""
    with hostile.serving(handle) as server:
        wire, host = wire_to(tmp_path, server.port)
        with pytest.raises(Unreachable) as caught:
            wire.run(host, Command("read all of it", b"x" * 20_000_000, 8.0, most=1 << 40))
        assert why in caught.value.message
        assert caught.value.sent is sent
        wire.close()


def test_a_server_that_ignores_the_window(tmp_path: Path) -> None:
    """It sends while we send: nobody reads, so nothing would bound it. The connection ends with what was held by then."""
    with hostile.serving(hostile.speaking(hostile.ignores_the_window)) as server:
        wire, host = wire_to(tmp_path, server.port)
        done, broke = None, ""
        try:
            done = wire.run(host, Command("read nothing", b"x" * 20_000_000, 60.0, most=1 << 40))
        except Unreachable as error:  # it went before the command had begun
            broke = error.message
        assert done is not None or re.fullmatch(r"the connection broke: \S.*", broke)
        assert done is None or (done.exit is None and len(done.stdout) <= WINDOW + SLACK)
        wire.close()


def test_a_talk_with_one_that_never_replies(tmp_path: Path) -> None:
    """Starting it has the command's deadline."""
    with hostile.serving(hostile.speaking(hostile.never_replies)) as server:
        wire, host = wire_to(tmp_path, server.port)
        with pytest.raises(Unreachable, match=r"no (answer|connection) within 2 s"):
            wire.talk(host, Command("cat", b"", 2.0))
        wire.close()


def test_what_is_beyond_the_window_is_not_held() -> None:
    """A window is what may be unread."""
    pipe = BoundedPipe()
    pipe.feed(b"x" * (WINDOW + SLACK))
    with pytest.raises(Exception, match="more than it was asked for"):
        pipe.feed(b"x")
    assert len(pipe) == WINDOW + SLACK


def test_a_name_that_takes_for_ever_to_resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No library lets go of that wait; who asked goes on, and other hosts never noticed."""
    gate = threading.Event()
    monkeypatch.setattr("deployer.adapters.ssh.connect.resolve", lambda host, config: gate.wait(600))
    wire = SshTransport(str(tmp_path / "none"))
    with pytest.raises(Unreachable, match="no connection within 1 s") as caught:
        wire.run(Host("web1"), Command("true", b"", 1.0))
    assert not caught.value.sent
    gate.set()
    wire.close()


def test_a_second_command_does_not_wait_for_a_connection_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own deadline counts, not that of the command that is connecting."""
    gate, begun = threading.Event(), threading.Event()

    def resolve(host: Host, config: str) -> None:
        begun.set()
        gate.wait(600)

    monkeypatch.setattr("deployer.adapters.ssh.connect.resolve", resolve)
    wire = SshTransport(str(tmp_path / "none"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(wire.run, Host("web1"), Command("true", b"", 600.0))
        begun.wait()
        with pytest.raises(Unreachable, match="still being opened"):
            wire.run(Host("web1"), Command("true", b"", 1.0))
        wire.close()
        with pytest.raises(Unreachable):
            first.result()
    gate.set()


def test_an_errand_is_dropped_when_its_time_is_over() -> None:
    """Its value, its error; what comes late is nobody's."""
    errands, gate, severed = Errands(), threading.Event(), threading.Event()
    assert errands.within(60.0, lambda: 7, severed.set) == 7
    with pytest.raises(KeyError):
        errands.within(60.0, lambda: {}["x"], severed.set)
    assert not severed.is_set()
    with pytest.raises(TimeoutError):
        errands.within(0.05, lambda: gate.wait(600), severed.set)
    assert severed.is_set()
    gate.set()


class Breaking:
    """A wire that breaks after some of the command's time."""

    def __init__(self) -> None:
        self.time, self.deadlines = 0.0, list[float]()

    def now(self) -> float:
        return self.time

    def run(self, host: Host, command: Command, fresh: bool = False) -> object:
        self.deadlines.append(command.deadline)
        self.time += 14.5 if len(self.deadlines) > 2 else 9.0
        raise Unreachable("the connection broke", cut=True)


def test_a_connection_that_breaks_does_not_double_the_deadline() -> None:
    """The second try has what is left; where nothing is, there is none."""
    wire = Breaking()
    hosts = SshHosts(wire, "nginx", "/etc/nginx", lambda host, layout: "", now=wire.now)  # type: ignore[arg-type]
    for expected in ([15.0, 6.0], [15.0, 6.0, 15.0]):
        with pytest.raises(Unreachable):
            hosts.survey(Host("web1"))
        assert wire.deadlines == expected
