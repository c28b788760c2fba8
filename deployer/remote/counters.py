"""A server's own counters, as `service_counters` prints them, and a release as it lies on a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.model.errors import HostError
from deployer.model.sh import sh, within
from deployer.remote.layout import Layout
from deployer.remote.untar import untar
from deployer.remote.verbs import Command

DEADLINE, FETCH_DEADLINE = 8.0, 30.0  # seconds
TREE_CAP = 16 * 1024 * 1024  # bytes of a release that are fetched
LOGIN = 64 * 1024  # bytes that a login script may print before them
KNOWN = ("n", "err", "look", "miss", "orig")
BEGIN = "deployer-release:"  # a line of its own; what comes before it was printed by a login script
LINE = re.compile(r"([a-z]+) ([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Counters:
    """values: since the start of the server, by name (n, err, look, miss, orig; those it has). since: changes when
    they begin again."""

    values: Mapping[str, int]
    since: int = 0

    def after(self, before: Counters) -> dict[str, int]:
        """What was added. Raises HostError when they began again: what was before is lost."""
        names = self.values.keys() & before.values.keys()
        if self.since != before.since or any(self.values[name] < before.values[name] for name in names):
            raise HostError("the server's counters began again at 0")
        return {name: self.values[name] - before.values[name] for name in KNOWN if name in names}


def read_counters(layout: Layout) -> Command:
    """Ask the service functions of the release that the host has now; those of an older agent serve all releases."""
    script = (
        'now=$(readlink "$1/current"); file=$1/phrases/${now#releases/}; [ -f "$file" ] || file=$1/service; '
        '. "$file" && service_counters'
    )
    asked = sh("timeout -k 2 5 {} </dev/null | head -c 4096", within(script, layout.root))
    return Command(asked, deadline=DEADLINE)


def parse_counters(stdout: bytes) -> Counters:
    """Raises HostError when there is not one counter."""
    found = {}
    for line in stdout.decode("ascii", "replace").splitlines():
        if match := LINE.fullmatch(line.strip()):
            found[match[1]] = int(match[2])
    values = {name: found[name] for name in KNOWN if name in found}
    if not values:
        raise HostError("the server's counters cannot be read")
    return Counters(values, found.get("since", 0))


class NoRelease(HostError):
    """Nothing was ever deployed or adopted there."""


def fetch(layout: Layout) -> Command:
    """The files of the release that the host has now, as a tar; at most TREE_CAP bytes."""
    files = sh("tar -cf - -C {}/current/ . 2>/dev/null | head -c {}", layout.root, TREE_CAP)
    line = sh("printf '\\n%s\\n' {}; {}", BEGIN, files)
    return Command(line, deadline=FETCH_DEADLINE, most=TREE_CAP + LOGIN)


def unpack(stdout: bytes) -> dict[str, bytes]:
    """path -> content of its regular files. Raises HostError for what is no whole tar, NoRelease for nothing."""
    _, begun, stdout = stdout.partition(f"\n{BEGIN}\n".encode())
    if not begun:
        raise HostError("the release on the host cannot be read (there is no answer)")
    if len(stdout) >= TREE_CAP:
        raise HostError(f"the release on the host is larger than {TREE_CAP >> 20} MiB")
    if not stdout:
        raise NoRelease("the release on the host cannot be read (there is none; deploy adopt makes the first one)")
    try:
        return {path: content for path, (content, _) in untar(stdout).items()}
    except ValueError as error:
        raise HostError(f"the release on the host cannot be read ({error})") from None
