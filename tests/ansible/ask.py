"""The referee, one long-lived child for all questions."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployer.adapters.reading.inventory import load_inventory
from deployer.model.errors import DeployError
from deployer.model.fleet import Fleet
from deployer.model.pattern import select
from tests.ansible.referee import typed

needs_ansible = pytest.mark.skipif(
    importlib.util.find_spec("ansible") is None, reason="no ansible-core here: script/setup --dev brings it"
)


@dataclass
class Referee:
    """process: tests/ansible/referee.py."""

    process: subprocess.Popen[str]

    def ask(self, sources: Sequence[Path], beside: Path, patterns: Sequence[str] = ()) -> dict[str, Any]:
        """Its answer; see tests/ansible/referee.py."""
        assert self.process.stdin
        assert self.process.stdout
        question = {"sources": [str(s) for s in sources], "beside": str(beside), "patterns": list(patterns)}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


def start(home: Path) -> Referee:
    """home: where Ansible may write; no settings of this machine's reach it."""
    settings = home / "ansible.cfg"
    settings.write_text("[defaults]\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "ANSIBLE_CONFIG": str(settings), "LC_ALL": "C.UTF-8"}
    words = [sys.executable, str(Path(__file__).with_name("referee.py"))]
    return Referee(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ))


def ours(sources: Sequence[Path], beside: Path) -> Fleet | str:
    """The fleet, or why it is refused."""
    try:
        return load_inventory(*sources, beside=beside)
    except DeployError as error:
        return error.message


def differences(fleet: Fleet, said: dict[str, Any]) -> list[str]:
    """What is not the same, in words; nothing where all is."""
    if "error" in said:
        return [f"Ansible refuses it: {said['error']}"]
    found = []
    groups = {name: hosts for name, hosts in said["groups"].items() if hosts or name != "ungrouped"}
    if set(fleet.groups) != set(groups):
        found.append(f"groups {sorted(fleet.groups)} and {sorted(groups)}")
    for name, hosts in groups.items():
        mine = list(fleet.groups.get(name, ()))
        # below its children's children Ansible has no order of its own (it walks a set)
        if mine != hosts if said["depth"][name] == 1 else sorted(mine) != sorted(hosts):
            found.append(f"group {name}: {mine} and {hosts}")
    for name, theirs in said["hosts"].items():
        own = {key: typed(value) for key, value in fleet.hosts[name].vars.items()} if name in fleet.hosts else None
        if own != theirs:
            found.append(f"host {name}: {own} and {theirs}")
    return found


def pattern_differences(fleet: Fleet, patterns: Sequence[str], theirs: Sequence[list[str] | None]) -> list[str]:
    """A pattern gives Ansible's hosts, or is refused."""
    found = []
    for pattern, hosts in zip(patterns, theirs, strict=True):
        try:
            mine = select(fleet, pattern)
        except DeployError:
            continue
        if sorted(mine) != sorted(hosts or []):
            found.append(f"pattern {pattern!r}: {mine} and {hosts}")
    return found
