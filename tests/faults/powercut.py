"""Power cuts: the deploy runs on a small ext4, xfs or btrfs of its own; at change K everything dies and the image is
copied as the disk has it, without what was never synced. The copy is mounted (journal replay), boots, and must be sound.

The negative control stubs `sync`: it must lose something, or this test proves nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer.sandbox.processes import reap
from tests.faults.crash import TWO, Bench, Case, HostFolder, Tally, judge, recover, wait

MAKE = {"ext4": "mkfs.ext4 -q -F", "xfs": "mkfs.xfs -q -f", "btrfs": "mkfs.btrfs -q -f"}
MEGABYTES = {"ext4": 16, "xfs": 320, "btrfs": 120}  # about the smallest that their tools make


@dataclass(frozen=True)
class Cut:
    """filesystem: a key of MAKE. options: of the mount. delay: seconds from the last change to the cut, in which the kernel may write back a part.
    synced: False stubs `sync`."""

    options: str = ""
    delay: float = 0.0
    synced: bool = True
    filesystem: str = "ext4"

    def __str__(self) -> str:
        words = f"power cut {self.delay:.0f} s after, {self.filesystem} {self.options or 'defaults'}"
        return words + ", sync stubbed" * (not self.synced)


HARSH = "noauto_da_alloc,data=writeback,commit=1"  # file contents may reach the disk long after their names
ELSEWHERE = ("xfs", "btrfs")
CUTS = (Cut(), Cut(HARSH), Cut(HARSH, 2.0), *(Cut(delay=d, filesystem=name) for name in ELSEWHERE for d in (0.0, 2.0)))
CONTROLS = (Cut(HARSH, 2.0, synced=False), *(Cut(synced=False, filesystem=name) for name in ELSEWHERE))


def why_not(filesystem: str = "ext4") -> str:
    """What is missing for power cuts on this machine; "" when they can be made."""
    if os.geteuid() != 0:
        return "needs root: run the tests as root"
    tools = [MAKE[filesystem].split()[0], *["xfs_io"] * (filesystem == "xfs")]
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        return f"needs {', '.join(missing)}: apt-get install {'xfsprogs' if filesystem == 'xfs' else 'e2fsprogs btrfs-progs'}"
    with tempfile.TemporaryDirectory(prefix="cut-") as name:
        image, there = Path(name, "image"), Path(name, "there")
        there.mkdir()
        blank(image, filesystem)
        if run("mount", "-t", filesystem, "-o", "loop", str(image), str(there)).returncode != 0:
            return f"loop mounts of {filesystem} are not allowed here"
        run("umount", "-l", str(there))
    return ""


def run(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, check=False, capture_output=True)


def blank(image: Path, filesystem: str) -> None:
    """An empty one."""
    with image.open("wb") as file:
        file.truncate(MEGABYTES[filesystem] << 20)
    subprocess.run([*MAKE[filesystem].split(), str(image)], check=True, capture_output=True)


def copy(image: Path, to: Path) -> None:
    """As it is now, holes kept."""
    subprocess.run(["cp", "--sparse=always", str(image), str(to)], check=True)


def cut_power(cut: Cut, there: Path) -> None:
    """From now on nothing reaches the disk. Where the file system cannot be told, copying must be faster than it is."""
    if cut.filesystem == "xfs":
        subprocess.run(["xfs_io", "-x", "-c", "shutdown", str(there)], check=True, capture_output=True)


@contextmanager
def mounted(image: Path, there: Path, cut: Cut) -> Iterator[None]:
    """`image` on `there`; whatever still runs on it ends first."""
    words = f"loop,{cut.options}" if cut.options else "loop"
    subprocess.run(
        ["mount", "-t", cut.filesystem, "-o", words, str(image), str(there)], check=True, capture_output=True
    )
    try:
        yield
    finally:
        reap(there)
        if not wait(lambda: run("umount", str(there)).returncode == 0, 10):  # the `sleep` of a dead watchdog sits there
            run("umount", "-l", str(there))
            raise RuntimeError(f"{there} is still in use: the image cannot be trusted any more")


def one_cut(host: HostFolder, base: Path, cut: Cut, k: int) -> Tally:
    """Cut the power at change K of a deploy that starts from the disk `base`."""
    case = Case("dash")
    running, left = base.with_name(f"running.{k}"), base.with_name(f"left.{k}")  # a loop device may remember a name
    copy(base, running)
    with mounted(running, host.prefix, cut):
        died = host.deploy(TWO, 3, case, "-k", str(k))
        time.sleep(cut.delay)
        cut_power(cut, host.prefix)
        copy(running, left)
    with mounted(left, host.prefix, cut):
        recover(host, case)
        tally = Tally(1, int(died.killed), points=died.points)
        tally.note(f"[{cut}] at change {k}", judge(host, case, died))
    running.unlink()
    left.unlink()
    return tally


def campaign(bench: Bench, cut: Cut, every: int = 1) -> Tally:
    """Every n-th change, and the cut after the last one."""
    folder = Path(tempfile.mkdtemp(prefix="cut", dir=bench.folder))
    base, there, shims = folder / "base", folder / "host", folder / "shims"
    there.mkdir()
    shutil.copytree(bench.shims, shims)
    if not cut.synced:
        (shims / "sync").write_text("#!/bin/sh\nexit 0\n")
        (shims / "sync").chmod(0o755)
    blank(base, cut.filesystem)
    with mounted(base, there, cut):
        host = HostFolder(there, "dash", bench.tracer, shims)
        os.sync()
    total = one_cut(host, base, cut, 0)
    for k in range(1, total.points + 1, every):
        total.add(one_cut(host, base, cut, k))
    return total
