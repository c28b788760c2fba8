"""What a machine may lack: a test that needs it is skipped by name, with the command that brings it.

`@pytest.mark.needs("strace", "root")` on a test or as a module's pytestmark; `need(...)` inside a fixture or a test.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

PACKAGES = {  # command: the Debian package that brings it
    "cc": "gcc libc6-dev",
    "curl": "curl",
    "git": "git",
    "mkfs.ext4": "e2fsprogs",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "strace": "strace",
    "wget": "wget",
}
OTHERS: dict[str, tuple[Callable[[], bool], str]] = {
    "root": (lambda: os.geteuid() == 0, "run the tests as root"),
    "root's setpriv": (lambda: os.geteuid() != 0 or bool(shutil.which("setpriv")), "apt-get install util-linux"),
}


def lack(*names: str) -> str:
    """Which of these is not here, and what brings it; "" when all are."""
    for name in names:
        here, bring = OTHERS.get(name) or (lambda n=name: bool(shutil.which(n)), f"apt-get install {PACKAGES[name]}")  # type: ignore[misc]
        if not here():
            return f"needs {name}: {bring}"
    return ""


def need(*names: str) -> None:
    """Skip the test when one of these is not here."""
    if reason := lack(*names):
        pytest.skip(reason)


def by_reason(reports: Iterable[pytest.TestReport]) -> list[str]:
    """How many tests were skipped for which reason, most first, each reason followed by the names."""
    reasons: dict[str, Counter[str]] = {}
    for report in reports:
        if isinstance(report.longrepr, tuple):
            name = report.nodeid.partition("@")[0].partition("[")[0]
            reasons.setdefault(report.longrepr[2].removeprefix("Skipped: "), Counter())[name] += 1
    lines = []
    for reason, names in sorted(reasons.items(), key=lambda item: -item[1].total()):
        lines.append(f"{names.total():>4}  {reason}")
        lines += [f"      {name}{f' ({count})' if count > 1 else ''}" for name, count in sorted(names.items())]
    return lines
