"""A real fleet to break: sshd and nginx per host behind a relay, traps at every step, and a quick way back to the start."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.sandbox import binaries, repository, servers
from deployer.sandbox.daemons import daemon
from deployer.sandbox.fleet import Sandbox, SandboxHost, wait_for
from deployer.sandbox.ports import free_port, listening
from deployer.sandbox.processes import processes, reap
from tests.faults.crash import wait
from tests.faults.oracle import look, text, unsound
from tests.faults.relay import Relay
from tests.faults.unpack import unpack
from tests.fleet.conftest import DEPLOY, Fleet

LEASE = int(os.environ.get("FAULTS_LEASE", "12"))  # seconds: confirm_timeout; more where the machine is busy
BAKE = 2
HERE = Path(__file__).parent
NOTES = """service: custom
hosts: edge
dest: /etc/notes
serial: [100%]
bake: 1s
confirm_timeout: 20s
health_checks: [storefront]
custom:
  check: test -s "$1/note.txt"
  activate: cp "$DEST/note.txt" "$PREFIX/run/note.txt"
  verify: cmp -s "$ROOT/releases/$1/note.txt" "$PREFIX/run/note.txt"
"""
CHECK = """probes:
  - {name: home, url: /, expect: 200, rate: 20/s, level: required}
compare:
  latency_p50: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p75: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p95: {max_increase: 500%, at_least: 2s, shadow: true}
  latency_p99: {max_increase: 500%, at_least: 2s, shadow: true}
  error_rate: {max_increase: 40 points}
