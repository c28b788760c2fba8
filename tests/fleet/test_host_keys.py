"""Somebody in the middle, against real sshd: whatever they offer, nobody logs in. And host certificates."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.adapters.ssh.transport import SshTransport
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.remote.verbs import Command
from deployer.sandbox import binaries
from deployer.sandbox.fleet import wait_for
from deployer.sandbox.ports import free_port, listening
from deployer.sandbox.servers import privilege_separation

WEEK = "-1d:+1w"


@dataclass
class Servers:
    """sshd of our own choosing. Every login shows in its log."""

    folder: Path
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def key(self, name: str, kind: str = "ed25519") -> str:
        """A key pair; its public line without the comment."""
        path = self.folder / name
        if not path.exists():
            words = ["-q", "-t", kind, "-N", "", "-C", "x", "-f", str(path)]
            subprocess.run([binaries.find("ssh-keygen"), *words], check=True)
        return " ".join(path.with_suffix(".pub").read_text().split()[:2])

    def certify(self, host_key: str, ca: str, *options: str) -> None:
        """`host_key-cert.pub`, signed by `ca`."""
        self.key(ca)
        words = ["-q", "-s", str(self.folder / ca), "-I", "test", *options, str(self.folder / f"{host_key}.pub")]
        subprocess.run([binaries.find("ssh-keygen"), *words], check=True)

    def start(self, *host_keys: str) -> int:
        """An sshd with these host keys and the certificates that lie beside them; its port."""
        port = free_port()
        lines = [
            f"Port {port}", "ListenAddress 127.0.0.1", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
            f"AuthorizedKeysFile {self.folder}/user.pub", "LogLevel VERBOSE", f"PidFile {self.folder}/{port}.pid",
        ]  # fmt: skip
        for name in host_keys:
            lines.append(f"HostKey {self.folder}/{name}")
            if (self.folder / f"{name}-cert.pub").is_file():
                lines.append(f"HostCertificate {self.folder}/{name}-cert.pub")
        (self.folder / f"{port}.conf").write_text("\n".join(lines) + "\n")
        words = [binaries.find("sshd"), "-D", "-f", f"{self.folder}/{port}.conf", "-E", f"{self.folder}/{port}.log"]
        self.children.append(subprocess.Popen([*privilege_separation(self.folder), *words], stdin=subprocess.DEVNULL))
        wait_for(lambda: listening(port), "sshd")
        return port

    def logins(self, port: int) -> int:
        """How many got in, by the server's own log."""
        return (self.folder / f"{port}.log").read_text().count("Accepted publickey")

    def connect(self, known: str, port: int, extra: str = "", name: str = "web1", key: str = "user") -> bytes:
        """Log in as the deployer would, with this known_hosts. web1 and gate are names of 127.0.0.1."""
        (self.folder / "known_hosts").write_text(known)
        (self.folder / "ssh_config").write_text(
            f"{extra}Host *\n  HostName 127.0.0.1\n  UserKnownHostsFile {self.folder}/known_hosts\n"
            f"  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n"
        )
        transport = SshTransport(str(self.folder / "ssh_config"))
        host = Host(name, port=port, user=getpass.getuser(), key_file=str(self.folder / key) if key else "")
        try:
            return transport.run(host, Command("echo in")).stdout.strip()
        finally:
            transport.close()

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
            child.wait(10)


@pytest.fixture
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="keys-"))
    folder.chmod(0o755)
    made = Servers(folder)
    made.key("user")
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_an_authority_vouches_for_a_host(servers: Servers, kind: str) -> None:
    """`@cert-authority` in known_hosts: the host's own key is nowhere in it."""
    servers.key("host", kind)
    servers.certify("host", "ca", "-h", "-n", "127.0.0.1", "-V", WEEK)
    port = servers.start("host")
    assert servers.connect(f"@cert-authority 127.0.0.*,[127.0.0.*]:* {servers.key('ca')}\n", port) == b"in"
    assert servers.logins(port) == 1


def test_a_certificate_under_an_alias(servers: Servers) -> None:
    """HostKeyAlias is the name that known_hosts and the certificate speak of, as for ssh."""
    servers.key("host")
    servers.certify("host", "ca", "-h", "-n", "web1.example.com", "-V", WEEK)
    port = servers.start("host")
    known = f"@cert-authority *.example.com {servers.key('ca')}\n"
    alias = "Host web1\n  HostKeyAlias web1.example.com\n"
    assert servers.connect(known, port, alias) == b"in"


CERTIFICATES = {
    "wrong CA": (("other", "-h", "-n", "127.0.0.1", "-V", WEEK), "another authority"),
    "expired": (("ca", "-h", "-n", "127.0.0.1", "-V", "-2w:-1w"), "it has expired"),
    "not valid yet": (("ca", "-h", "-n", "127.0.0.1", "-V", "+1w:+2w"), "not valid yet"),
    "wrong principal": (("ca", "-h", "-n", "web2", "-V", WEEK), "it is for web2, not for 127.0.0.1"),
    "no principal": (("ca", "-h", "-V", WEEK), "it is for no host by name"),
    "a user's": (("ca", "-n", "127.0.0.1", "-V", WEEK), "user's certificate|without a certificate"),
    "critical option": (("ca", "-h", "-n", "127.0.0.1", "-V", WEEK, "-O", "critical:x@example.com=y"), "critical option"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CERTIFICATES))
