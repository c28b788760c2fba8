"""Is a host sound? Asked of the files and the process themselves, never of the product's code."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """What lies on one host: the two links, the record of the last deploy, the newest line of its history."""

    current: str
    good: str
    state: dict[str, str]
    history: str
    alarm: str


def link(path: Path) -> str:
    """The release that a link names; "" when there is no such link."""
    try:
        return os.readlink(path).removeprefix("releases/")
    except OSError:
        return ""


def text(path: Path) -> str:
    """The content of a small file; "" when it is not there."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def look(root: Path) -> Seen:
    """Read one root."""
    state = dict(line.split("=", 1) for line in text(root / "state").splitlines() if "=" in line)
    lines = text(root / "history").split("\n")
    newest = next((line.split()[2] for line in reversed(lines) if len(line.split()) == 3), "")
    return Seen(link(root / "current"), link(root / "good"), state, newest, text(root / "ALARM"))


def broken_release(folder: Path) -> list[str]:
    """A release must hold exactly the files of its manifest, each with its checksum."""
    wanted = {}
    for line in text(folder / ".manifest").splitlines():
        digest, path = line.split("  ", 1)
        wanted[path] = digest
    if not wanted:
        return [f"{folder.name} has no manifest"]
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and p.name != ".manifest"}
    bad = [f"{folder.name}/{path} is not in the manifest" for path in found.keys() - wanted.keys()]
    for path, digest in wanted.items():
        if path not in found or hashlib.sha256(found[path].read_bytes()).hexdigest() != digest:
            bad.append(f"{folder.name}/{path} is missing or differs from its checksum")
    return bad


def unsound(root: Path, loaded: str, allowed: set[str]) -> list[str]:
    """Everything wrong with a host that should be at rest on one of `allowed`. loaded: what the process has."""
    seen = look(root)
    bad = [] if seen.current == seen.good else [f"current is {seen.current}, good is {seen.good}"]
    if seen.good not in allowed:
        bad.append(f"good is {seen.good or 'nothing'}, it should be one of {sorted(allowed)}")
    if loaded != seen.current:
        bad.append(f"the process has {loaded or 'nothing'}, the link says {seen.current}")
    if seen.state.get("end") == "1" and seen.state["phase"] != "idle":
        bad.append(f"deploy {seen.state['deploy']} is still {seen.state['phase']}")
    if seen.history != seen.good:
        bad.append(f"history ends with {seen.history}, good is {seen.good}")
    if seen.alarm:
        bad.append(f"alarm: {seen.alarm.strip()}")
    for release in sorted({seen.current, seen.good} - {""}):
        bad += broken_release(root / "releases" / release)
    return bad


def fingerprint(root: Path) -> dict[str, str]:
    """Path -> content or link target of everything that a tick must not change (its lock and its log it may)."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.name in ("lock", "lock.holder", "events"):
            continue
        name = str(path.relative_to(root))
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else path.read_text() if path.is_file() else "dir"
    return found
