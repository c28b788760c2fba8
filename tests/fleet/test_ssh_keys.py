"""Which private keys are offered, against real sshd and a real ssh-agent."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest

from deployer.adapters.ssh import agent as ssh_agent
from deployer.model.errors import Unreachable
from deployer.sandbox import binaries
from deployer.sandbox.fleet import wait_for
from tests.fleet.test_host_keys import Servers, servers

__all__ = ["servers"]


@pytest.fixture
def agent(servers: Servers) -> Iterator[None]:
    """It holds the key that the servers let in."""
    socket = servers.folder / "agent"
    child = subprocess.Popen([binaries.find("ssh-agent"), "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSH_AUTH_SOCK", str(socket))
            add = [binaries.find("ssh-add"), "-q", str(servers.folder / "user")]
            wait_for(lambda: subprocess.run(add, capture_output=True, check=False).returncode == 0, "ssh-agent")
            yield
    finally:
        child.terminate()
        child.wait()


def lock_up(servers: Servers) -> None:
    """The key file gets a passphrase."""
    words = ["-q", "-p", "-P", "", "-N", "only the agent knows", "-f", str(servers.folder / "user")]
    subprocess.run([binaries.find("ssh-keygen"), *words], check=True)


def test_a_key_with_a_passphrase_is_the_agents(servers: Servers, agent: None) -> None:
    """As on most laptops; no passphrase is asked for."""
    lock_up(servers)
    good, port = servers.key("host"), servers.start("host")
    known = f"[127.0.0.1]:{port} {good}\n"
    assert servers.connect(known, port) == b"in"
    assert servers.connect(known, port, extra="Host *\n  IdentitiesOnly yes\n") == b"in", "the agent's key is named"


def test_a_key_with_a_passphrase_and_no_agent_is_named(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever forgot ssh-add is told."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    lock_up(servers)
    good, port = servers.key("host"), servers.start("host")
    with pytest.raises(Unreachable, match=r"has a passphrase and no agent holds it \(ssh-add\)"):
        servers.connect(f"[127.0.0.1]:{port} {good}\n", port)
    assert servers.logins(port) == 0


def test_what_else_the_agent_holds(servers: Servers, agent: None) -> None:
    """The file is a stranger's. Then the agent's keys are offered, unless IdentitiesOnly keeps them back."""
    good, port = servers.key("host"), servers.start("host")
    known = f"[127.0.0.1]:{port} {good}\n"
    servers.key("stranger")
    with pytest.raises(Unreachable, match="authentication failed"):
        servers.connect(known, port, extra="Host *\n  IdentitiesOnly yes\n", key="stranger")
    assert servers.logins(port) == 0
    assert servers.connect(known, port, key="stranger") == b"in"


def test_an_agent_that_hangs_is_left_out(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never says a word; the key file serves, and nobody waits for ever."""
    monkeypatch.setattr(ssh_agent, "AGENT_SECONDS", 0.2)
    path = servers.folder / "hung-agent"
    good, port = servers.key("host"), servers.start("host")
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen(50)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        assert servers.connect(f"[127.0.0.1]:{port} {good}\n", port) == b"in"
