"""The faults of FAULTS.md section 5 that a loopback fleet can have."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from deployer.sandbox import repository
from tests.faults.crash import wait
from tests.faults.fleet import LEASE, FaultFleet, command_of, descendants, end
from tests.faults.matrix import Cell, Fault, nothing
from tests.faults.oracle import look, text

Action = Callable[[Cell], None]


def to_deployer(*signals: signal.Signals) -> Action:
    """To its whole process group, as a terminal or a CI runner does."""

    def strike(cell: Cell) -> None:
        for number in signals:
            os.killpg(cell.pid, number)

    return strike


def asleep(cell: Cell) -> None:
    """The lid is closed for longer than the lease."""
    os.killpg(cell.pid, signal.SIGSTOP)


def wake(cell: Cell) -> None:
    time.sleep(1)  # a verb that stood in the trap gets through
    wait(cell.fleet.at_rest, LEASE + 8)
    os.killpg(cell.pid, signal.SIGCONT)


def wake_after_another(cell: Cell) -> None:
    """While it sleeps its lock is released and another deployer takes the fleet elsewhere; then it wakes up."""
    fleet = cell.fleet
    time.sleep(1)
    wait(fleet.at_rest, LEASE + 8)
    fleet.fleet.deploy("lock", "release", "nginx", "--yes")
    os.killpg(cell.pid, signal.SIGCONT)


def kill_shell(cell: Cell) -> None:
    """What runs on the host for the deployer right now."""
    if pid := cell.stopped_by():
        end(pid)


def kill_sshd(cell: Cell) -> None:
    """The listener and every session of the host; it is started again at once, as init would."""
    prefix = cell.fleet.fleet.host(cell.host).prefix
    home = prefix / "ssh"
    listener = int(text(home / "sshd.pid"))
    sessions = [pid for pid in descendants(listener) if "sshd" in command_of(pid)]
    for pid in (listener, *sessions):  # what they started lives on
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cell.fleet.restart_sshd(cell.host)


def network(mode: str, everywhere: bool = False) -> Action:
    def strike(cell: Cell) -> None:
        for name in cell.fleet.names if everywhere else [cell.host]:
            cell.fleet.network(name, mode)

    return strike


def heal_network(cell: Cell) -> None:
    for name in cell.fleet.names:
        cell.fleet.network(name, "pass")


def cut(cell: Cell) -> None:
    cell.fleet.relays[cell.host].cut()


def cut_after_answer(cell: Cell) -> None:
    """The verb is done on the host; its answer never arrives."""
    cell.fleet.network(cell.host, "deaf")
    cell.go()
    time.sleep(1)
    cell.fleet.relays[cell.host].cut()
    cell.fleet.network(cell.host, "pass")


# --- a firewall that drops without a word


def iptables() -> str:
    return shutil.which("iptables", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or ""


def no_iptables(fleet: FaultFleet) -> str:
    alone = os.environ.get("FAULTS_NETNS") == "1"
    return "" if iptables() and alone else "needs root, iptables and a network namespace of its own"


def firewall(how: str) -> Action:
    def change(cell: Cell) -> None:
        port = str(cell.fleet.relays[cell.host].port)
        for chain, word in (("INPUT", "--dport"), ("INPUT", "--sport")):
            line = [iptables(), how, chain, "-i", "lo", "-p", "tcp", word, port, "-j", "DROP"]
            subprocess.run(line, check=how == "-A", capture_output=True)

    return change


# --- sshd's slots

SLOTS = "MaxStartups 1:100:1\n"


def fill_slots(cell: Cell) -> None:
    """One connection that never authenticates takes the only place."""
    cell.fleet.relays[cell.host].cut()
    taken = [socket.create_connection(("127.0.0.1", cell.fleet.real_ports[cell.host])) for _ in range(2)]
    cell.fleet.slots = taken  # type: ignore[attr-defined]


def with_sshd(line: str) -> Action:
    def before(cell: Cell) -> None:
        for name in cell.fleet.names:
            config = cell.fleet.fleet.host(name).prefix / "ssh/sshd_config"
            kept = [
                one for one in config.read_text().splitlines() if not one.startswith(("MaxStartups", "MaxSessions"))
            ]
            config.write_text("\n".join([line.strip(), *kept]) + "\n")
            cell.fleet.restart_sshd(name)

    return before


def free_slots(cell: Cell) -> None:
    for taken in getattr(cell.fleet, "slots", []):
        taken.close()
    with_sshd("MaxStartups 100")(cell)


# --- the host's disk, privileges, clock, service


def own_sshd(fleet: FaultFleet) -> str:
    return "" if fleet.kind == "loopback" else "made for the sshd and the processes of the loopback fleet"


def no_small_disks(fleet: FaultFleet) -> str:
    return "" if fleet.small_disks else "mounting a small disk needs root"


def disk(cell: Cell) -> Path:
    return cell.fleet.root(cell.host).parent


def fill_blocks(cell: Cell) -> None:
    with (disk(cell) / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def fill_inodes(cell: Cell) -> None:
    folder = disk(cell) / "fill"
    try:
        folder.mkdir()
        for number in range(100000):
            (folder / str(number)).touch()
    except OSError:
        return


def empty_disk(cell: Cell) -> None:
    (disk(cell) / "filler").unlink(missing_ok=True)
    shutil.rmtree(disk(cell) / "fill", ignore_errors=True)


def read_only(cell: Cell) -> None:
    words = ["mount", "-o", "remount,ro", str(disk(cell))]
    if not wait(lambda: subprocess.run(words, check=False, capture_output=True).returncode == 0, 5):
        raise RuntimeError("cannot remount read-only")


def writable(cell: Cell) -> None:
    subprocess.run(["mount", "-o", "remount,rw", str(disk(cell))], check=True)


def deny(cell: Cell) -> None:
    (cell.fleet.traps(cell.host) / "denied").touch()


def allow(cell: Cell) -> None:
    (cell.fleet.traps(cell.host) / "denied").unlink(missing_ok=True)


def keys(cell: Cell) -> Path:
    return cell.fleet.folder / "user_key.pub"


def take_key(cell: Cell) -> None:
    """The account is gone for every new connection; held ones stay."""
    keys(cell).rename(keys(cell).with_suffix(".gone"))


def give_key(cell: Cell) -> None:
    keys(cell).with_suffix(".gone").rename(keys(cell))


def freeze_server(cell: Cell) -> None:
    """A reload that hangs: nginx hears no signal."""
    for pid in cell.fleet.masters(cell.host):
        os.kill(pid, signal.SIGSTOP)


def thaw_server(cell: Cell) -> None:
    for pid in cell.fleet.masters(cell.host):
        os.kill(pid, signal.SIGCONT)


def kill_server(cell: Cell) -> None:
    end(*cell.fleet.masters(cell.host))


def start_again(cell: Cell) -> None:
    """A command that was refused because the server is dead, or names it as that, leaves it to whoever reads that; one
    that had read it back already has nothing to do with it."""
    named = cell.child is not None and cell.child.returncode in (1, 4)
    if (named or cell.step == "outcome") and not cell.fleet.masters(cell.host):
        cell.fleet.start_server(cell.host)


def lying_reload(cell: Cell) -> None:
    """`nginx -t` and the reload accept it; no worker ever has it."""
    repository.commit_edit(cell.fleet.sandbox, "unloadable")


def kill_watchdog_too(cell: Cell) -> None:
    """Nobody is left to revert but the minute tick."""
    os.killpg(cell.pid, signal.SIGKILL)
    for name in cell.fleet.names:
        for file in cell.fleet.root(name).glob("wd.*"):
            if pid := file.read_text().strip():
                end(int(pid))


def tick(cell: Cell) -> None:
    """What the cron line does, once the lease is over."""
    for name in cell.fleet.names:
        root = cell.fleet.root(name)
        state = look(root).state
        if state.get("phase") not in (None, "idle"):
            wait(lambda s=state: float(text(Path("/proc/uptime")).split()[0]) > int(s["deadline"]), LEASE + 3)  # type: ignore[misc]
        cell.fleet.tick(name)


def reboot(cell: Cell) -> None:
    cell.fleet.reboot(cell.host)


def reboot_bare(cell: Cell) -> None:
    """The host has no boot unit: it starts on the unconfirmed release, until the minute tick comes."""
    cell.fleet.reboot(cell.host, boot_unit=False)


# --- git


def remote(cell: Cell) -> Path:
    return cell.fleet.folder / "origin.git"


def remote_gone(cell: Cell) -> None:
    remote(cell).rename(remote(cell).with_suffix(".away"))


def remote_back(cell: Cell) -> None:
    away = remote(cell).with_suffix(".away")
    if away.exists():
        away.rename(remote(cell))


def git_file(name: str) -> Action:
    return lambda cell: (cell.fleet.traps("git") / name).touch()


def git_ok(cell: Cell) -> None:
    for name in ("slow", "refuse"):
        (cell.fleet.traps("git") / name).unlink(missing_ok=True)


def lose_reply(kind: str) -> Action:
    return git_file(f"lose.{kind}")


def rewind(cell: Cell) -> None:
    """Somebody with push rights takes the newest record away."""
    ref = "refs/heads/deployments/production"
    subprocess.run(["git", "update-ref", ref, f"{ref}~1"], cwd=remote(cell), check=True)


def forward_again(cell: Cell) -> None:
    """The rewritten chain is accepted by hand, as the error says, and a deploy whose end was taken away is closed."""
    for seen in cell.fleet.sandbox.state.glob("deployer/*/seen"):
        shutil.rmtree(seen)
    if cell.step == "survey":
        release_lock(cell)


def release_lock(cell: Cell) -> None:
    cell.fleet.fleet.deploy("lock", "release", "nginx", "--yes")


def abort_elsewhere(cell: Cell) -> None:
    cell.fleet.fleet.deploy("abort", "nginx", "--yes")


def second_deployer(cell: Cell) -> None:
    """The same push from another terminal, at once."""
    cell.others.append(cell.fleet.start_deploy("push", "nginx", "--yes", "--json", name="second."))
    cell.others[-1].wait(timeout=60)


def other_playbook(cell: Cell) -> None:
    """Another service of the same hosts, in the same ledger: neither waits for the other, and both must end well."""
    cell.others.append(cell.fleet.start_deploy("push", "notes", "--yes", "--json", name="second."))


def join_other_playbook(cell: Cell) -> None:
    join_others(cell)
    code = cell.others[-1].returncode
    if code != 0:
        raise AssertionError(f"push notes exits {code}: {text(cell.fleet.folder / 'second.err')[-500:]}")


def rollback_beside(cell: Cell) -> None:
    """Somebody on call loses patience and rolls back while the push runs, or a second person while a rollback runs."""
    cell.others.append(cell.fleet.start_deploy("rollback", "nginx", "--yes", "--json", name="second."))
    cell.last_word = cell.fleet.old  # one step back from what was new, however many ask for it


def join_others(cell: Cell) -> None:
    for child in cell.others:
        child.wait(timeout=120)


# --- a host that lies, a host on its way down, a deployer without a processor

ABSURD = (
    r"""sed 's/"fence":[0-9]*/"fence":999999999999/; s/"left":[0-9]*/"left":999999999/; """
    r"""s#"deploy":"[^"]*"#"deploy":"../../../etc/x"#; s/"history":\[/"history":[[7,"push","ffffffffff-00000000"],/'"""
)
ENDLESS = "cat > /dev/null; head -c 31000000 /dev/zero | tr '\\0' x; echo"


