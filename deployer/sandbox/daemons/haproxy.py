"""HAProxy in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.daemons import Edit

PACKAGES = {
    "haproxy": (
        *("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
        *("libssl3", "libpcre2-8-0", "libsystemd0", "libcrypt1", "libstdc++6", "libgcc-s1"),
    )
}
FILE = "haproxy.cfg.j2"
EDITS = {
    "good": Edit(FILE, "max-age 600", "max-age 900", "keep pages a little longer"),
    "incident": Edit(
        FILE,
        "acl preview req.cook(preview) -m found",
        "acl preview req.hdr(User-Agent) -m found  # previews in the app, too",
        "previews in the app, too",
    ),
    "syntax": Edit(FILE, "mode http\n", "mod http\n", "oops"),
    "unloadable": Edit(
        FILE, "    default_backend shop", "    bind {{ origin }}\n    default_backend shop", "one more port"
    ),
}


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon."""
    return {"haproxy_bin": binaries.find("haproxy")}


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon."""
    words = [str(names["haproxy_bin"]), "-W", "-D", "-f", f"{prefix}/etc/haproxy/haproxy.cfg"]
    return [*words, "-p", f"{prefix}/run/haproxy.pid", "-S", f"{prefix}/run/haproxy-master.sock"]
