"""The fleet of the fault matrix on hosts that boot systemd: real units, real shutdowns, a real cron."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from deployer.sandbox.fleet import Sandbox, SandboxHost, wait_for
from deployer.sandbox.ports import listening
from tests.faults.fleet import BAKE, HERE, LEASE, FaultFleet, command_of
from tests.faults.relay import Relay
from tests.fleet.conftest import Fleet
from tests.systemd.fleet import SystemdFleet, SystemdSandbox, why_not
from tests.systemd.machine import SLOW_STOP, Machine

THERE = "/traps"  # where a host has its traps, and out here its folder of that name


class Relayed(SystemdSandbox):
    """Its hosts are reached through relays on loopback."""

    def variables(self, host: SandboxHost) -> dict[str, object]:
        relayed = {"ansible_host": "127.0.0.1", "ansible_port": host.ssh_port, "http_port": host.http_port}
        return {**relayed, "ansible_user": "root"}

    def _write_ssh_files(self) -> None:
        super()._write_ssh_files()
        with (self.folder / "known_hosts").open("a") as file:
            for host in self.hosts:
                kind_and_key = self.machines[host.name].host_key.split(" ", 1)[1]
                file.write(f"[127.0.0.1]:{host.ssh_port} {kind_and_key}")


class SystemdFaultFleet(FaultFleet):
    """Needs `why_not()` to be empty."""

    kind = "systemd"

    def make(self, hosts: int, shell: str) -> tuple[Sandbox, Fleet]:
        if reason := why_not() or ("the hosts' sh is what Debian has" if shell else ""):
            raise SystemExit(f"error: cannot break hosts that boot systemd: {reason}")
        self.relayed = Relayed(self.folder, hosts, "nginx")
        self.visitors: dict[str, Relay] = {}
        return self.relayed, SystemdFleet(self.relayed)

    def machine(self, name: str) -> Machine:
        return self.relayed.machines[name]

    def make_repository(self) -> None:
        self.relayed.make_repository()
        self.fleet.playbook(bake=f"{BAKE}s", confirm_timeout=f"{LEASE}s")

    def _second_playbook(self) -> None:
        """None: its "process" is a file of the loopback fleet."""

    def _rewire(self, host: SandboxHost) -> None:
        machine = self.machine(host.name)
        self.real_ports[host.name] = 22
        self.relays[host.name] = Relay(22, machine.address)
        host.ssh_port = self.relays[host.name].port
        self.visitors[host.name] = Relay(80, machine.address)  # never broken: probes are no part of a fault
        host.http_port = self.visitors[host.name].port
        self.traps(host.name).mkdir(parents=True)
        machine.write("usr/local/lib/hook.sh", (HERE / "hook.sh").read_text().replace("@DIR@", THERE))
        machine.write("etc/ssh/sshd_config.d/hook.conf", "ForceCommand sh /usr/local/lib/hook.sh\nMaxStartups 100\n")
        machine.write("etc/systemd/system/slow-stop.service", SLOW_STOP)
        machine.inside("systemctl daemon-reload")
        self.restart_sshd(host.name)

    def traps(self, name: str) -> Path:
        return super().traps(name) if name == "git" else self.machine(name).root / THERE.strip("/")

    # --- a host, from outside

    def root_there(self, name: str) -> str:
        return f"/var/lib/deployer/{self.sandbox.service}"

    def run_on(self, name: str, line: str, *words: str) -> None:
        self.machine(name).inside(line, *words)

    def pids(self, name: str) -> list[int]:
        return self.machine(name).pids()

    def busy(self, name: str) -> bool:
        return any(re.search(r"hook\.sh|hostctl-", command_of(pid)) for pid in self.pids(name))

    def mend_sshd(self, name: str) -> None:
        machine = self.machine(name)
        if machine.pids() and machine.inside("systemctl is-system-running") == "stopping":
            machine.off()
        if not machine.pids():
            machine.start()
            self.wait_serving(name)
        machine.inside("systemctl is-active -q ssh || systemctl restart ssh")

    def restart_sshd(self, name: str) -> None:
        self.machine(name).inside("systemctl restart ssh")
        wait_for(lambda: listening(22, self.machine(name).address), f"sshd of {name}")

    def reboot(self, name: str, boot_unit: bool = True) -> None:
        """In good order, by systemd."""
        self.machine(name).reboot()
        self.relays[name].cut()
        self.wait_serving(name)

    def begin_shutdown(self, name: str) -> None:
        self.machine(name).inside("systemctl start slow-stop.service && systemctl --no-block reboot")

    def end_shutdown(self, name: str) -> None:
        machine = self.machine(name)
        machine.wait_off()
        self.relays[name].cut()
        machine.start()
        self.wait_serving(name)

    def start_server(self, name: str) -> None:
        self.machine(name).inside("systemctl reset-failed nginx; systemctl start nginx")

    def wait_serving(self, name: str) -> None:
        """Booted, as far as visitors and the deployer see."""
        address = self.machine(name).address
        wait_for(lambda: listening(22, address) and listening(80, address), f"{name} is up", 60)

    def stop(self) -> None:
        for relay in (*self.relays.values(), *self.visitors.values()):
            relay.close()
        with contextlib.suppress(OSError):
            self.sandbox.stop()
