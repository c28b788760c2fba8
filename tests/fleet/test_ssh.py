"""The SSH wire against real sshd: strict keys on every hop, deadlines on everything."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deployer.adapters.ssh.transport import SshTransport
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.remote import verbs
from deployer.remote.verbs import Command
from deployer.sandbox.fleet import Sandbox
from deployer.sandbox.ports import free_port
from tests.fleet.conftest import eventually, let_go, until

pytestmark = pytest.mark.xdist_group("ssh")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Sandbox]:
    """Three sshd, nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="ssh-"))
    with Sandbox(folder, 3, service="") as sandbox:
        yield sandbox
    shutil.rmtree(folder, ignore_errors=True)


def host(fleet: Sandbox, number: int = 0, **changes: object) -> Host:
    there = fleet.hosts[number]
    words = {"address": "127.0.0.1", "port": there.ssh_port, "user": getpass.getuser()}
    return Host(f"web{number}", **{**words, "key_file": str(fleet.folder / "user_key"), **changes})  # type: ignore[arg-type]


@pytest.fixture
def wire(fleet: Sandbox) -> Iterator[SshTransport]:
    transport = SshTransport(str(fleet.folder / "ssh_config"))
    yield transport
    transport.close()


def config(fleet: Sandbox, folder: Path, known: str, extra: str = "") -> SshTransport:
    """A transport with another known_hosts and further configuration."""
    (folder / "known_hosts").write_text(known)
    text = (
        (fleet.folder / "ssh_config")
        .read_text()
        .replace(str(fleet.folder / "known_hosts"), str(folder / "known_hosts"))
    )
    (folder / "ssh_config").write_text(extra + text)
    return SshTransport(str(folder / "ssh_config"))


def known(fleet: Sandbox) -> list[str]:
    return (fleet.folder / "known_hosts").read_text().splitlines(True)


def test_everything_on_stdin_and_both_streams_back(fleet: Sandbox, wire: SshTransport) -> None:
    """A megabyte through one exec, the exit code, stderr apart."""
    done = wire.run(host(fleet), Command("wc -c; echo oops >&2; exit 7", b"x" * 1_000_000))
    assert (done.exit, done.stdout.strip(), done.stderr) == (7, b"1000000", b"oops\n")


def transport_of(wire: SshTransport) -> Any:
    """paramiko's, of the connection that is held to the first host."""
    return wire._connections["web0"].connection.client.get_transport()


def test_one_connection_is_held_and_fresh_makes_another(fleet: Sandbox, wire: SshTransport) -> None:
    """The client's port tells."""
    ask = Command("echo $SSH_CONNECTION")
    ports = [wire.run(host(fleet), ask, fresh).stdout.split()[1] for fresh in (False, False, True, False)]
    assert ports[0] == ports[1]
    assert ports[1] != ports[2]
    assert ports[2] == ports[3]


def test_a_fresh_connection_cuts_nothing_that_runs_on_the_old_one(fleet: Sandbox, tmp_path: Path) -> None:
    """A confirm comes over a new connection while a renewal, or a reading, is under way on the held one: that one ends
    as it would have, and the old connection with the last of them."""
    wire = SshTransport(str(fleet.folder / "ssh_config"))
    begun, go = tmp_path / "begun", tmp_path / "go"
    line = f"touch {begun}; {until(go)}; echo $SSH_CONNECTION"
    with ThreadPoolExecutor(1) as pool, let_go(go):
        talk = wire.talk(host(fleet), Command("while read -r line; do echo '{}'; done"))
        renewal = pool.submit(wire.run, host(fleet), Command(line, b"", 60.0))
        eventually(begun.exists, 30.0, "the renewal runs")
        old = transport_of(wire)
        fresh = wire.run(host(fleet), Command("echo $SSH_CONNECTION"), fresh=True).stdout.split()[1]
        assert transport_of(wire) is not old
        go.touch()
        assert renewal.result().stdout.split()[1] != fresh
    assert talk.ask(b"x\n", 1, 30.0) == b"{}"
    assert old.is_active()
    talk.close()
    assert not old.is_active(), "nothing runs on it any more"
    assert wire.run(host(fleet), Command("echo $SSH_CONNECTION")).stdout.split()[1] == fresh
    wire.close()


