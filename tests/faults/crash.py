"""The crash harness: a deploy is killed at each of its changes to a file, recovers, and must be sound (HOST_PROTOCOL 7).

`crashat.c` counts the changes over all processes of one deploy on one host directory and kills before the K-th. After
each kill the host recovers as it would in life, and `oracle.py` judges. K runs from 1 to the last change.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from deployer.model.release import Package
from deployer.remote.layout import layout_for
from deployer.remote.verbs import pack
from deployer.sandbox.processes import reap
from tests.contract.real import LocalTransport, RealRig, shell_folder, toy_service
from tests.contract.rig import order, package
from tests.faults.adoption import ENDINGS, Tree, kill, killed_again
from tests.faults.oracle import fingerprint, look, text, unsound

SHELLS = ("dash", "busybox", "bash", "mksh")
ONE, TWO, THREE = package(b"one\n"), package(b"two\n"), package(b"three\n")
SECONDS = 240  # for one traced deploy, on a machine that has much else to do

# One deploy, as the deployer sends it; each answer is printed, so that what was promised is known.
DEPLOY = """
set -u
agent=$1 root=$2 tar=$3 release=$4 number=$5 lease=$6 ending=$7
ask() { printf '%s %s\\n' "$1" "$(sh "$agent" "$@")"; }
ask stage "$root" "$release" < "$tar"
ask check "$root" "$release"
ask activate "$root" "$number-abcd" "$number" push "$release" "$lease" 600
case $ending in
  confirm) ask extend "$root" "$number-abcd" "$lease"; ask confirm "$root" "$number-abcd"
    ask prune "$root" 3 ;;
  revert) ask revert "$root" "$number-abcd" "$number" ;;
esac
"""


def build_tracer(folder: Path) -> Path:
    """Compile crashat.c. SystemExit with what to install when there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("error: the crash harness needs a C compiler (cc); install gcc and libc6-dev")
    tracer = folder / "crashat"
    source = Path(__file__).with_name("crashat.c")
    subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", tracer, source], check=True)
    return tracer


