"""What `deploy doctor` asks a host as the user who logs in, and how the answer is read. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from deployer.model.errors import Unreachable
from deployer.remote.layout import Layout
from deployer.remote.verbs import Command, Elevated

TOOLS = re.compile(r"^ *for tool in (.+); do$", re.MULTILINE)
# service -> (host variable, default, option that prints the version)
BINARIES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "nginx": (("nginx_bin", "nginx", "-v"),),
    "varnish": (("varnishd_bin", "varnishd", "-V"), ("varnishadm_bin", "varnishadm", "-h")),
    "haproxy": (("haproxy_bin", "haproxy", "-v"),),
    "squid": (("squid_bin", "squid", "-v"),),
    "apache": (("apache_bin", "apache2", "-v"),),
    "trafficserver": (
        ("traffic_manager_bin", "traffic_manager", "--version"),
        ("traffic_server_bin", "traffic_server", "--version"),
        ("traffic_ctl_bin", "traffic_ctl", "--version"),
    ),
}
SCRIPT = r"""
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo "user $(id -un) $(id -u)"
echo "shell ${SHELL:-}"
for tool in TOOLS mv; do command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"; done
echo "clock $(date +%s)"
place=BASE; while [ ! -d "$place" ]; do place=$(dirname "$place"); done
echo "free $(df -Pk "$place" | awk 'NR == 2 { print $4 + 0 }')"
say() { # NAME OPTION: the first line that tells something
  command -v "$1" >/dev/null 2>&1 || { echo "binary $1"; return; }
  echo "binary $1 $("$1" "$2" 2>&1 </dev/null | grep -v '^NOTE' | grep -m 1 . | cut -c1-120)"
}
"""


def look(layout: Layout, service: str, names: Mapping[str, object], tools: Iterable[str]) -> Command:
    """One line of sh; prints lines of `word value`."""
    script = SCRIPT.replace("TOOLS", " ".join(tools)).replace("BASE", shlex.quote(layout.base))
    for variable, default, option in BINARIES.get(service, ()):
        script += f"say {shlex.quote(str(names.get(variable, default)))} {option}\n"
    return Command(script)


def agent_tools(source: bytes) -> tuple[str, ...]:
    """The tools hostctl refuses to go without: from itself, so that there is one list."""
    found = TOOLS.search(source.decode())
    return tuple(found[1].split()) if found else ()


def try_sudo() -> Command:
    """Does sudo let this user run sh as root? Prints `{`."""
    return Command("echo {", elevated=Elevated("", "sh -c 'echo {'", "sh -c 'echo {'"))


def seen(stdout: bytes, exit_status: int | None, stderr: bytes) -> dict[str, list[str]]:
    """word -> values. Raises Unreachable for an answer of another shape."""
    found: dict[str, list[str]] = {}
    for line in stdout.decode("utf-8", "replace").splitlines():
        word, _, value = "".join(c if c.isprintable() else " " for c in line).partition(" ")
        if word in ("user", "shell", "missing", "clock", "free", "binary"):
            found.setdefault(word, []).append(value.strip())
    if not {"user", "clock", "free"} <= set(found):
        said = " ".join(stderr.decode("utf-8", "replace").split())[:300] or "nothing"
        raise Unreachable(f"it does not answer like a POSIX shell (exit {exit_status}); it said: {said}")
    return found
