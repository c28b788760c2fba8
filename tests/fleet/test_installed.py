"""The wheel, as pipx and `uv tool install` put it on a machine: in an environment of its own, with no checkout near."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.cli import COMMANDS
from deployer.sandbox import binaries

CHECKOUT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("installed")


@dataclass
class Installed:
    """folder: of the environment, beside which nothing of the project lies."""

    folder: Path
    wheel: Path

    def run(self, program: str, *words: str, seconds: int = 120) -> subprocess.CompletedProcess[str]:
        """A program of the environment, in a folder without a checkout."""
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.run(
            [str(self.folder / "bin" / program), *words],
            cwd=self.folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def pip_of_setup() -> dict[str, str]:
    """The environment in which `python -m pip` is the pip that script/setup used."""
    unpacked = sorted(binaries.cache_folder().glob("pip/root/usr/share/python-wheels/pip-*.whl"))
    return {**os.environ, **({"PYTHONPATH": str(unpacked[-1])} if unpacked else {})}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built and installed by pip, without an index: what it depends on is seen where this test's own is."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    own = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv/bin/python"), "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--no-index", str(wheel)], env=pip_of_setup(), check=True, capture_output=True)
    (folder / "venv" / own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder / "venv", wheel)


def test_it_is_the_installed_one(installed: Installed) -> None:
    """Or all of this proves nothing."""
    where = installed.run("python", "-P", "-c", "import deployer; print(deployer.__file__)").stdout
    assert where.startswith(str(installed.folder))


def test_every_file_is_in_the_wheel(installed: Installed) -> None:
    """The agent's shell text, the phrases, the examples: whatever lies in the package or is copied out of it."""
    here = [path for path in (CHECKOUT / "deployer").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    wanted = {str(path.relative_to(CHECKOUT)) for path in here}
    for name in ("playbooks", "health_checks"):
        files = [path for path in (CHECKOUT / name).rglob("*") if path.is_file()]
        wanted |= {f"deployer/examples/{path.relative_to(CHECKOUT)}" for path in files}
    assert wanted - set(zipfile.ZipFile(installed.wheel).namelist()) == set()


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_helps(installed: Installed, command: str) -> None:
    done = installed.run("deploy", command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"deploy {command}" in done.stdout


def test_the_agent_is_whole(installed: Installed) -> None:
    """Byte for byte the checkout's."""
    own = subprocess.run([sys.executable, "-m", "deployer", "doctor", "--agent"], capture_output=True, check=True)
    assert installed.run("deploy", "doctor", "--agent").stdout.encode() == own.stdout


SANDBOX = """
import json, subprocess, sys
from pathlib import Path
from deployer.sandbox import repository
from deployer.sandbox.fleet import Sandbox
with Sandbox(Path(sys.argv[1]), 2) as fleet:
    repository.make_repository(fleet)
    for words in (["adopt", "--yes"], ["status", "--json"]):  # exit 0: every host is verified
        deploy = [sys.executable, "-P", "-m", "deployer", *words]
        done = subprocess.run(deploy, cwd=fleet.config, env=fleet.environ(), stdout=subprocess.PIPE, check=True)
print(done.stdout.decode())
"""


def test_the_sandbox(installed: Installed, tmp_path: Path) -> None:
    """Real hosts from the examples in the wheel."""
    done = installed.run("python", "-P", "-c", SANDBOX, str(tmp_path / "fleet"))
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["hosts"]) == {"web1", "web2"}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_demo(installed: Installed) -> None:
    """The whole story, and nothing is left."""
    done = installed.run("deploy", "demo", seconds=800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is cleaned up" in done.stdout