def test_a_connection_without_a_free_session_is_not_cut(fleet: Sandbox, wire: SshTransport, tmp_path: Path) -> None:
    """MaxSessions on one connection: what is asked beyond it goes over another one, what runs on the first goes on."""
    go = tmp_path / "go"
    line = f"{until(go)}; echo $SSH_CONNECTION"
    wire.run(host(fleet), Command("true"))
    with ThreadPoolExecutor(10) as pool, let_go(go):
        busy = [pool.submit(wire.run, host(fleet), Command(line, b"", 100.0)) for _ in range(10)]
        eventually(lambda: len(transport_of(wire)._channels) == 10, 60.0, "ten sessions are open")
        assert wire.run(host(fleet), Command("echo another", b"", 60.0)).stdout == b"another\n"
        go.touch()
        assert len({future.result().stdout.split()[1] for future in busy}) == 1


def test_it_answers_without_reading(fleet: Sandbox, wire: SshTransport) -> None:
    """A guard that says no while we still send is heard."""
    assert wire.run(host(fleet), Command("echo no", b"x" * 3_000_000)).stdout == b"no\n"


def test_a_deadline_ends_a_command(fleet: Sandbox, wire: SshTransport) -> None:
    """Unknown whether it took effect: sent."""
    wire.run(host(fleet), Command("true"))
    with pytest.raises(Unreachable, match="no answer within 1 s") as caught:
        wire.run(host(fleet), Command("sleep 600", b"", 1.0))  # waited for, the test's own limit ends it
    assert caught.value.sent
    assert wire.run(host(fleet), Command("echo still")).stdout == b"still\n"


HOSTILE = {
    "reads a byte now and then": "while dd bs=1 count=1 2>/dev/null; do sleep 0.1; done >/dev/null",
    "reads nothing": "sleep 600",
    "never stops talking": "while :; do echo x; sleep 0.01; done",
    "never stops complaining": "while :; do echo x; done >&2",
    "complains and is done, but never closes": "echo x >&2; exec 2>&1; sleep 600",
}


@pytest.mark.parametrize("how", list(HOSTILE))
def test_the_deadline_is_one_for_the_whole_command(fleet: Sandbox, wire: SshTransport, how: str) -> None:
    """Sending included: each of these goes on for minutes, and would be waited for as long as it gives or takes
    something now and then."""
    wire.run(host(fleet), Command("true"))
    with pytest.raises(Unreachable, match="no answer within 2 s") as caught:
        wire.run(host(fleet), Command(HOSTILE[how], b"x" * 10_000_000, 2.0))
    assert caught.value.sent
    assert wire.run(host(fleet), Command("echo still")).stdout == b"still\n"


def test_an_answer_has_a_bound(fleet: Sandbox, wire: SshTransport) -> None:
    """Each kind its own; what is said beyond it is not held."""
    with pytest.raises(Unreachable, match="said more than 64 KiB") as caught:
        wire.run(host(fleet), Command("cat /dev/zero", b"", 60.0))
    assert not caught.value.cut, "asking again would be the same again"
    with pytest.raises(Unreachable, match="said more than 2048 KiB"):
        wire.run(host(fleet), Command("head -c 31000000 /dev/zero", b"", 60.0, most=verbs.ANSWER))
    assert len(wire.run(host(fleet), Command("head -c 200000 /dev/zero >&2; echo ok")).stderr) == 64 * 1024


def test_a_question_has_the_same_deadline(fleet: Sandbox, wire: SshTransport) -> None:
    """Asked of a command that is kept: it answers in drips, it reads nothing, it says too much."""
    for line, why in (
        ("while :; do printf ' '; sleep 0.05; done", "no answer within 1 s"),
        ("sleep 600", "no answer within 1 s"),
        ("cat /dev/zero", "the answer is too long"),
        ("exit 0", "the connection broke"),
    ):
        talk = wire.talk(host(fleet), Command(line))
        with pytest.raises(Unreachable, match=why):
            talk.ask(b"x" * 4_000_000 if line == "sleep 600" else b"x\n", 1, 1.0)
        talk.close()


