"""Find sshd, the servers and the shells: installed, else the distribution's packages unpacked into a cache folder.

Nothing is installed and no daemon of the packages starts. Works as an ordinary user.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from deployer.model.errors import DeployError

PACKAGES = {  # the servers' are in daemons/
    "ssh": ("openssh-client",),
    "ssh-add": ("openssh-client",),
    "ssh-agent": ("openssh-client",),
    "ssh-keygen": ("openssh-client",),
    "sshd": ("openssh-server", "openssh-sftp-server", "libwrap0"),
    "sudo": ("sudo", "libaudit1", "libselinux1"),
    "visudo": ("sudo", "libaudit1", "libselinux1"),
    "busybox": ("busybox",),
    "mksh": ("mksh",),
    "bsd-csh": ("csh", "libbsd0", "libmd0"),
    "tcsh": ("tcsh",),
    "zsh": ("zsh", "zsh-common"),
    "fish": ("fish", "fish-common", "libpcre2-32-0"),
    "prometheus": ("prometheus",),
}
FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")


LIBRARIES = (
    "usr/lib/*-linux-gnu*",
    "lib/*-linux-gnu*",
    "usr/lib/*/varnish",
    "usr/lib/trafficserver",
    "usr/libexec/sudo",
)


def cache_folder() -> Path:
    """DEPLOY_CACHE, else XDG_CACHE_HOME/deployer, else ~/.cache/deployer."""
    own = os.environ.get("DEPLOY_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deployer"


def find(name: str) -> str:
    """Absolute path of `name`, installed or unpacked. Raises DeployError naming the packages to install."""
    installed = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *FOLDERS]))
    if installed:
        return installed
    packages = cache_folder() / "packages"
    wrapper = packages / "wrap" / name
    if not wrapper.is_file():
        _unpack(name, packages, wrapper)
    return str(wrapper)


def packages_of(name: str) -> tuple[str, ...]:
    """The packages that hold the binary `name` and what it needs."""
    from deployer.sandbox.daemons import packages

    return {**PACKAGES, **packages()}[name]


def _unpack(name: str, packages: Path, wrapper: Path) -> None:
    """Download, unpack, and write a wrapper that finds the unpacked libraries; one process at a time."""
    packages.mkdir(parents=True, exist_ok=True)
    with (packages / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wrapper.is_file():
            return
        root, wanted = packages / "root", packages_of(name)
        download(wanted, packages)
        binary = next((p for f in FOLDERS if (p := root / f[1:] / name).is_file()), None)
        if binary is None:
            raise DeployError(f"cannot find {name} in the packages {', '.join(wanted)}")
        wrapper.parent.mkdir(exist_ok=True)
        if len(wanted) == 1:  # needs nothing of its own; a shell must be itself, not a script that starts it
            wrapper.symlink_to(binary)
            return
        libraries = ":".join(str(path) for pattern in LIBRARIES for path in root.glob(pattern))
        draft = wrapper.with_suffix(".tmp")
        draft.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {binary} "$@"\n')
        draft.chmod(0o755)
        draft.rename(wrapper)


def download(wanted: tuple[str, ...], folder: Path) -> None:
    """Unpack the packages into folder/root. Raises DeployError naming them all, as what can be installed instead."""
    script = Path(__file__).with_name("download.sh")
    done = subprocess.run(
        ["sh", str(script), str(folder), *wanted], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode != 0:
        raise DeployError(
            f"cannot get the packages {', '.join(wanted)}: {done.stderr.strip()[-300:]}",
            hint="install them with your package manager",
        )


def vmod_path() -> str:
    """Where unpacked Varnish modules lie; "" when varnishd is installed and finds its own."""
    found = next((cache_folder() / "packages" / "root").glob("usr/lib/*/varnish/vmods"), None)
    return str(found) if found and "packages/wrap" in find("varnishd") else ""
