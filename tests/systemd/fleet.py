"""Three hosts that boot systemd, on a bridge in this process's own network namespace, and a repository for them.

It has the shape of a Sandbox, so that what is written for fleets on loopback works on it, too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deployer.sandbox import repository
from deployer.sandbox.fleet import Sandbox, SandboxHost
from tests.fleet.conftest import CHECK, Fleet
from tests.systemd.machine import Machine, interfaces

BRIDGE, SUBNET = "br0", "10.77.0"
PREFIX = "systemd-fleet-"
INOTIFY, ENOUGH = Path("/proc/sys/fs/inotify/max_user_instances"), 1024  # a booting host takes about 20 of root's 128
SITE = """server {
    listen 80 default_server;
    location / {
        add_header X-Cache-Status NONE always;
        return 200 "shop\\n";
    }
}
"""
PLAYBOOK = """service: nginx
hosts: edge
dest: /etc/nginx
serial: [1, 100%]
bake: 2s
confirm_timeout: 15s
health_checks: [storefront]
"""


def why_not() -> str:
    """Why no such fleet can be had here; "" if it can."""
    if not os.environ.get("SYSTEMD_BASE"):
        return "script/test --systemd runs these"
    if interfaces() - {"lo", BRIDGE} - {name for name in interfaces() if name.startswith("vb-")}:
        return "needs a network namespace of its own"
    return ""


@dataclass
class SystemdSandbox(Sandbox):
    """A Sandbox whose hosts are machines."""

    machines: dict[str, Machine] = field(default_factory=dict)

    def start(self) -> None:
        """Disks, keys, bridge, boot; returns when every host is up."""
        self.folder.chmod(0o755)
        self._keygen(self.folder / "user_key")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        if BRIDGE not in interfaces():
            self._bridge()
        if int(INOTIFY.read_text()) < ENOUGH:
            INOTIFY.write_text(f"{ENOUGH}\n")
        base = Path(os.environ["SYSTEMD_BASE"])
        for number in range(1, self.count + 1):
            name, address = f"web{number}", f"{SUBNET}.{10 + number}"
            machine = Machine(name, address, self.folder / "hosts" / name, self.folder / "user_key", BRIDGE)
            machine.root.parent.mkdir(exist_ok=True)
            machine.make(base)
            self.prepare(machine)
            self.machines[name] = machine
            self.hosts.append(SandboxHost(name, machine.root, 22, 80))
        self._write_ssh_files()
        for machine in self.machines.values():
            machine.start()
        for machine in self.machines.values():
            machine.wait_booted()

    def prepare(self, machine: Machine) -> None:
        """What an administrator did before deployer came: a site, and on the last host a user who may only use sudo."""
        machine.write("etc/nginx/sites-enabled/default", SITE)
        if machine.name == f"web{self.count}":
            machine.write("etc/sudoers.d/deploy", "deploy ALL=(root) NOPASSWD: ALL\n")
            machine.add_user("deploy")

    def _bridge(self) -> None:
        for line in (f"link add {BRIDGE} type bridge", f"addr add {SUBNET}.1/24 dev {BRIDGE}", f"link set {BRIDGE} up"):
            subprocess.run(["ip", *line.split()], check=True)

    def _write_ssh_files(self) -> None:
        (self.folder / "known_hosts").write_text("".join(m.host_key for m in self.machines.values()))
        (self.folder / "ssh_config").write_text(
            f"Host *\n  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            f"  IdentityFile {self.folder}/user_key\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n"
        )

    def variables(self, host: SandboxHost) -> dict[str, object]:
        user, become = ("deploy", True) if host is self.hosts[-1] else ("root", False)
        names = {"ansible_host": self.machines[host.name].address, "ansible_user": user, "ansible_become": become}
        return {**names, "http_port": 80}

    def make_repository(self) -> None:
        """The configuration of the first host becomes the repository's, with its remote beside it."""
        folder = self.config / "playbooks/nginx"
        (folder / "files").mkdir(parents=True)
        words = ["chroot", str(self.machines["web1"].root), "tar", "-chf", "-", "-C", "/etc/nginx", "."]
        files = subprocess.run(words, check=True, capture_output=True).stdout  # links become what they lead to
        subprocess.run(["tar", "-xf", "-", "-C", str(folder / "files")], input=files, check=True)
        (folder / "playbook.yml").write_text(PLAYBOOK)
        (self.config / "health_checks").mkdir()
        probes = [line for line in CHECK.splitlines() if "name: product" not in line]
        (self.config / "health_checks/storefront.yml").write_text("\n".join(probes).replace(", refetch_miss: 20%", ""))
        hosts = "".join(f"        {h.name}: {json.dumps(self.variables(h))}\n" for h in self.hosts)
        (self.config / "inventory.yml").write_text(
            f"all:\n  children:\n    edge:\n      hosts:\n{hosts}    production:\n      children: {{edge: {{}}}}\n"
        )
        repository.git(self.config, "init", "-q")
        repository.commit(self, "the configuration as it is")
        repository.git(self.folder, "init", "-q", "--bare", "origin.git")
        repository.git(self.config, "remote", "add", "origin", str(self.folder / "origin.git"))
        repository.git(self.config, "push", "-q", "-u", "origin", "HEAD")

    def stop(self) -> None:
        """Every host off, its disk removed."""
        for machine in self.machines.values():
            machine.remove()


@dataclass
class SystemdFleet(Fleet):
    """The fleet with `deploy` at hand; marks are made in Debian's own site file."""

    sandbox: SystemdSandbox

    def machine(self, name: str) -> Machine:
        return self.sandbox.machines[name]

    def served(self, name: str, header: str = "X-Mark") -> str:
        with urllib.request.urlopen(f"http://{self.machine(name).address}/", timeout=5) as answer:
            return str(answer.headers.get(header, ""))

    def all_served(self) -> set[str]:
        return {self.served(name) for name in self.sandbox.machines}

    def mark(self, text: str) -> str:
        file = self.sandbox.config / "playbooks/nginx/files/sites-enabled/default"
        lines = [line for line in file.read_text().splitlines() if "X-Mark" not in line]
        where = next(i for i, line in enumerate(lines) if "X-Cache-Status" in line)
        lines.insert(where, f"        add_header X-Mark {text} always;")
        file.write_text("\n".join(lines) + "\n")
        return repository.commit(self.sandbox, f"mark {text}")


def sweep() -> None:
    """Folders of runs that were killed: their hosts died with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def systemd_fleet(hosts: int = 3) -> Iterator[SystemdFleet]:
    """Booted and not yet adopted, in a folder that is removed."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    sandbox = SystemdSandbox(folder, hosts, "nginx")
    try:
        with sandbox:
            sandbox.make_repository()
            yield SystemdFleet(sandbox)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
