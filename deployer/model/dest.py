"""Dest: the directory on a host that a playbook owns. It is exchanged as a whole, so it must be one service's alone."""

from __future__ import annotations

import re

PATH = re.compile(r"(/[A-Za-z0-9._@+-]+)+/?")
# what the Filesystem Hierarchy Standard 3.0 puts at the top, and the folders below it that many packages share
SHARED = frozenset(
    [
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "media",
        "mnt",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "tmp",
        "usr",
        "var",
        "etc/apt",
        "etc/cron.d",
        "etc/default",
        "etc/init.d",
        "etc/ld.so.conf.d",
        "etc/network",
        "etc/opt",
        "etc/pam.d",
        "etc/profile.d",
        "etc/security",
        "etc/skel",
        "etc/ssh",
        "etc/ssl",
        "etc/ssl/certs",
        "etc/ssl/private",
        "etc/sudoers.d",
        "etc/sysctl.d",
        "etc/systemd",
        "etc/systemd/system",
        "etc/udev",
        "usr/bin",
        "usr/include",
        "usr/lib",
        "usr/libexec",
        "usr/local",
        "usr/local/bin",
        "usr/local/etc",
        "usr/local/lib",
        "usr/local/sbin",
        "usr/local/share",
        "usr/sbin",
        "usr/share",
        "usr/src",
        "var/backups",
        "var/cache",
        "var/lib",
        "var/lib/deployer",
        "var/lib/dpkg",
        "var/local",
        "var/log",
        "var/mail",
        "var/opt",
        "var/run",
        "var/spool",
        "var/tmp",
        "var/www",
    ]
)
SYSTEM = ("bin", "boot", "dev", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys")  # nothing below either


def own_directory(path: str) -> str:
    """Absolute, normal, of one service alone: adopt moves it away and puts a link in its place."""
    parts = path.split("/")
    if not path.startswith("/") or path == "/" or ".." in parts or "." in parts:
        raise ValueError(f"{path!r} must be an absolute path below / without . or ..")
    if not PATH.fullmatch(path):
        raise ValueError(f"{path!r} is not a path of letters, digits and . _ @ + -")
    inner = path.strip("/")
    if inner in SHARED or inner.split("/")[0] in SYSTEM:
        raise ValueError(
            f"{path!r} is the system's, not one service's: adopt would move it away; write the service's own directory"
        )
    return path.rstrip("/")
