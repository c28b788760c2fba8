"""The cache servers of the sandbox, as they are before deployer ever sees them: configured by hand, so to speak."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from deployer.adapters.reading.examples import EXAMPLES
from deployer.model.errors import DeployError
from deployer.model.fleet import Host
from deployer.model.release import SourceFile
from deployer.model.render import render
from deployer.model.render import variables as template_variables
from deployer.sandbox import binaries
from deployer.sandbox.daemons import daemon


def privilege_separation(home: Path) -> list[str]:
    """What an sshd that was never installed needs when started by root: /run/sshd, and a user named sshd, which only
    it sees (a passwd file bound over the real one in a mount namespace). Words to put before its command line."""
    if os.geteuid() != 0:
        return []
    Path("/run/sshd").mkdir(exist_ok=True)
    try:
        pwd.getpwnam("sshd")
    except KeyError:
        passwd = home / "passwd"
        passwd.write_text(Path("/etc/passwd").read_text() + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
        bind = 'mount --make-rprivate / && mount --bind "$1" /etc/passwd && shift && exec "$@"'
        return ["unshare", "-m", "sh", "-c", bind, "sh", str(passwd)]
    return []


def read_files(service: str) -> tuple[SourceFile, ...]:
    """The example configuration of `service`."""
    root = EXAMPLES / "playbooks" / service / "files"
    if not root.is_dir():
        raise DeployError(f"cannot build a sandbox: {root} is missing", hint="install the project again")
    return tuple(
        SourceFile(str(p.relative_to(root)).removesuffix(".j2"), p.read_bytes(), template=p.suffix == ".j2")
        for p in sorted(root.rglob("*"))
        if p.is_file()
    )


def dest(service: str) -> str:
    """Where the example playbook's files go."""
    text = (EXAMPLES / "playbooks" / service / "playbook.yml").read_text()
    return next(line.split()[1] for line in text.splitlines() if line.startswith("dest:"))


def start(service: str, prefix: Path, names: dict[str, object]) -> None:
    """Write the example configuration below `prefix` and start the server on it."""
    home = prefix / dest(service)[1:]
    for folder in ("run", *(f"var/{kind}/{home.name}" for kind in ("log", "cache", "lib"))):
        (prefix / folder).mkdir(parents=True, exist_ok=True)
    host = Host(prefix.name, "127.0.0.1", vars=names)
    for source in read_files(service):
        path = home / source.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(source, template_variables(host)))
    words = daemon(service).command(prefix, names)
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DeployError(f"cannot start {service} of {prefix.name}: {done.stderr.strip()[-500:]}")


def shell_folder(prefix: Path, shell: str) -> Path:
    """A folder whose `sh` is `shell`: first in PATH of an SSH session, it is what every script there gets."""
    folder = prefix / "shell"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sh").symlink_to(os.path.realpath(binaries.find(shell)))
    return folder
