"""The processes of a sandbox: found by its folder, ended by their pid."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from deployer.sandbox.daemons import NAMES


def processes(folder: Path) -> list[int]:
    """Pids of everything that has `folder` in its command line or runs below it, but ourselves."""
    mine, found = {os.getpid(), os.getppid()}, []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in mine:
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = os.readlink(entry / "cwd")
        except OSError:
            continue
        words_of_ours = ("sshd", *NAMES, "var/lib/deployer", "deployer.sandbox")
        daemon = any(word in words for word in words_of_ours)
        if daemon and (f"{folder}/" in words or words.rstrip().endswith(str(folder)) or where.startswith(f"{folder}/")):
            found.append(int(entry.name))
    return found


def reap(folder: Path) -> None:
    """End whatever a sandbox in `folder` left behind, politely first."""
    for what in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + 3
        for pid in processes(folder):
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                continue
        while processes(folder) and time.monotonic() < end:
            time.sleep(0.05)
        if not processes(folder):
            return
