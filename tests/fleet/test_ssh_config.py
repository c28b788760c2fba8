"""What ssh_config says about logging in, against real sshd, a real ssh-agent, and what `ssh -v` does with the same
file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deployer.adapters.ssh.config import resolve
from deployer.adapters.ssh.keys import Keyring
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.sandbox import binaries
from deployer.sandbox.fleet import wait_for
from tests.fleet.test_host_keys import WEEK, Servers, servers

__all__ = ["servers"]
RELAY = """
import socket, sys, threading
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := sys.stdin.buffer.raw.read(65536): far.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := far.recv(65536): sys.stdout.buffer.raw.write(data)
"""


@pytest.fixture
def agent(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An agent that only its path leads to, and the key `user` is nowhere else."""
    path = servers.folder / "agent"
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    child = subprocess.Popen([binaries.find("ssh-agent"), "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        wait_for(path.exists, "ssh-agent")
        add(servers, "user")
        yield str(path)
    finally:
        child.terminate()
        child.wait()


def add(servers: Servers, *names: str) -> None:
    for name in names:
        servers.key(name)
        words = [binaries.find("ssh-add"), "-q", str(servers.folder / name)]
        subprocess.run(words, check=True, env={"SSH_AUTH_SOCK": str(servers.folder / "agent"), "PATH": "/usr/bin:/bin"})


def start(servers: Servers) -> tuple[str, int]:
    good, port = servers.key("host"), servers.start("host")
    return f"[127.0.0.1]:{port} {good}\n", port


def test_the_agent_that_ssh_config_names(servers: Servers, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """IdentityAgent by path, by variable; and `none` where SSH_AUTH_SOCK is set."""
    known, port = start(servers)
    assert servers.connect(known, port, f"IdentityAgent {agent}\n", key="") == b"in"
    monkeypatch.setenv("MINE", agent)
    assert servers.connect(known, port, "IdentityAgent $MINE\n", key="") == b"in"
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    assert servers.connect(known, port, "IdentityAgent SSH_AUTH_SOCK\n", key="") == b"in"
    with pytest.raises(Unreachable, match=r"authentication failed: .*agent: none"):
        servers.connect(known, port, f"IdentityAgent none\nIdentityFile {servers.folder}/none\n", key="")
    assert servers.logins(port) == 3


@pytest.mark.parametrize("held", ["file", "agent", "certificate in the agent"])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_that_lies_elsewhere(servers: Servers, agent: str, held: str, kind: str) -> None:
    """CertificateFile, with the key in a file or in an agent; and one that the agent holds."""
    servers.key("person", kind)
    servers.certify("person", "ca", "-n", "root,deploy," + subprocess.getoutput("id -un"), "-V", WEEK)
    elsewhere, beside = servers.folder / "elsewhere-cert.pub", servers.folder / "person-cert.pub"
    if held == "file":
        beside.rename(elsewhere)
        extra = f"IdentityFile {servers.folder}/person\nCertificateFile {elsewhere}\nIdentityAgent none\n"
    elif held == "agent":
        beside.rename(elsewhere)
        add(servers, "person")
        extra = f"CertificateFile {elsewhere}\nIdentityAgent {agent}\n"
    else:
        add(servers, "person")
        extra = f"IdentityAgent {agent}\n"
    (servers.folder / "user.pub").write_text(f"cert-authority {servers.key('ca')}\n")
    known, port = start(servers)
    assert servers.connect(known, port, extra, key="") == b"in"
    assert "CERT" in (servers.folder / f"{port}.log").read_text()


@pytest.mark.parametrize(
    "extra", ["", "IdentitiesOnly yes\n", "CertificateFile {folder}/k4-cert.pub\n", "IdentityAgent none\n"]
)
@pytest.mark.needs("ssh")
def test_the_order_is_the_one_of_ssh(servers: Servers, agent: str, extra: str) -> None:
    """The same keys and certificates, one after the other, as `ssh -v` offers them."""
    for name in ("k1", "k2", "k3", "k4"):
        servers.key(name)
    servers.certify("k1", "ca", "-n", "root")
    servers.certify("k4", "ca", "-n", "root")
    add(servers, "k3", "k2")
    _, port = start(servers)
    files = "".join(f"IdentityFile {servers.folder}/{name}\n" for name in ("k1", "k2", "k4"))
    path = servers.folder / "order"
    path.write_text(f"{extra.format(folder=servers.folder)}IdentityAgent {agent}\n{files}StrictHostKeyChecking no\n")
    words = ["ssh", "-v", "-F", str(path), "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/dev/null", "-p", str(port)]
    said = subprocess.run([*words, "nobody@127.0.0.1", "true"], capture_output=True, text=True, check=False).stderr
    theirs = re.findall(r"Will attempt key: .* ([A-Z0-9-]+) (SHA256:\S+)", said)
    ring = Keyring(resolve(Host("web1", "127.0.0.1", port), str(path)))
    ours = []
    for offer in ring.offers():
        blob = getattr(offer.key, "public_blob", None)
        ours.append(("ED25519-CERT" if blob else "ED25519", offer.key.fingerprint))
    assert ours == theirs
    assert len(ours) >= 3


def test_a_refusal_names_who_what_and_which_agent(servers: Servers, agent: str) -> None:
    """The first thing a person asks."""
    servers.key("stranger")
    servers.key("locked")
    words = ["-q", "-p", "-P", "", "-N", "secret phrase", "-f", str(servers.folder / "locked")]
    subprocess.run([binaries.find("ssh-keygen"), *words], check=True)
    (servers.folder / "user.pub").write_text("")
    known, port = start(servers)
    extra = f"IdentityAgent {agent}\nIdentityFile {servers.folder}/stranger\nIdentityFile {servers.folder}/locked\n"
    with pytest.raises(Unreachable) as caught:
        servers.connect(known, port, extra, key="")
    for part in (f"cannot connect to 127.0.0.1:{port}", "root: ", "x (agent)", f"{servers.folder}/stranger"):
        assert part.replace("root", subprocess.getoutput("id -un")) in caught.value.message
    assert f"{servers.folder}/locked (has a passphrase and no agent holds it (ssh-add))" in caught.value.message
    assert f"agent: {agent}" in caught.value.message


def test_a_proxy_command(servers: Servers) -> None:
    """It carries the connection; what it complains of is said; the host key is checked all the same."""
    known, port = start(servers)
    (servers.folder / "relay.py").write_text(RELAY)
    extra = f"ProxyCommand {sys.executable} {servers.folder}/relay.py %h %p\n"
    assert servers.connect(known, port, extra) == b"in"
    with pytest.raises(Unreachable, match="is unknown"):
        servers.connect("", port, extra)
    with pytest.raises(Unreachable, match=r"ProxyCommand: the gate is shut"):
        servers.connect(known, port, "ProxyCommand echo the gate is shut >&2; exit 1\n")


def test_from_which_address_and_by_which_family(servers: Servers) -> None:
    """BindAddress and AddressFamily."""
    known, port = start(servers)
    assert servers.connect(known, port, "BindAddress 127.0.0.7\n") == b"in"
    assert "from 127.0.0.7" in (servers.folder / f"{port}.log").read_text()
    assert servers.connect(known, port, "AddressFamily inet\n") == b"in"
    with pytest.raises(Unreachable, match="cannot connect"):
        servers.connect(known, port, "AddressFamily inet6\n")


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (
            "Ciphers aes256-ctr\nMACs hmac-sha2-512-etm@openssh.com\nKexAlgorithms curve25519-sha256\nCompression yes\n",
            "",
        ),
        ("Ciphers chacha20-poly1305@openssh.com\n", "Ciphers of the ssh configuration allows none of aes128-ctr"),
        ("HostKeyAlgorithms rsa-sha2-512\n", "no acceptable host key|host key"),
        ("PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256\n", r"user \(PubkeyAcceptedAlgorithms\)"),
        ("HostKeyAlgorithms ssh-ed25519\nPubkeyAcceptedAlgorithms ssh-ed25519\nRequiredRSASize 3000\n", ""),
    ],
)
def test_algorithms_that_are_allowed(servers: Servers, extra: str, why: str) -> None:
    """Only those; where none is left, the keyword is named."""
    known, port = start(servers)
    if not why:
        assert servers.connect(known, port, extra) == b"in"
        return
    with pytest.raises(Unreachable, match=why):
        servers.connect(known, port, extra)


def test_a_host_key_that_is_too_small(servers: Servers) -> None:
    """RequiredRSASize."""
    good = servers.key("host", "rsa")
    port = servers.start("host")
    known = f"[127.0.0.1]:{port} {good}\n"
    assert servers.connect(known, port) == b"in"
    with pytest.raises(Unreachable, match="RequiredRSASize asks for 4096"):
        servers.connect(known, port, "RequiredRSASize 4096\n")


def test_the_user_of_the_target_on_the_bastion(servers: Servers) -> None:
    """ProxyJump %r@gate."""
    known, port = start(servers)
    gate_port = servers.start("host")
    known += f"[127.0.0.1]:{gate_port} {servers.key('host')}\n"
    extra = f"Host web1\n  ProxyJump %r@gate\nHost gate\n  Port {gate_port}\n  IdentityFile {servers.folder}/user\n"
    assert servers.connect(known, port, extra) == b"in"
    assert servers.logins(gate_port) == 1
