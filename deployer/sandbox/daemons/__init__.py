"""The cache servers of the sandbox, one module each: its packages, how it is started, and the changes a story needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

NAMES = ("nginx", "varnish", "haproxy", "squid", "apache", "trafficserver")


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one file of the example playbook: `old` must be there."""

    path: str
    old: str
    new: str
    message: str


class Daemon(Protocol):
    """What each module of this folder has.

    PACKAGES: binary -> the distribution's packages that hold it and what it needs.
    EDITS: `good` (harmless), `incident` (every request goes past the cache), `syntax` (the check refuses it) and
    `unloadable` (check and reload accept it, the running process never has it; absent where a server has no such case).
    One effect each, where the server can stage it: `latency` (every answer takes 60 ms more), `errors` (about 2 % of
    the answers are 503), `hit_ratio` (one request in ten has a page of its own), `database` (a page costs fifty times
    the queries, in no more time). `moved`: only a restart makes it live. Harmless ones: `comment`, `ttl`, `location`,
    `header`, `log_format`, `workers`.
    """

    PACKAGES: Mapping[str, tuple[str, ...]]
    EDITS: Mapping[str, Edit]

    def variables(self, prefix: Path, http_port: int) -> dict[str, object]:
        """Inventory variables that the phrasebook and the example files need."""
        ...

    def command(self, prefix: Path, names: Mapping[str, object]) -> list[str]:
        """How the server is started on the example configuration below `prefix`."""
        ...


def daemon(service: str) -> Daemon:
    """The module of `service`."""
    return cast(Daemon, importlib.import_module(f"{__name__}.{service}"))


def packages() -> dict[str, tuple[str, ...]]:
    """Of all daemons."""
    return {binary: names for service in NAMES for binary, names in daemon(service).PACKAGES.items()}