def test_closing_ends_every_wait(fleet: Sandbox) -> None:
    """A command that hangs, and one that would connect: told at once, long before their deadlines."""
    wire = SshTransport(str(fleet.folder / "ssh_config"))
    with ThreadPoolExecutor(2) as pool, socket.create_server(("127.0.0.1", 0)) as silent:
        hangs = pool.submit(wire.run, host(fleet), Command("sleep 600", b"", 600.0))
        mute = pool.submit(wire.run, host(fleet, 1, port=silent.getsockname()[1]), Command("true", b"", 600.0))
        silent.accept()
        while not wire._connections:
            time.sleep(0.01)
        wire.close()
        for future in (hangs, mute):
            with pytest.raises(Unreachable):
                future.result()
    with pytest.raises(Unreachable) as caught:
        wire.run(host(fleet), Command("true"))
    assert not caught.value.sent


def test_a_killed_command_has_no_exit_code(fleet: Sandbox, wire: SshTransport) -> None:
    """-1 is unknown, not failed."""
    assert wire.run(host(fleet), Command("kill -9 $$")).exit is None


def test_an_unknown_host_key_is_refused(fleet: Sandbox, tmp_path: Path) -> None:
    """With its fingerprint; nothing was sent."""
    with pytest.raises(Unreachable, match=r"host key ssh-ed25519 SHA256:\S+ .* is unknown") as caught:
        config(fleet, tmp_path, "").run(host(fleet), Command("true"))
    assert not caught.value.sent


def test_a_changed_host_key_is_refused(fleet: Sandbox, tmp_path: Path) -> None:
    """Both fingerprints."""
    name, other = known(fleet)[0].split()[0], known(fleet)[1].split()[1:]
    transport = config(fleet, tmp_path, " ".join([name, *other]) + "\n")
    with pytest.raises(Unreachable, match=r"host key has changed: known_hosts has SHA256:\S+, the host offers SHA256:"):
        transport.run(host(fleet), Command("true"))


def test_a_revoked_key_is_refused(fleet: Sandbox, tmp_path: Path) -> None:
    """Even where it is also listed as good."""
    line = known(fleet)[0]
    with pytest.raises(Unreachable, match="is revoked"):
        config(fleet, tmp_path, f"@revoked {line}{line}").run(host(fleet), Command("true"))


def test_hashed_and_wildcard_names(fleet: Sandbox, tmp_path: Path) -> None:
    """As ssh reads them."""
    import base64
    import hashlib
    import hmac

    name, kind, blob = known(fleet)[0].split()
    salt = b"0123456789abcdef0123"
    digest = base64.b64encode(hmac.new(salt, name.encode(), hashlib.sha1).digest()).decode()
    hashed = f"|1|{base64.b64encode(salt).decode()}|{digest} {kind} {blob}\n"
    wild = f"[127.0.0.*]:* {kind} {blob}\n"
    for number, line in enumerate((hashed, wild)):
        folder = tmp_path / str(number)
        folder.mkdir()
        transport = config(fleet, folder, line)
        assert transport.run(host(fleet), Command("echo in")).stdout == b"in\n"
        transport.close()


def jump(fleet: Sandbox, gate_port: int) -> str:
    """ssh_config of a host behind a bastion."""
    return (
        f"Host inner\n  HostName 127.0.0.1\n  Port {fleet.hosts[1].ssh_port}\n  ProxyJump gate\n"
        f"Host gate\n  HostName 127.0.0.1\n  Port {gate_port}\n  User {getpass.getuser()}\n"
    )


def test_through_a_bastion(fleet: Sandbox, tmp_path: Path) -> None:
    """ProxyJump of ~/.ssh/config, with the keys of both hops."""
    transport = config(fleet, tmp_path, "".join(known(fleet)), jump(fleet, fleet.hosts[0].ssh_port))
    inner = Host("inner", user=getpass.getuser(), key_file=str(fleet.folder / "user_key"))
    assert transport.run(inner, Command("echo through")).stdout == b"through\n"
    transport.close()


