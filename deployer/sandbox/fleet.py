"""A fleet of "hosts" on loopback: per host one real sshd and one real cache server, below a folder of its own.

Everything lies in one folder; every process has that folder in its command line and is ended by its pid. Works as an
ordinary user and as root, without a container engine.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.model.errors import DeployError
from deployer.sandbox import binaries, servers
from deployer.sandbox.daemons import daemon
from deployer.sandbox.ports import free_port, listening
from deployer.sandbox.processes import reap


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Poll a condition; DeployError naming it when it does not come true."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise DeployError(f"the sandbox did not come up: {what}")
        time.sleep(0.02)


def needs_linux() -> None:
    """Processes are found in /proc, packages are Debian's, mounts are in namespaces."""
    if not sys.platform.startswith("linux"):
        raise DeployError(
            f"cannot build a sandbox: it needs Linux, and this is {sys.platform}",
            hint="run it in a virtual machine or a container with Debian",
        )


@dataclass
class SandboxHost:
    """prefix: the host's whole world. ssh_port, http_port: on 127.0.0.1."""

    name: str
    prefix: Path
    ssh_port: int
    http_port: int


@dataclass
class Sandbox:
    """service: nginx, varnish, or "" for hosts with sshd alone. shell: a program (busybox) to be `sh` in SSH sessions,
    "" for the system's."""

    folder: Path
    count: int = 4
    service: str = "nginx"
    shell: str = ""
    hosts: list[SandboxHost] = field(default_factory=list)
    origin_port: int = 0
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Sandbox:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def config(self) -> Path:
        """The checkout from which `deploy` is run."""
        return self.folder / "config"

    @property
    def state(self) -> Path:
        """What `deploy` remembers while it is run here (XDG_STATE_HOME)."""
        return self.folder / "state"

    def start(self) -> None:
        """Keys, sshd, origin, servers; returns when all of them answer."""
        needs_linux()
        self.folder = self.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._keygen(self.folder / "user_key")
        self.origin_port = free_port()
        if self.service:
            self._start_origin()
        for number in range(1, self.count + 1):
            name = f"web{number}"
            host = SandboxHost(name, self.folder / "hosts" / name, free_port(), free_port())
            self.hosts.append(host)
            self._start_sshd(host)
        self._write_ssh_files()
        for host in self.hosts:
            wait_for(lambda h=host: listening(h.ssh_port), f"sshd of {host.name}")  # type: ignore[misc]
        if self.service:
            self._start_servers()

    def _start_origin(self) -> None:
        """Returns when it has its port: that something listens there could be another's doing."""
        ready, module = self.folder / "origin.ready", "deployer.sandbox.origin"
        words = [sys.executable, "-P", "-m", module, "--port", str(self.origin_port), "--ready", str(ready)]
        child = self.spawn(words)
        wait_for(lambda: ready.is_file() or child.poll() is not None, "the origin")
        if child.poll() is not None:
            raise DeployError(f"the sandbox did not come up: its origin ended with {child.returncode}")

    def _start_servers(self) -> None:
        for host in self.hosts:
            servers.start(self.service, host.prefix, self.variables(host))
        for host in self.hosts:
            wait_for(lambda h=host: listening(h.http_port), f"{self.service} of {host.name}")  # type: ignore[misc]

    def spawn(self, words: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """A child of ours, ended by `stop`."""
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        self._children.append(child)
        return child

    def environ(self) -> dict[str, str]:
        """The environment for `deploy`: ssh reads this fleet's configuration and known_hosts, nothing of the user's;
        nothing is remembered beyond it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DEPLOY_") or k == "DEPLOY_CACHE"}
        identity = {"GIT_AUTHOR_NAME": "sandbox", "GIT_COMMITTER_NAME": "sandbox"}
        identity |= {"GIT_AUTHOR_EMAIL": "sandbox@localhost", "GIT_COMMITTER_EMAIL": "sandbox@localhost"}
        ours = {"DEPLOY_SSH_CONFIG": str(self.folder / "ssh_config"), "XDG_STATE_HOME": str(self.state)}
        return {**kept, **identity, **ours}

    def variables(self, host: SandboxHost) -> dict[str, object]:
        """The host's inventory variables."""
        names: dict[str, object] = {
            "ansible_host": "127.0.0.1",
            "ansible_port": host.ssh_port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.folder / "user_key"),
            "deploy_prefix": str(host.prefix),
            "http_port": host.http_port,
            "http_listen": "127.0.0.1:",
            "origin": f"127.0.0.1:{self.origin_port}",
        }
        return {**names, **(daemon(self.service).variables(host.prefix, host.http_port) if self.service else {})}

    def _keygen(self, path: Path) -> None:
        words = [binaries.find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "sandbox", "-f", str(path)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    def _start_sshd(self, host: SandboxHost) -> None:
        ssh, home = host.prefix / "ssh", host.prefix / "home"
        for folder in (ssh, home):
            folder.mkdir(parents=True)
        self._keygen(ssh / "host_key")
        environ = f"HOME={home}"  # of its own: what the user's login files do is none of this host's business
        if self.shell:
            environ += f" PATH={servers.shell_folder(host.prefix, self.shell)}:{os.environ['PATH']}"
        lines = [
            f"Port {host.ssh_port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {ssh}/host_key",
            f"PidFile {ssh}/sshd.pid",
            f"AuthorizedKeysFile {self.folder}/user_key.pub",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "AllowAgentForwarding no",
            "MaxStartups 100",
            "LogLevel ERROR",
            f"SetEnv {environ}",
        ]
        (ssh / "sshd_config").write_text("\n".join(lines) + "\n")
        words = [binaries.find("sshd"), "-f", f"{ssh}/sshd_config", "-E", f"{ssh}/sshd.log"]
        done = subprocess.run(
            [*servers.privilege_separation(ssh), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr + ((ssh / "sshd.log").read_text() if (ssh / "sshd.log").is_file() else "")
            raise DeployError(f"cannot start sshd of {host.name}: {said.strip()[-500:]}")

    def _write_ssh_files(self) -> None:
        keys = []
        for host in self.hosts:
            kind, blob = (host.prefix / "ssh/host_key.pub").read_text().split()[:2]
            keys.append(f"[127.0.0.1]:{host.ssh_port} {kind} {blob}\n")
        (self.folder / "known_hosts").write_text("".join(keys))
        (self.folder / "ssh_config").write_text(
            f"Host *\n  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            f"  IdentityFile {self.folder}/user_key\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n"
        )

    def start_traffic(self, rate: float = 20.0, seconds: float = 600.0, carts: float = 0.0) -> Path:
        """Visitors on every host, some of whom look at their cart; returns the file that holds their counts."""
        out = self.folder / "traffic.json"
        ports = ",".join(str(host.http_port) for host in self.hosts)
        words = [sys.executable, "-P", "-m", "deployer.sandbox.traffic", "--ports", ports, "--rate", str(rate)]
        self.spawn([*words, "--seconds", str(seconds), "--carts", str(carts), "--out", str(out)])
        wait_for(out.is_file, "the traffic")
        return out

    def stop(self) -> None:
        """End every process of this sandbox, by pid."""
        for child in self._children:
            child.kill()
            child.wait()
        self._children.clear()
        reap(self.folder)
