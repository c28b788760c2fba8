"""The rigs the contract suite runs on."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.adapters.ssh.transport import SshTransport
from deployer.model.fleet import Host
from deployer.sandbox.fleet import Sandbox
from tests.contract.real import LocalTransport, RealRig, shell_folder
from tests.contract.rig import FakeRig, Rig

WIRES = {"ssh-dash": "dash", "ssh-busybox": "busybox"}
SHELLS = {"mksh": "mksh", "bash": "bash"}


@pytest.fixture(scope="session")
def sshd(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Sandbox]]:
    """Real sshd on loopback, one per shell, whose sessions get that shell as `sh`."""
    started: dict[str, Sandbox] = {}
    folders: list[Path] = []

    def start(shell: str) -> Sandbox:
        if shell not in started:
            folders.append(Path(tempfile.mkdtemp(prefix="sshd-")))
            started[shell] = Sandbox(folders[-1], 1, service="", shell=shell)
            started[shell].start()
        return started[shell]

    yield start
    for sandbox in started.values():
        sandbox.stop()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def over_ssh(sandbox: Sandbox, prefix: Path) -> tuple[RealRig, SshTransport]:
    """A fresh host directory behind the sandbox's sshd."""
    there = sandbox.hosts[0]
    names = {**sandbox.variables(there), "deploy_prefix": str(prefix)}
    key = str(sandbox.folder / "user_key")
    host = Host("web1", "127.0.0.1", there.ssh_port, getpass.getuser(), key, vars=names)
    transport = SshTransport(str(sandbox.folder / "ssh_config"))
    return RealRig(prefix, transport, host), transport


@pytest.fixture(params=["fakes", *SHELLS, *WIRES])
def rig(request: pytest.FixtureRequest, tmp_path: Path, sshd: Callable[[str], Sandbox]) -> Iterator[Rig]:
    """A host that holds content and is not adopted yet."""
    if request.param in WIRES:
        real, transport = over_ssh(sshd(WIRES[request.param]), tmp_path / "host")
        yield real
        transport.close()
        return
    if request.param == "fakes":
        yield FakeRig()
        return
    folder = shell_folder(tmp_path / "bin", SHELLS[request.param])
    yield RealRig(tmp_path / "host", LocalTransport(folder))