@pytest.mark.parametrize("missing", [0, 1], ids=["gateway", "target"])
def test_every_hop_is_checked(fleet: Sandbox, tmp_path: Path, missing: int) -> None:
    """A bastion or a target whose key is not known ends it."""
    lines = [line for n, line in enumerate(known(fleet)) if n != missing]
    transport = config(fleet, tmp_path, "".join(lines), jump(fleet, fleet.hosts[0].ssh_port))
    inner = Host("inner", user=getpass.getuser(), key_file=str(fleet.folder / "user_key"))
    with pytest.raises(Unreachable, match=f"127.0.0.1:{fleet.hosts[missing].ssh_port}: .* is unknown"):
        transport.run(inner, Command("true"))


def test_a_list_of_revoked_keys_is_never_overlooked(fleet: Sandbox, tmp_path: Path) -> None:
    """RevokedHostKeys of ssh_config names a binary list that is not read here: refused, not skipped."""
    transport = config(fleet, tmp_path, "".join(known(fleet)), f"Host *\n  RevokedHostKeys {tmp_path}/krl\n")
    with pytest.raises(Unreachable, match=r"RevokedHostKeys is not supported here \(.*/ssh_config:2\)") as caught:
        transport.run(host(fleet), Command("true"))
    assert not caught.value.sent


def test_nobody_there_and_somebody_silent(fleet: Sandbox, wire: SshTransport) -> None:
    """Refused at once; a port that says nothing is given up within the deadline."""
    with pytest.raises(Unreachable, match="cannot connect") as caught:
        wire.run(host(fleet, port=free_port()), Command("true"))
    assert not caught.value.sent
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # waited for, the test's own limit ends it
        pytest.raises(Unreachable, match=r"takes the connection and says nothing for [12] s"),
    ):
        wire.run(host(fleet, port=silent.getsockname()[1]), Command("true", b"", 2.0))


def test_a_wrong_key_is_an_authentication_failure(fleet: Sandbox, wire: SshTransport, tmp_path: Path) -> None:
    """Said as such, without a prompt."""
    import subprocess

    from deployer.sandbox import binaries

    words = [binaries.find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")]
    subprocess.run(words, check=True)
    with pytest.raises(Unreachable, match="authentication failed"):
        wire.run(host(fleet, key_file=str(tmp_path / "k")), Command("true"))


def test_many_hosts_at_once(fleet: Sandbox, wire: SshTransport) -> None:
    """One stuck host never delays the others."""
    stuck = threading.Event()

    def one(number: int) -> bytes:
        if number == 0:
            try:
                wire.run(host(fleet), Command("sleep 30", b"", 5.0))
            except Unreachable:
                stuck.set()
            return b""
        return wire.run(host(fleet, 1 + number % 2), Command(f"echo {number}")).stdout.strip()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(16)))
    assert answers[1:] == [str(n).encode() for n in range(1, 16)]
    assert stuck.is_set()


IMPORTERS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from deployer.adapters.ssh.transport import SshTransport
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.remote.verbs import Command

class Spy:
    alone = at_large = 0
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("paramiko", "fabric"):
            Spy.alone += wire._guard.locked()
            Spy.at_large += not wire._guard.locked()

wire = SshTransport()
sys.meta_path.insert(0, Spy())
def call(number):
    try:
        wire.run(Host(f"web{number}", "127.0.0.1", int(sys.argv[1]), "root"), Command("true"))
    except Unreachable as error:
        return str(error)
with ThreadPoolExecutor(100) as pool:
    print(*set(pool.map(call, range(100))), sep="\\n")
print(Spy.alone > 40, Spy.at_large)
"""


def test_a_hundred_hosts_at_once_import_once() -> None:
    """The libraries are imported with the first connection, by one thread. When many did, some got half a module
    (python gh-106176) and their hosts passed for unreachable."""
    run = subprocess.run(
        [sys.executable, "-c", IMPORTERS, str(free_port())], check=False, capture_output=True, text=True, timeout=120
    )
    assert run.stdout.splitlines()[1:] == ["True 0"], run.stdout + run.stderr
    assert run.stdout.splitlines()[0].endswith(": connection refused"), run.stdout
