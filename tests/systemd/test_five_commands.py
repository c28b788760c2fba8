"""From a clone to the first safe push, in the five commands of the README, on three hosts that boot systemd."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import MEASURED
from tests.systemd.fleet import SystemdFleet, systemd_fleet, why_not

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
README = re.compile(r"## First steps\n.*?```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    """Those of the README, their comments left out."""
    found = README.search((ROOT / "README.md").read_text())
    assert found
    return [line.split("  #")[0].rstrip() for line in found[1].splitlines()]


def clone(fleet: SystemdFleet) -> Path:
    """This checkout as it is, with its .venv, under the name that the README gives it."""
    folder = fleet.sandbox.folder / "beginner"
    folder.mkdir()
    (folder / "deployer").symlink_to(ROOT)
    return folder


def test_five_commands(record_property: pytest.RecordProperty) -> None:
    """One host has a hand edit, one user may only use sudo: each is named, all end on one verified release."""
    if reason := why_not():
        pytest.skip(reason)
    with systemd_fleet() as fleet:
        shutil.rmtree(fleet.sandbox.config)
        edited = fleet.machine("web2").root / "etc/nginx/sites-enabled/default"
        edited.write_text(edited.read_text().replace("NONE always", "EDITED always"))
        addresses = {name: machine.address for name, machine in fleet.sandbox.machines.items()}
        hosts = f"root@{addresses['web1']},root@{addresses['web2']},deploy@{addresses['web3']}"
        lines = commands()
        assert len(lines) == 5
        where, took, told = clone(fleet), [], []
        script = ["set -e"]
        for number, line in enumerate(lines):
            script += [re.sub(r"--from \S+", f"--from {hosts}", line), f"echo; echo took:{number}:$(date +%s.%N)"]
        began = time.time()
        done = subprocess.run(
            ["sh", "-c", "\n".join(script)], cwd=where, env=fleet.sandbox.environ() | {"HOME": str(where)},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)
        for line in done.stdout.splitlines():
            if line.startswith("took:"):
                took.append(float(line.split(":")[2]) - began)
            else:
                told.append(line)
        said = "\n".join(told)
        assert f"sites-enabled/default  is another on {addresses['web2']}" in said, said
        assert {fleet.served(name, "X-Cache-Status") for name in addresses} == {"NONE"}
        for machine in fleet.sandbox.machines.values():
            assert os.readlink(machine.root / "var/lib/deployer/nginx/current").startswith("releases/")
            assert "0000000000" not in os.readlink(machine.root / "var/lib/deployer/nginx/current")
            assert machine.run("systemctl is-active nginx") == "active"
        for name, end, start in zip(("setup", "init", "commit", "adopt", "push"), took, [0.0, *took], strict=False):
            record_property(MEASURED, f"five commands|{name}, s|{end - start:.1f}")
        record_property(MEASURED, f"five commands|all, s|{took[-1]:.1f}")
