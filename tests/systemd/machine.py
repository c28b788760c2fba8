"""One host that boots systemd, with real units, a real journal and a real sshd: Debian in a container of systemd-nspawn."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

BOOT = 120.0  # seconds until a host must be up, or down
NETWORK = "[Match]\nName=host0\n[Network]\nAddress={address}/24\n"

SLOW_STOP = """[Unit]
Description=takes its time to stop, while sshd and the network still live
After=ssh.service network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sleep 8
"""


@dataclass
class Machine:
    """name: of the host; address: on the bridge; root: its disk, a folder here; key: what logs in as root."""

    name: str
    address: str
    root: Path
    key: Path
    bridge: str
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def make(self, base: Path) -> None:
        """A disk of its own, with an identity of its own."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.root)], check=True)
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/machine-id", "")
        self.write("etc/systemd/network/10-host0.network", NETWORK.format(address=self.address))
        self.write("root/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text())
        (self.root / "root/.ssh").chmod(0o700)
        (self.root / "var/log/journal").mkdir(parents=True, exist_ok=True)  # the journal of a boot outlives it
        wants = self.root / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
        wants.symlink_to("/lib/systemd/system/systemd-networkd.service")
        host_key = self.root / "etc/ssh/ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key)], check=True)

    def write(self, path: str, text: str) -> None:
        """A file of the host, from outside."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)

    def add_user(self, name: str) -> None:
        """Somebody who logs in with the same key."""
        subprocess.run(["chroot", str(self.root), "useradd", "-m", "-s", "/bin/bash", name], check=True)
        self.write(f"home/{name}/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text())

    @property
    def host_key(self) -> str:
        """Its line for known_hosts."""
        kind, blob = (self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return f"{self.address} {kind} {blob}\n"

    # --- power

    def start(self) -> None:
        """Switch it on. The host dies with whoever started it, in a process namespace that the kernel clears: nothing is
        left of a run that was killed (systemd-nspawn alone leaves its host behind)."""
        words = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--pid",
            "--mount",
            "--mount-proc",
            "--fork",
            "--kill-child",
        ]
        words += ["systemd-nspawn", "-q", "--register=no", "--keep-unit", "--boot"]
        words += ["-D", str(self.root), "-M", f"{self.name}-{os.getpid()}", f"--hostname={self.name}"]
        with self.console.open("ab") as log:
            self.child = subprocess.Popen(
                [*words, f"--network-bridge={self.bridge}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_booted(self) -> None:
        """Until systemd says that it has nothing more to start."""
        end = time.monotonic() + BOOT
        while self.run("systemctl is-system-running") not in ("running", "degraded"):
            gone = self.child is None or self.child.poll() is not None
            if gone or time.monotonic() > end:
                raise AssertionError(f"{self.name} is not up: {self.said()}")
            time.sleep(0.2)
        assert self.run("systemctl is-active nginx.service") == "active", self.journal(0, "-u nginx.service")

    def wait_off(self) -> None:
        """Until it is down, by itself."""
        assert self.child is not None
        self.child.wait(BOOT)

    def off(self) -> None:
        """Pull the plug."""
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
        end = time.monotonic() + BOOT
        while self.plugged():  # the kernel takes the namespaces apart a moment later
            assert time.monotonic() < end, f"the network of {self.name} does not go away"
            time.sleep(0.05)

    def plugged(self) -> bool:
        """Is its end of the bridge still there?"""
        return any(name.startswith(f"vb-{self.name}-") for name in interfaces())

    def reboot(self) -> float:
        """Shut down in good order and boot again; returns the seconds that it took to go down."""
        began = time.monotonic()
        self.run("systemctl --no-block reboot")
        self.wait_off()
        took = time.monotonic() - began
        self.start()
        return took

    # --- what is

    @property
    def console(self) -> Path:
        return self.root.with_suffix(".console")

    def said(self) -> str:
        """The end of what its console shows."""
        return self.console.read_text(errors="replace")[-600:] if self.console.exists() else ""

    def run(self, line: str) -> str:
        """What `line` prints there, run by root over ssh; "" where nothing answers."""
        options = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={self.key.parent}/known_hosts", "LogLevel=ERROR"]
        options += ["ConnectTimeout=2", "BatchMode=yes", "ControlPath=none"]
        words = ["ssh", "-F", "none", "-i", str(self.key), *(w for o in options for w in ("-o", o))]
        done = subprocess.run(
            [*words, f"root@{self.address}", line],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    def inside(self, line: str, *words: str) -> str:
        """The same in its namespaces, whatever sshd and the network are doing."""
        init = str(self.pids()[0])
        call = ["nsenter", "-t", init, "-a", "sh", "-c", line, "sh", *words]
        done = subprocess.run(call, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.stdout.strip()

    def journal(self, boot: int = 0, *words: str) -> str:
        """What its journal says about a boot (0: this one, -1: the one before), read there."""
        return self.run(f"journalctl --no-pager -o short-monotonic -b {boot} {' '.join(words)}")

    def pids(self) -> list[int]:
        """Its processes, by their numbers out here."""
        assert self.child is not None
        inits = [init for nspawn in children(self.child.pid) for init in children(nspawn)]
        return [pid for init in inits for pid in (init, *descendants(init))]

    def remove(self) -> None:
        """Switch off, and nothing is left."""
        self.off()
        shutil.rmtree(self.root, ignore_errors=True)


def interfaces() -> set[str]:
    """Of this network namespace; /sys shows those of whoever mounted it."""
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    return {line.split(":")[0].strip() for line in lines}


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    below = children(pid)
    return [*below, *(grandchild for child in below for grandchild in descendants(child))]
