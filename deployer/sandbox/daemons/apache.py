"""Apache httpd in the sandbox."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.daemons import Edit

PACKAGES = {"apache2": ("apache2-bin", "libapr1", "libaprutil1", "libexpat1")}
NOBODY = pwd.getpwnam("nobody")
MODULES = "usr/lib/apache2/modules"
SHOP = "sites-enabled/shop.conf.j2"
EDITS = {
    "good": Edit(SHOP, "CacheDefaultExpire 600", "CacheDefaultExpire 900", "keep pages a little longer"),
    "incident": Edit(SHOP, 'CacheDisable "/preview"', 'CacheDisable "/"', "previews in the app, too"),
    "syntax": Edit(SHOP, "CacheLock on", "CacheLok on", "oops"),
    "unloadable": Edit(SHOP, "<VirtualHost", "Listen {{ origin }}\n<VirtualHost", "a second port"),
}


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon. httpd started by root serves as another user, and never as root."""
    apache = binaries.find("apache2")
    root = next((p for p in Path(apache).parents if (p / "root" / MODULES).is_dir()), None)
    names: dict[str, object] = {"apache_bin": apache}
    if root is not None:
        names["apache_modules"] = str(root / "root" / MODULES)
    mine = {"apache_user": NOBODY.pw_name, "apache_group": NOBODY.pw_gid} if os.geteuid() == 0 else {"apache_user": ""}
    return {**names, **mine}


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon. Makes the folders first."""
    (prefix / "run/apache2").mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(prefix / "var/cache/apache2", NOBODY.pw_uid, NOBODY.pw_gid)
    home = f"{prefix}/etc/apache2"
    return [str(names["apache_bin"]), "-d", home, "-f", f"{home}/apache2.conf", "-k", "start"]
