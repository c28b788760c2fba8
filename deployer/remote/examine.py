"""What `deploy doctor` asks a host as the user who logs in, and how the answer is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from deployer.model.errors import Unreachable
from deployer.model.sh import EMPTY, Sh, assignments, block, sh, shipped
from deployer.remote.layout import Layout
from deployer.remote.verbs import HARMLESS, Command, Elevated

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


def look(layout: Layout, service: str, names: Mapping[str, object], tools: Iterable[str]) -> Command:
    """See examine.sh; prints lines of `word value`."""
    head = assignments(place=layout.base, tools=" ".join(tools))
    asked = [
        sh("say {} {}", names.get(variable, default), option) for variable, default, option in BINARIES.get(service, ())
    ]
    return Command(block(head, shipped("deployer.remote", "examine.sh"), *asked))


def agent_tools(source: bytes) -> tuple[str, ...]:
    """The tools hostctl refuses to go without: from itself, so that there is one list."""
    found = TOOLS.search(source.decode())
    return tuple(found[1].split()) if found else ()


def try_sudo() -> Command:
    """Does sudo let this user run sh as root? Prints `{`."""
    return Command(Sh("echo {"), elevated=Elevated(EMPTY, HARMLESS, HARMLESS))


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
