"""script/faults: every fault at every step, and a kill at every change to a file.

  script/faults                                   everything; hours. Lines go to stdout as they come, tables at the end
  script/faults sample                            about 150 kills and a handful of cells
  script/faults crash  [--shell dash] [--case "twice"] [--every 5]  the crash harness
  script/faults cuts   [--case xfs] [--every 5]   power cuts (root), with controls that must lose something
  script/faults matrix [--command push] [--fault SIGKILL] [--step watch] [--shell bash] [--resume FILE] [--part 2/4]
                       [--hosts systemd]  on hosts that boot systemd (root on a Debian): what is made for the loopback
                       fleet's own sshd, disks and clocks is left out and said
  script/faults races  [--count 1000]             a confirmation against the end of its lease, two deployers (R5)
  script/faults rivals                            the same faults against a plain symlink deploy and iptables-apply (R9)
  script/faults table FILE...                     the tables of lines saved earlier

FAULTS_LEASE=20 gives the hosts a longer confirm_timeout than 12 s, for a machine that is busy.
Exit 0: no violation. --fault and --case match a part of the name; all of these may be repeated. --resume leaves out the
cells that FILE has lines of; --part 2/4 runs every fourth of the rest, so that four may run side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from tests.faults.crash import SHELLS, Tally, bench, everything, sample
from tests.faults.fleet import FaultFleet, fault_fleet
from tests.faults.injections import FAULTS, SAMPLE
from tests.faults.matrix import STEPS, Result, try_cell
from tests.faults.powercut import CONTROLS, CUTS, MAKE, campaign, why_not
from tests.faults.races import RACES, races
from tests.faults.rivals import APPLY, iptables_apply, plain
from tests.faults.systemd_hosts import SystemdFaultFleet
from tests.faults.table import crash_table, matrix_table, summary

Line = dict[str, Any]


def crash_line(case: str, tally: Tally) -> Line:
    return {"kind": "crash", "case": case, **asdict(tally)}


def crash(options: argparse.Namespace) -> Iterator[Line]:
    """Every case of the chosen shells."""
    with bench(options.workers) as tools:
        for case in sample() if options.what == "sample" else everything():
            chosen = not options.case or any(word in str(case) for word in options.case)
            if chosen and case.shell in (options.shell or SHELLS):
                every = case.every if options.what == "sample" else options.every
                yield crash_line(str(case), tools.run(case, every=every))


def cuts(options: argparse.Namespace) -> Iterator[Line]:
    """Power cuts. A control counts the other way round: losing nothing is its violation."""
    missing = {name: why_not(name) for name in MAKE}
    for name, reason in missing.items():
        if reason:
            sys.stderr.write(f"power cuts on {name} are skipped: {reason}\n")
    with bench(1) as tools:
        for cut in [cut for cut in (*CUTS, *CONTROLS) if not missing[cut.filesystem]]:
            if options.case and not any(word in str(cut) for word in options.case):
                continue
            tally, name = campaign(tools, cut, options.every), str(cut)
            if not cut.synced:
                name += f": control, {len(tally.violations)} runs lost something"
                tally.violations = [] if tally.violations else ["the control lost nothing"]
            yield crash_line(name, tally)


def race(options: argparse.Namespace) -> Iterator[Line]:
    """Every kind of race, `count` times; "killed" counts those that were confirmed, or won."""
    with bench(options.workers) as tools:
        for name in RACES:
            yield crash_line(name, races(tools, name, options.count))


def rivals(options: argparse.Namespace) -> Iterator[Line]:
    """What is found when everything has settled; the firewall only in a namespace of its own."""
    with fault_fleet() as fleet:
        yield from ({"kind": "rival", "tool": "plain symlink deploy", "fault": f, "found": w} for f, w in plain(fleet))
    if os.environ.get("FAULTS_NETNS") == "1" and shutil.which("iptables-apply"):
        with tempfile.TemporaryDirectory() as folder:
            for fault in APPLY:
                found = iptables_apply(Path(folder), fault)
                yield {"kind": "rival", "tool": "iptables-apply", "fault": fault, "found": found}


def cells(options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """Command, name of the fault, step."""
    if options.what == "sample":
        yield from SAMPLE
        return
    for command in [c for c in STEPS if not options.command or c in options.command]:
        for fault in [f for f in FAULTS if not options.fault or any(word in f.name for word in options.fault)]:
            for step in [s for s in STEPS[command] if not options.step or s in options.step]:
                yield command, fault.name, step


def matrix(options: argparse.Namespace) -> Iterator[Line]:
    """The chosen cells, one after the other on one fleet of each shell (the system's own if none is named)."""
    by_name = {fault.name: fault for fault in FAULTS}
    done = {(line["command"], line["fault"], line["step"]) for line in saved(options.resume)}
    left = [cell for cell in cells(options) if cell not in done]
    part, parts = (int(number) for number in options.part.split("/"))
    for shell in options.shell or [""]:
        with fault_fleet(shell=shell, of=SystemdFaultFleet if options.hosts == "systemd" else FaultFleet) as fleet:
            for command, name, step in left[part - 1 :: parts]:
                result = try_cell(fleet, by_name[name], command, step)
                if not result.skipped.startswith("makes"):
                    yield {"kind": "cell", **asdict(result)}


def saved(files: Sequence[str]) -> Iterator[Line]:
    """Lines of earlier runs; the last one of a cell counts."""
    for name in files:
        for line in Path(name).read_text().splitlines():
            if line.startswith("{"):
                yield {"kind": "cell", **json.loads(line)}


def reprint(options: argparse.Namespace) -> Iterator[Line]:
    """Nothing is run."""
    yield from saved(options.files)


def tables(lines: list[Line]) -> int:
    """Print them; the number of violations."""
    results = [Result(**{k: v for k, v in line.items() if k != "kind"}) for line in lines if line["kind"] == "cell"]
    kills = [line for line in lines if line["kind"] == "crash"]
    for line in lines:
        if line["kind"] == "rival":
            sys.stdout.write(f"| {line['tool']} | {line['fault']} | {line['found']} |\n")
    if kills:
        sys.stdout.write(f"\n{crash_table(kills)}\n")
    for command in STEPS:
        if any(r.command == command for r in results):
            sys.stdout.write(f"\n{matrix_table(results, command)}\n")
    if results:
        sys.stdout.write(f"\n{summary(results)}\n")
    bad = [violation for line in kills for violation in line["violations"]]
    sys.stdout.write("".join(f"VIOLATION {violation}\n" for violation in bad))
    return len(bad) + sum(bool(r.violations or r.late) for r in results)


WORK = {
    "crash": (crash,), "cuts": (cuts,), "matrix": (matrix,), "races": (race,), "rivals": (rivals,), "table": (reprint,),
    "sample": (crash, matrix),
}  # fmt: skip


def stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Run, print, count."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would hand on "ignored"
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, too
    signal.signal(signal.SIGTERM, stop)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=[*WORK, "all"])
    parser.add_argument("files", nargs="*")
    for name in ("--fault", "--step", "--command", "--shell", "--case"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--hosts", choices=("loopback", "systemd"), default="loopback", help="of the matrix")
    parser.add_argument("--resume", action="append", default=[], metavar="FILE", help="lines of an earlier run")
    parser.add_argument("--part", default="1/1", metavar="K/N", help="the K-th of N parts")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every n-th change")
    parser.add_argument("--count", type=int, default=1000, help="races of each kind")
    parser.add_argument("--workers", type=int, default=6, help="host folders of the crash harness side by side")
    options = parser.parse_args()
    lines = []
    for work in WORK.get(options.what, (crash, cuts, matrix, race, rivals)):
        for line in work(options):
            lines.append(line)
            if options.what != "table":
                sys.stdout.write(f"{json.dumps(line)}\n")
                sys.stdout.flush()
    return 1 if tables(lines) else 0


if __name__ == "__main__":
    sys.exit(main())