def cannot_trace() -> str:
    """Why kills cannot be tried here; "" where they can: no compiler, or a kernel that lets nobody be traced."""
    if not (shutil.which("cc") or shutil.which("gcc")):
        return "needs cc: apt-get install gcc libc6-dev"
    with tempfile.TemporaryDirectory() as folder:
        words = [str(build_tracer(Path(folder))), "--", "touch", f"{folder}/file"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        return "" if "CRASHAT ops=" in done.stderr else f"no process can be traced: {done.stderr[-200:]}"


@dataclass(frozen=True)
class Case:
    """One way to die. ending: confirm, revert, or silence (nobody confirms); or one of adoption.ENDINGS. victim: agent, watchdog, all.
    heal: boot (the machine starts again), tick (the next contact or minute tick, after the lease), alone (the watchdog
    lives). again: dies a second time at every change of the recovery. frozen: is stopped, not killed."""

    shell: str
    ending: str = "confirm"
    victim: str = "all"
    torn: bool = False
    heal: str = "boot"
    again: bool = False
    frozen: bool = False
    every: int = 1  # of a sample

    @property
    def lease(self) -> int:
        """Long where a reboot ends it, short where time must."""
        return 60 if self.heal == "boot" else 2

    def __str__(self) -> str:
        words = [
            self.shell,
            f"{self.victim} {'freezes' if self.frozen else 'dies'}",
            f"in {self.ending}",
            f"heals by {self.heal}",
        ]
        return ", ".join(words + ["torn writes"] * self.torn + ["twice"] * self.again)


@dataclass
class Tally:
    """killed: runs in which the kill happened. ticked: those where a tick had to finish what the watchdog could not.
    points: changes in one deploy."""

    runs: int = 0
    killed: int = 0
    ticked: int = 0
    points: int = 0
    violations: list[str] = field(default_factory=list)

    def note(self, where: str, bad: list[str]) -> None:
        """One run's judgement: at most one violation."""
        if bad:
            self.violations.append(f"{where}: {'; '.join(bad)}")

    def add(self, other: Tally) -> None:
        self.runs += other.runs
        self.killed += other.killed
        self.ticked += other.ticked
        self.points = max(self.points, other.points)
        self.violations += other.violations


@dataclass
class Died:
    """How a traced command ended. promised: verb -> did it answer ok?"""

    points: int
    killed: bool
    promised: dict[str, bool]


class HostFolder:
    """One host below `prefix` with ONE confirmed and TWO not yet there, put back to that before each run."""

    def __init__(self, prefix: Path, shell: str, tracer: Path, shims: Path) -> None:
        self.prefix, self.tracer = prefix, tracer
        self.root = prefix / "var/lib/deployer/app"
        self.path = f"{shims}:{shell_folder(prefix.with_name(f'{prefix.name}.bin'), shell)}"
        self.transport = LocalTransport(self.path)
        self._install()
        self.layout = layout_for(self.rig.host, "app", "/etc/app")
        self.agent = self.layout.agent
        self.fresh = self.save()
        self.saved: dict[str, bytes] = {}  # by ending, where that begins elsewhere
        self.before: dict[str, Tree] = {}
        self.after: dict[str, Tree] = {}
        self.tars: dict[str, Path] = {}
        for release in (TWO, THREE):
            tar = self.tars[release.release] = prefix.with_name(f"{prefix.name}.{release.release}.tar")
            tar.write_bytes(pack(release, toy_service(self.rig.host, self.layout)))

    def _install(self) -> None:
        self.rig = RealRig(self.prefix, self.transport)
        self.rig.hosts.adopt(self.rig.host, order(ONE, 1))
        self.rig.hosts.stage(self.rig.host, ONE)
        self.rig.hosts.activate(self.rig.host, order(ONE, 2))
        self.rig.hosts.confirm(self.rig.host, order(ONE, 2))
        history = self.root / "history"  # of years: a prune shortens it
        first, last = history.read_text().splitlines()
        history.write_text("\n".join([first, *[last] * 1000, ""]))
        self.quiet()

    def quiet(self) -> None:
        """The watchdog of a deploy that is over sees so, and goes."""
        wait(lambda: not list(self.root.glob("wd.*")), 10)

    def save(self) -> bytes:
        """The whole host as a tar."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in self.prefix.iterdir():
                tar.add(path, path.name)
        return buffer.getvalue()

    def restore(self, saved: bytes) -> None:
        """Nothing of the last run is left, neither files nor processes."""
        reap(self.prefix)
        for path in self.prefix.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
            tar.extractall(self.prefix, filter="fully_trusted")

    def sh(self, *words: str, traced: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """`sh WORDS` under this host's shell; traced: options of crashat."""
        command = [str(self.tracer), *traced, "--", "sh", *words] if traced else ["sh", *words]
        env = {"PATH": f"{self.path}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
        try:
            return subprocess.run(
                command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", "")  # nothing was promised; what is there is judged

    def deploy(self, release: Package, number: int, case: Case, *traced: str) -> Died:
        """One deploy of `release`, killed as crashat is told."""
        script = ["-c", DEPLOY, "deploy", self.agent, str(self.root), str(self.tars[release.release])]
        words = [release.release, str(number), str(case.lease), case.ending]
        return self.answered(self.sh(*script, *words, traced=traced))

    def verb(self, verb: str, *traced: str) -> Died:
        """One verb without arguments: tick or boot."""
        return self.answered(self.sh(self.agent, verb, str(self.root), traced=traced))

    @staticmethod
    def answered(done: subprocess.CompletedProcess[str]) -> Died:
        promised = {}
        for line in done.stdout.splitlines():
            word, _, answer = line.partition(" ")
            promised[word] = answer.startswith('{"ok":true')
        said = re.search(r"CRASHAT ops=(\d+) killed=(\d)", done.stderr)
        return Died(int(said[1]), said[2] == "1", promised) if said else Died(0, False, promised)

    @property
    def process(self) -> Path:
        """The toy's process is a file that says what it has loaded."""
        return self.prefix / "process"

    def left(self) -> float:
        """Seconds of the lease, from the record and the uptime clock."""
        state = look(self.root).state
        if state.get("end") != "1" or state.get("phase") == "idle":
            return 0.0
        return int(state["deadline"]) - float(text(Path("/proc/uptime")).split()[0])


def wait(holds: object, seconds: float) -> bool:
    """Poll a condition; whether it came true."""
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def recover(host: HostFolder, case: Case, *traced: str) -> Died:
    """What life does after the kill. Returns how the recovering verb ended."""
    if case.heal == "boot":
        reap(host.prefix)
        host.process.unlink(missing_ok=True)
        died = host.verb("boot", *traced)
        host.process.write_text(f"releases/{look(host.root).current}\n".replace("releases/", "", 1))  # init starts it
        return died
    wait(lambda: host.left() < 0, case.lease + 5)
    return host.verb("tick", *traced)


def healed(host: HostFolder) -> bool:
    """Back without anybody's help: the links agree and the process has what they say."""
    seen = look(host.root)
    return seen.current == seen.good == loaded(host) and not list(host.root.glob("wd.*"))


def loaded(host: HostFolder) -> str:
    return text(host.process).strip().removeprefix("releases/")


def judge(host: HostFolder, case: Case, died: Died) -> list[str]:
    """The oracle of HOST_PROTOCOL 7: sound, on the promised side, at rest, and ready for the next deploy."""
    allowed = {ONE.release, TWO.release}
    if died.promised.get("confirm"):
        allowed = {TWO.release}
    elif not died.promised.get("activate") or case.ending != "confirm":
        allowed = {ONE.release}
    bad = unsound(host.root, loaded(host), allowed)
    if (
        look(host.root).state.get("outcome") == "confirmed"
        and look(host.root).state.get("target") != look(host.root).good
    ):
        bad.append("the record says confirmed and good is something else")
    before = fingerprint(host.root)
    host.verb("tick")
    if before != (after := fingerprint(host.root)):
        changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        bad.append(f"a second tick changed {', '.join(changed)}")
    next_one = host.deploy(THREE, 9, Case(case.shell))
    if not all(next_one.promised.get(verb) for verb in ("stage", "check", "activate", "extend", "confirm")):
        bad.append(f"the next deploy failed: {next_one.promised}")
    bad += [f"after the next deploy: {why}" for why in unsound(host.root, loaded(host), {THREE.release})]
    return bad


def one_run(host: HostFolder, case: Case, k: int) -> Tally:
    """Kill at the K-th change, recover, judge; with case.again at every change of the recovery too."""
    if case.ending in ENDINGS:
        died, ticked, bad = kill(host, case, k)
        tally = Tally(1, int(died.killed), int(ticked), died.points)
        tally.note(f"[{case}] at change {k}", bad)
        for j, wrong in killed_again(host, case) if case.again and died.killed else ():
            tally.add(Tally(1, 1))
            tally.note(f"[{case}] at change {k}, then {j}", wrong)
        return tally
    host.restore(host.fresh)
    how = ["-t"] * case.torn + ["-f"] * case.frozen
    died = host.deploy(TWO, 3, case, "-k", str(k), "-d", case.victim, *how)
    where = f"[{case}] at change {k}"
    if case.again and died.killed:
        return dies_again(host, case, died, where)
    tally = Tally(1, int(died.killed), points=died.points)
    if case.heal == "alone" and not wait(lambda: healed(host), case.lease + 20):
        tally.violations.append(f"{where}: not healed by the watchdog within {case.lease + 20} s")
    elif case.victim == "watchdog":
        tally.ticked = int(not healed(host))
    recover(host, case)
    tally.note(where, judge(host, case, died))
    return tally


def dies_again(host: HostFolder, case: Case, died: Died, where: str) -> Tally:
    """Every change of the recovery is a second death."""
    dead, tally = host.save(), Tally(points=died.points)
    for j in range(1, 200):
        host.restore(dead)
        second = recover(host, case, "-k", str(j))
        if not second.killed:
            return tally
        recover(host, case)
        tally.add(Tally(1, 1))
        tally.note(f"{where}, then {j}", judge(host, case, died))
    return tally


class Bench:
    """A few host folders worked on side by side. Most of a run is waiting, so more of them than processors is right."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.workers = folder, workers
        self.tracer = build_tracer(folder)
        self.shims = folder / "shims"
        self.shims.mkdir()
        no_systemd = self.shims / "systemd-run"  # its units are no children of the traced deploy
        no_systemd.write_text("#!/bin/sh\nexit 1\n")
        no_systemd.chmod(0o755)

    @contextmanager
    def hosts(self, shell: str) -> Iterator[SimpleQueue[HostFolder]]:
        """Host folders of one shell."""
        base = Path(tempfile.mkdtemp(prefix="h", dir=self.folder))
        idle: SimpleQueue[HostFolder] = SimpleQueue()
        for number in range(self.workers):
            idle.put(HostFolder(base / str(number), shell, self.tracer, self.shims))
        try:
            yield idle
        finally:
            reap(base)
            shutil.rmtree(base, ignore_errors=True)

    def run(self, case: Case, ks: list[int] | None = None, every: int = 1) -> Tally:
        """The whole case, or only the given changes, or every n-th."""
        with self.hosts(case.shell) as idle:

            def borrowed(k: int) -> Tally:
                host = idle.get()
                try:
                    return one_run(host, case, k)
                finally:
                    idle.put(host)

            total = borrowed(0)
            numbers = ks or list(range(1, total.points + 1, every))
            with ThreadPoolExecutor(self.workers) as pool:
                for tally in pool.map(borrowed, numbers):
                    total.add(tally)
        return total


@contextmanager
def bench(workers: int = 4) -> Iterator[Bench]:
    """In a folder that is removed."""
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    try:
        yield Bench(folder, workers)
    finally:
        reap(folder)
        shutil.rmtree(folder, ignore_errors=True)


def everything() -> list[Case]:
    """The exhaustive list: every change, in every shell."""
    cases = []
    for shell in SHELLS:
        cases += [Case(shell), Case(shell, torn=True), Case(shell, heal="tick")]
        cases += [Case(shell, victim="agent", heal="alone", frozen=frozen) for frozen in (False, True)]
        cases += [Case(shell, "silence", "watchdog", heal="tick")]
    cases += [Case("dash", "revert"), Case("dash", "revert", heal="tick")]
    cases += [Case("dash", "revert", "agent", heal="alone")]
    cases += [Case(shell, ending, heal="tick") for shell in SHELLS for ending in ENDINGS]
    cases += [Case("dash", "adopt"), Case("dash", "adopt", heal="alone"), Case("dash", "unadopt", heal="alone")]
    cases += [Case(shell, heal=heal, again=True) for shell in SHELLS for heal in ("boot", "tick")]
    twice = [(ending, heal) for ending in ENDINGS for heal in ("tick", "alone")]
    return cases + [
        Case(shell, ending, heal=heal, again=True) for shell in ("dash", "busybox") for ending, heal in twice
    ]


def sample() -> list[Case]:
    """About 150 kills of every kind: what runs with the tests."""
    return [
        Case("dash", every=3),
        Case("dash", torn=True, every=4),
        Case("busybox", every=6),
        Case("bash", every=14),
        Case("mksh", every=14),
        Case("dash", heal="tick", every=8),
        Case("dash", "revert", every=8),
        Case("dash", victim="agent", heal="alone", every=16),
        Case("dash", victim="agent", heal="alone", frozen=True, every=26),
        Case("dash", "silence", "watchdog", heal="tick", every=9),
        *(Case("dash", ending, heal="tick", every=6) for ending in ENDINGS),
        Case("busybox", "adopt", heal="alone", every=9),
        Case("dash", "unadopt", heal="alone", again=True, every=30),
    ]
