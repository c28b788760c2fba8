"""Squid in the sandbox. Started by root it becomes an ordinary user, who must be able to read it and its libraries:
one that is not installed is unpacked once more, into the fleet's own folder, and started as that user."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.daemons import Edit

NEEDED = (
    *("squid", "squid-common", "squid-langpack"),
    *("libecap3", "libltdl7", "libnetfilter-conntrack3", "libmnl0", "libnfnetlink0"),
    *("libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libkeyutils1", "libcom-err2", "libssl3"),
    *("libgnutls30", "libnettle8", "libhogweed6", "libcap2", "libsystemd0", "libstdc++6", "libgcc-s1"),
)
PACKAGES = {"squid": NEEDED}
MAIN, SHOP = "squid.conf.j2", "conf.d/shop.conf"
EDITS = {
    "good": Edit(SHOP, "20% 1440", "20% 2880", "keep pages a little longer"),
    "incident": Edit(SHOP, "req_header Cookie preview=", "req_header User-Agent .", "previews in the app, too"),
    "syntax": Edit(SHOP, "cache deny preview", "cache denny preview", "oops"),
    "unloadable": Edit(
        MAIN, "cache_peer", "http_port {{ origin }} accel defaultsite=shop vhost\ncache_peer", "one more port"
    ),
}


def unpacked() -> bool:
    """Is it the distribution's package, not installed?"""
    return Path(binaries.find("squid")).is_relative_to(binaries.cache_folder())


def home(prefix: Path) -> Path:
    """Where the unpacked package lies."""
    return prefix.parents[1] / "squid" if os.geteuid() == 0 else binaries.cache_folder() / "packages" / "root"


def user() -> pwd.struct_passwd:
    """Who Squid is when root starts it."""
    try:
        return pwd.getpwnam("proxy")  # what Debian's is built for
    except KeyError:
        return pwd.getpwnam("nobody")


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon."""
    if not unpacked():
        return {"squid_bin": binaries.find("squid")}
    binary = prefix.parents[1] / "bin" / "squid" if os.geteuid() == 0 else binaries.find("squid")
    return {"squid_bin": str(binary), "squid_home": f"{home(prefix)}/usr"}


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon. Makes the folders its own first."""
    if os.geteuid() == 0:
        for folder in ("run", "var/log/squid", "var/cache/squid", "var/lib/squid"):
            os.chown(prefix / folder, user().pw_uid, user().pw_gid)
        if unpacked():
            wrap(home(prefix), Path(str(names["squid_bin"])))
    return [str(names["squid_bin"]), "-f", f"{prefix}/etc/squid/squid.conf"]


def wrap(root: Path, binary: Path) -> None:
    """`binary`: the package unpacked into `root`, started as that user. Checks are made by root, as everywhere."""
    if binary.is_file():
        return
    for package in NEEDED:
        deb = next((binaries.cache_folder() / "packages" / "debs").glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True, capture_output=True)
    binary.parent.mkdir(exist_ok=True)
    libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu*"))
    become = shlex.join(["setpriv", f"--reuid={user().pw_uid}", f"--regid={user().pw_gid}", "--clear-groups"])
    binary.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH={libraries}\nbecome="{become}"\n'
        f'case " $* " in *" parse "*) become="" ;; esac\nexec $become {root}/usr/sbin/squid "$@"\n'
    )
    binary.chmod(0o755)