limit: {error_rate: 50%}
sources: {traffic: none}
inconclusive: continue
"""  # what is judged here is not the release: a verdict within seconds, however busy the machine is
PARTS = ("config", "origin.git", "state")  # the checkout, the ledger, and what the deployer remembers of both
DISK = "size=6m,nr_inodes=1500"


class FaultFleet:
    """shell: see Sandbox. small_disks: each host's state lies on a file system of its own (root only), so that it can be filled."""

    kind = "loopback"

    def __init__(self, folder: Path, hosts: int = 2, shell: str = "") -> None:
        self.folder = folder.resolve()
        self.sandbox, self.fleet = self.make(hosts, shell)
        self.relays: dict[str, Relay] = {}
        self.real_ports: dict[str, int] = {}
        self.small_disks = False
        self.old = self.new = ""
        self.marks: dict[str, str] = {}

    # --- building

    def make(self, hosts: int, shell: str) -> tuple[Sandbox, Fleet]:
        sandbox = Sandbox(self.folder, hosts, "nginx", shell)
        return sandbox, Fleet(sandbox)

    def start(self) -> None:
        """Adopted, `old` confirmed everywhere, `new` committed and not yet pushed; all of it saved."""
        self.sandbox.start()
        for host in self.sandbox.hosts:
            self._rewire(host)
        self.sandbox._write_ssh_files()
        self.make_repository()
        (self.sandbox.config / "health_checks/storefront.yml").write_text(CHECK)
        self._git_hooks()
        self._second_playbook()
        self.must("adopt", "nginx", "--yes")
        if (self.sandbox.config / "playbooks/notes").exists():
            self.must("adopt", "notes", "--yes")
        self.old = self._push("old")
        self.fleet.mark("new")
        self.new = str(self.must("plan", "nginx")["release"])
        self.marks = {"old": self.old, "new": self.new}
        self.save("before")
        self.must("push", "nginx", "--yes", "--allow-quarantined")
        self.save("after")

    def make_repository(self) -> None:
        repository.make_repository(self.sandbox, f"{BAKE}s", f"{LEASE}s", "[1, 100%]")

    def _second_playbook(self) -> None:
        """`notes`: another service on the same hosts, in the same ledger, always one release behind its files."""
        folder = self.sandbox.config / "playbooks/notes"
        (folder / "files").mkdir(parents=True)
        (folder / "files/note.txt").write_text("a note\n")
        (folder / "playbook.yml").write_text(NOTES)
        repository.commit(self.sandbox, "notes")
        for host in self.sandbox.hosts:
            for path in ("etc/notes/note.txt", "run/note.txt"):
                (host.prefix / path).parent.mkdir(parents=True, exist_ok=True)
                (host.prefix / path).write_text("as it was\n")

    def _push(self, mark: str) -> str:
        self.fleet.mark(mark)
        return str(self.must("push", "nginx", "--yes", "--allow-quarantined")["release"])

    def must(self, *words: str) -> dict[str, object]:
        """A command that has to succeed, or the matrix cannot begin."""
        for _ in range(3):  # leases this short run out when the machine is busy with something else
            code, body, err = self.fleet.deploy(*words)
            if code in (0, 1, 64):
                break
        if code != 0:
            raise SystemExit(
                f"error: the fleet of the fault matrix does not come up: deploy {words}: {code} {body}\n{err}"
            )
        return body

    def _rewire(self, host: SandboxHost) -> None:
        """The deployer reaches the host's sshd through a relay, and every command through the hook."""
        self.real_ports[host.name] = host.ssh_port
        self.relays[host.name] = Relay(host.ssh_port)
        host.ssh_port = self.relays[host.name].port
        self.traps(host.name).mkdir(parents=True)
        hook = host.prefix / "hook.sh"
        hook.write_text((HERE / "hook.sh").read_text().replace("@DIR@", str(self.traps(host.name))))
        hook.chmod(0o755)
        config = host.prefix / "ssh/sshd_config"
        config.write_text(config.read_text() + f"ForceCommand {hook}\n")
        disk = host.prefix / "var/lib/deployer"
        disk.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", DISK, "none", str(disk)]
        self.small_disks = os.geteuid() == 0 and subprocess.run(words, check=False, capture_output=True).returncode == 0
        self.restart_sshd(host.name)  # after the mount: an unpacked sshd has a mount namespace of its own

    def _git_hooks(self) -> None:
        self.traps("git").mkdir(parents=True)
        for name in ("pre-receive", "post-receive"):
            hook = self.folder / "origin.git/hooks" / name
            hook.write_text((HERE / "git-hook.sh").read_text().replace("@DIR@", str(self.traps("git"))))
            hook.chmod(0o755)

    def stop(self) -> None:
        for host in self.names:
            self.network(host, "pass")
        for relay in self.relays.values():
            relay.close()
        self.sandbox.stop()
        for host in self.sandbox.hosts:
            subprocess.run(["umount", "-l", str(host.prefix / "var/lib/deployer")], check=False, capture_output=True)

    # --- looking

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.sandbox.hosts]

    def root(self, name: str) -> Path:
        return self.fleet.root(name)

    def traps(self, name: str) -> Path:
        """Where the traps of a host, or of git, lie."""
        return self.folder / "traps" / name

    def serves(self, name: str) -> str:
        """The release whose mark the running nginx sends; "" when it does not answer."""
        try:
            return self.marks.get(self.fleet.served(name), "?")
        except OSError:
            return ""

    def unsound(self, name: str) -> list[str]:
        """What is wrong with a host that should be at rest."""
        return unsound(self.root(name), self.serves(name), {self.old, self.new})

    def at_rest(self) -> bool:
        return not any(map(self.busy, self.names)) and not any(map(self.unsound, self.names))

    def start_deploy(self, *words: str, name: str = "") -> subprocess.Popen[bytes]:
        """`deploy WORDS`, running, its words in the files NAMEout and NAMEerr."""
        with (self.folder / f"{name}out").open("wb") as out, (self.folder / f"{name}err").open("wb") as err:
            env = {**self.sandbox.environ(), "PYTHONPATH": str(HERE.parents[1])}
            return subprocess.Popen(
                [*DEPLOY, *words],
                cwd=self.sandbox.config,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # a process group of its own, as a shell gives it
            )

    # --- putting back

    def save(self, name: str) -> None:
        """Everything that a deploy changes: the hosts' state, the ledger, the checkout."""
        for host in self.names:
            wait(lambda h=host: not list(self.root(h).glob("wd.*")), 10)  # type: ignore[misc]
            with tarfile.open(self.folder / f"{name}.{host}.tar", "w") as tar:
                tar.add(self.root(host).parent, "state")
        for part in PARTS:
            shutil.copytree(self.folder / part, self.folder / f"{name}.{part}", symlinks=True)

    def reset(self, name: str) -> None:
        """As it was saved: files, links, git, the running servers, the network, and no trap."""
        for host in self.sandbox.hosts:
            self.network(host.name, "pass")
            for pid in self.agents(host.name):
                end(pid)
            self.mend_sshd(host.name)
            self._reset_host(host, name)
        for part in PARTS:
            shutil.rmtree(self.folder / part, ignore_errors=True)
            shutil.copytree(self.folder / f"{name}.{part}", self.folder / part, symlinks=True)
        if not wait(self.at_rest, 20):
            raise RuntimeError(f"the fleet cannot be put back: {[self.unsound(n) for n in self.names]}")

    def _reset_host(self, host: SandboxHost, name: str) -> None:
        for path in self.traps(host.name).iterdir():
            path.unlink()
        for path in self.traps("git").iterdir():
            path.unlink()
        base = self.root(host.name).parent
        subprocess.run(["mount", "-o", "remount,rw", str(base)], check=False, capture_output=True)
        for path in base.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        with tarfile.open(self.folder / f"{name}.{host.name}.tar") as tar:
            for member in tar.getmembers():
                if "/" in member.name:
                    member.name = member.name.removeprefix("state/")
                    if member.islnk():
                        member.linkname = member.linkname.removeprefix("state/")
                    unpack(tar, member, base)
        if (host.prefix / "run/note.txt").exists():  # the "process" of notes
            (host.prefix / "run/note.txt").write_text(text(host.prefix / "etc/notes/note.txt"))
        send(signal.SIGCONT, *self.masters(host.name))
        line = '. "$1/phrases/$2"; if service_running; then service_reload "$2"; else service_start "$2"; fi'
        self.run_on(host.name, line, self.root_there(host.name), look(self.root(host.name)).current)

    # --- a host, from outside

    def root_there(self, name: str) -> str:
        """ROOT, by the name that it has on the host."""
        return str(self.root(name))

    def run_on(self, name: str, line: str, *words: str) -> None:
        """sh there, whatever sshd and the network are doing."""
        subprocess.run(["sh", "-c", line, "sh", *words], check=False, capture_output=True)

    def pids(self, name: str) -> list[int]:
        """Every process of the host."""
        return processes(self.fleet.host(name).prefix)

    def agents(self, name: str) -> list[int]:
        """Verbs and watchdogs of a host, and hooks that stand in a trap."""
        return [p for p in self.pids(name) if "hostctl-" in command_of(p)]

    def masters(self, name: str) -> list[int]:
        """Its nginx master."""
        return [p for p in self.pids(name) if "nginx: master" in command_of(p)]

    def busy(self, name: str) -> bool:
        """Does a verb, a watchdog or a command in a trap still run there?"""
        prefix = self.fleet.host(name).prefix
        words = (f"{prefix}/hook.sh", f"{prefix}/var/lib/deployer/bin/hostctl-")
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return any(word in command_of(pid) for pid in pids for word in words)

    def tick(self, name: str) -> None:
        """What the cron line does."""
        agent = next(self.root(name).parent.glob("bin/hostctl-*")).name
        base = self.root_there(name).rsplit("/", 1)[0]
        self.run_on(name, 'sh "$1/bin/$2" tick "$3"', base, agent, self.root_there(name))

    def mend_sshd(self, name: str) -> None:
        """Started again where it is not there."""
        if not listening(self.real_ports[name]):
            self.restart_sshd(name)

    # --- breaking

    def network(self, name: str, mode: str) -> None:
        """See Relay; `pass` heals it."""
        self.relays[name].mode = mode

    def restart_sshd(self, name: str) -> None:
        """End the listening sshd (sessions live on) and start it again with its configuration as it is now."""
        host = self.fleet.host(name)
        home = host.prefix / "ssh"
        if pid := text(home / "sshd.pid").strip():
            end(int(pid))
        wait_for(lambda: not listening(self.real_ports[name]), "the old sshd is gone")
        words = [binaries.find("sshd"), "-f", f"{home}/sshd_config", "-E", f"{home}/sshd.log"]
        subprocess.run([*servers.privilege_separation(home), *words], check=True, stdin=subprocess.DEVNULL)
        wait_for(lambda: listening(self.real_ports[name]), f"sshd of {name}")

    def reboot(self, name: str, boot_unit: bool = True) -> None:
        """Every process of the host dies at once; then what an init does: the boot unit, the server, sshd."""
        host = self.fleet.host(name)
        end(*processes(host.prefix))
        self.relays[name].cut()
        ports = (self.real_ports[name], host.http_port)  # a worker may die a moment after its master
        wait_for(lambda: not any(map(listening, ports)), "the host is down")
        agent = next(self.root(name).parent.glob("bin/hostctl-*"))
        if boot_unit:
            subprocess.run(["sh", str(agent), "boot", str(self.root(name))], check=False, capture_output=True)
        self.start_server(name)
        self.restart_sshd(name)

    def begin_shutdown(self, name: str) -> None:
        """systemd says `stopping` and starts nothing any more, as long as a slow unit keeps the host from going down."""
        folder = self.traps(name)
        (folder / "systemctl").write_text("#!/bin/sh\ncase $1 in is-system-running) echo stopping ;; esac\nexit 1\n")
        (folder / "systemctl").chmod(0o755)
        (folder / "env").write_text(f"PATH={folder}:$PATH\n")

    def end_shutdown(self, name: str) -> None:
        """Now it is down, and boots."""
        (self.traps(name) / "env").unlink(missing_ok=True)
        self.reboot(name)

    def start_server(self, name: str) -> None:
        """As its init would."""
        host = self.fleet.host(name)
        words = daemon("nginx").command(host.prefix, self.sandbox.variables(host))
        done = subprocess.run(words, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"nginx of {name} does not start: {done.stderr}")


def end(*pids: int) -> None:
    """With everything below; stopped first, or a master that is reloading leaves a worker that nobody has counted."""
    send(signal.SIGSTOP, *pids)
    send(signal.SIGKILL, *pids, *(p for pid in pids for p in descendants(pid)))


def send(number: signal.Signals, *pids: int) -> None:
    """To those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    below = [int(p) for p in text(Path(f"/proc/{pid}/task/{pid}/children")).split()]
    return [*below, *(p for child in below for p in descendants(child))]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def fault_fleet(hosts: int = 2, shell: str = "", of: type[FaultFleet] = FaultFleet) -> Iterator[FaultFleet]:
    """In a folder that is removed."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    fleet = of(folder, hosts, shell)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()
        reap(folder)
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["BAKE", "LEASE", "FaultFleet", "fault_fleet", "free_port"]