def test_certificates_that_are_not_believed(servers: Servers, case: str) -> None:
    """Each its own reason; nobody logs in."""
    servers.key("host")
    options, says = CERTIFICATES[case]
    servers.certify("host", *options)
    port = servers.start("host")
    with pytest.raises(Unreachable, match=says) as caught:
        servers.connect(f"@cert-authority [127.0.0.1]:{port} {servers.key('ca')}\n", port)
    assert not caught.value.sent
    assert servers.logins(port) == 0


def test_changed_and_unknown(servers: Servers) -> None:
    """Another key than the one that is known; no key known at all."""
    servers.key("host")
    port = servers.start("host")
    for known, says in ((f"[127.0.0.1]:{port} {servers.key('other')}\n", "has changed"), ("", "is unknown")):
        with pytest.raises(Unreachable, match=says):
            servers.connect(known, port)
    assert servers.logins(port) == 0


@pytest.mark.parametrize("revoked", ["key", "authority", "certified key"])
def test_revoked(servers: Servers, revoked: str) -> None:
    """`@revoked` beats what is listed, for a key, for the authority, and for the key inside a certificate."""
    good = servers.key("host")
    servers.certify("host", "ca", "-h", "-n", "127.0.0.1", "-V", WEEK)
    port = servers.start("host")
    name, ca = f"[127.0.0.1]:{port}", servers.key("ca")
    known = {
        "key": f"{name} {good}\n@revoked * {good}\n",
        "authority": f"@cert-authority {name} {ca}\n@revoked * {ca}\n",
        "certified key": f"@cert-authority {name} {ca}\n@revoked * {good}\n",
    }[revoked]
    with pytest.raises(Unreachable, match=r"revoked|unknown"):
        servers.connect(known, port)
    assert servers.logins(port) == 0


def test_a_gateway_in_the_middle(servers: Servers) -> None:
    """A good target behind a gateway that nobody vouches for."""
    good = servers.key("host")
    servers.key("evil")
    port, gate = servers.start("host"), servers.start("evil")
    jump = f"Host web1\n  ProxyJump gate\nHost gate\n  Port {gate}\n  User {getpass.getuser()}\n"
    known = f"[127.0.0.1]:{port} {good}\n"
    with pytest.raises(Unreachable, match=f"127.0.0.1:{gate}: .* is unknown"):
        servers.connect(known, port, jump)
    assert servers.logins(gate) == servers.logins(port) == 0


def test_downgrades(servers: Servers) -> None:
    """A plain key where a certificate is asked for; a key of a kind that is not listed where another one is."""
    servers.key("host")
    servers.key("rsa", "rsa")
    port = servers.start("host", "rsa")
    with pytest.raises(Unreachable, match="without a certificate"):
        servers.connect(f"@cert-authority [127.0.0.1]:{port} {servers.key('ca')}\n", port)
    port = servers.start("rsa")
    with pytest.raises(Unreachable, match="has changed"):
        servers.connect(f"[127.0.0.1]:{port} {servers.key('host')}\n", port)
    assert servers.logins(port) == 0


def test_the_kind_that_is_known_is_asked_for(servers: Servers) -> None:
    """A server with several keys, of which known_hosts has the RSA one: ssh connects, so do we."""
    servers.key("host")
    rsa = servers.key("rsa", "rsa")
    port = servers.start("host", "rsa")
    assert servers.connect(f"[127.0.0.1]:{port} {rsa}\n", port) == b"in"


def test_no_agent_is_forwarded(servers: Servers) -> None:
    """Even where ssh_config asks for it and the server would allow it: no SSH_AUTH_SOCK on the host."""
    good = servers.key("host")
    port = servers.start("host")
    (servers.folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {good}\n")
    (servers.folder / "ssh_config").write_text(
        f"Host *\n  HostName 127.0.0.1\n  ForwardAgent yes\n  UserKnownHostsFile {servers.folder}/known_hosts\n"
    )
    agent = subprocess.run([binaries.find("ssh-agent"), "-s"], capture_output=True, text=True, check=True).stdout
    words = dict(line.split(";")[0].split("=") for line in agent.splitlines() if "=" in line)
    transport = SshTransport(str(servers.folder / "ssh_config"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSH_AUTH_SOCK", words["SSH_AUTH_SOCK"])
            host = Host("web1", port=port, user=getpass.getuser(), key_file=str(servers.folder / "user"))
            said = transport.run(host, Command('echo "[${SSH_AUTH_SOCK:-none}]"')).stdout
        assert said.strip() == b"[none]"
    finally:
        transport.close()
        os.kill(int(words["SSH_AGENT_PID"]), signal.SIGTERM)