def poison(script: str) -> Action:
    """From now on every answer of the host goes through `script`."""
    return lambda cell: void((cell.fleet.traps(cell.host) / "poison").write_text(script + "\n"))


def void(_: object) -> None:
    """For what is done for its effect."""


def antidote(cell: Cell) -> None:
    (cell.fleet.traps(cell.host) / "poison").unlink(missing_ok=True)


def begin_shutdown(cell: Cell) -> None:
    cell.fleet.begin_shutdown(cell.host)


def end_shutdown(cell: Cell) -> None:
    """It has stood there for a moment, or the command has ended before it; then it goes down, and boots."""
    wait(lambda: cell.child is not None and cell.child.poll() is not None, 3)
    cell.fleet.end_shutdown(cell.host)


def starve(cell: Cell) -> None:
    """The deployer gets a twentieth of a processor for as long as two leases last."""
    end_at = time.monotonic() + 2 * LEASE
    while time.monotonic() < end_at and cell.child is not None and cell.child.poll() is None:
        for number, seconds in ((signal.SIGSTOP, 0.95), (signal.SIGCONT, 0.05)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(cell.pid, number)
            time.sleep(seconds)


# --- clocks


def library() -> str:
    found = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    return os.environ.get("FAULTS_FAKETIME", "") or (str(found[0]) if found else "")


def clock(shift: str) -> Action:
    def strike(cell: Cell) -> None:
        line = f"export LD_PRELOAD={library()} FAKETIME={shift} FAKETIME_DONT_FAKE_MONOTONIC=1\n"
        (cell.fleet.traps(cell.host) / "env").write_text(line)

    return strike


def clock_back(cell: Cell) -> None:
    (cell.fleet.traps(cell.host) / "env").unlink(missing_ok=True)


def no_faketime(fleet: FaultFleet) -> str:
    return own_sshd(fleet) or ("" if library() else "needs libfaketime")


ACTIVE = ("activate", "activated", "watch", "activate 2", "decision", "confirm", "confirmed", "read back", "outcome")
PENDING = ("activated", "watch", "activate 2", "decision", "confirm", "confirmed", "read back")
HOST_STEPS = ("survey", "stage", "check", "activate", "activated", "activate 2", "confirm", "confirmed", "read back")
GIT_STEPS = ("survey", "stage", "watch", "activate 2", "confirm", "read back")

FAULTS = (
    Fault("none", nothing, steps=("watch",)),
    Fault("deployer SIGKILL", to_deployer(signal.SIGKILL)),
    Fault("deployer SIGTERM", to_deployer(signal.SIGTERM)),
    Fault("deployer SIGHUP", to_deployer(signal.SIGHUP)),
    Fault("deployer SIGINT", to_deployer(signal.SIGINT)),
    Fault("deployer SIGINT twice", to_deployer(signal.SIGINT, signal.SIGINT)),
    Fault("deployer asleep past the lease", asleep, wake),
    Fault("its lock released while asleep", asleep, wake_after_another, steps=PENDING),
    Fault("deployer and watchdogs killed", kill_watchdog_too, lift=tick, steps=PENDING, missing=own_sshd),
    Fault("connection reset", cut),
    Fault("network silent, one host", network("silent"), lift=heal_network),
    Fault("network silent, all hosts", network("silent", True), lift=heal_network),
    Fault("answers lost", network("deaf"), lift=heal_network),
    Fault("answer lost, then reset", cut_after_answer, steps=HOST_STEPS),
    Fault("network slow", network("slow"), lift=heal_network),
    Fault("firewall drops, one host", firewall("-A"), lift=firewall("-D"), missing=no_iptables),
    Fault("port refused", lambda c: (network("refuse")(c), cut(c))[0], lift=heal_network),  # type: ignore[func-returns-value]
    Fault("host shell killed", kill_shell, steps=HOST_STEPS, missing=own_sshd),
    Fault("sshd killed", kill_sshd, missing=own_sshd),
    Fault("sshd: MaxStartups taken", fill_slots, lift=free_slots, before=with_sshd(SLOTS), missing=own_sshd),
    Fault(
        "sshd: MaxSessions 1",
        nothing,
        lift=free_slots,
        before=with_sshd("MaxSessions 1"),
        steps=("watch",),
        missing=own_sshd,
    ),
    Fault("disk full: blocks", fill_blocks, lift=empty_disk, missing=no_small_disks),
    Fault("disk full: inodes", fill_inodes, lift=empty_disk, missing=no_small_disks),
    Fault("disk read-only", read_only, lift=writable, missing=no_small_disks),
    Fault("sudo refused", deny, lift=allow),
    Fault("key removed", take_key, lift=give_key),
    Fault("reload hangs", freeze_server, lift=thaw_server),
    Fault("reload lies", nothing, before=lying_reload, steps=("activate",), commands=("push",), missing=own_sshd),
    Fault("server killed", kill_server, lift=start_again),
    Fault("host reboots", reboot),
    Fault("host reboots, no boot unit", reboot_bare, lift=tick, steps=PENDING, missing=own_sshd),
    Fault("host shuts down slowly", begin_shutdown, during=end_shutdown),
    Fault("answers poisoned: absurd", poison(ABSURD), lift=antidote),
    Fault("answers poisoned: endless", poison(ENDLESS), lift=antidote, steps=HOST_STEPS),
    Fault("deployer starved", nothing, during=starve),
    Fault("host clock +1 year", clock("+1y"), lift=clock_back, missing=no_faketime, steps=ACTIVE),
    Fault("host clock -1 hour", clock("-1h"), lift=clock_back, missing=no_faketime, steps=ACTIVE),
    Fault("git remote gone", remote_gone, lift=remote_back),
    Fault("git remote slow", git_file("slow"), lift=git_ok),
    Fault("git remote refuses", git_file("refuse"), lift=git_ok),
    Fault("git: reply to DECISION lost", lose_reply("DECISION"), steps=("watch",), commands=("push",)),
    Fault("git: reply to OUTCOME lost", lose_reply("OUTCOME"), steps=("watch", "confirm")),
    Fault("ledger rewound", rewind, lift=forward_again, steps=GIT_STEPS, commands=("push",)),
    Fault("lock released by hand", release_lock, steps=(*GIT_STEPS, "check", "activate"), commands=("push",)),
    Fault("abort from another terminal", abort_elsewhere, steps=("activated", "watch", "activate 2")),
    Fault("a second push", second_deployer, lift=join_others, steps=("stage", *PENDING), commands=("push",)),
    Fault(
        "a push of another playbook",
        other_playbook,
        lift=join_other_playbook,
        steps=("survey", *PENDING),
        missing=own_sshd,
    ),
    Fault("a rollback beside it", rollback_beside, lift=join_others, steps=PENDING, commands=("push",)),
    Fault("a second rollback", rollback_beside, lift=join_others, commands=("rollback",)),
)
SAMPLE = (  # command, fault, step: what runs with the tests
    ("push", "deployer SIGKILL", "watch"),
    ("push", "connection reset", "activate 2"),
    ("push", "git remote gone", "decision"),
    ("push", "answer lost, then reset", "confirm"),
    ("rollback", "deployer SIGTERM", "activate"),
    ("push", "answers poisoned: absurd", "activated"),
)
