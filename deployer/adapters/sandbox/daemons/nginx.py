"""nginx in the sandbox."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deployer.adapters.sandbox import binaries
from deployer.adapters.sandbox.daemons import Edit

PACKAGES = {"nginx": ("nginx", "nginx-common")}
SHOP = "conf.d/shop.conf.j2"
EDITS = {
    "good": Edit(SHOP, "proxy_cache_valid 200 10m", "proxy_cache_valid 200 15m", "keep pages a little longer"),
    "incident": Edit(
        SHOP,
        "proxy_cache_bypass $cookie_preview;",
        "proxy_cache_bypass $cookie_preview$http_user_agent;  # previews in the app, too",
        "previews in the app, too",
    ),
    "syntax": Edit(SHOP, "proxy_cache_lock on;", "proxy_cach_lock on;", "oops"),
    "unloadable": Edit(SHOP, "cache/nginx/shop levels", "cache/nginx/shop2 levels", "new disk"),
}


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon."""
    names: dict[str, object] = {"nginx_bin": binaries.find("nginx")}
    return {**names, **({"nginx_user": "root"} if os.geteuid() == 0 else {})}


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon."""
    return [str(names["nginx_bin"]), "-p", f"{prefix}/", "-c", f"{prefix}/etc/nginx/nginx.conf"]
