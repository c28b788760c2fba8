"""What a phrasebook is: the shell functions by which hostctl.sh checks, reloads, starts and questions one server.

`script` returns POSIX sh that defines, for dash and busybox ash alike:

  service_check DIR       validate the staged tree in DIR without touching what is live; the reason on stderr
  service_running         is the process there?
  service_reload RELEASE  make the running process use what DEST holds now; the reason on stderr when it did not
  service_start RELEASE   the same for a dead service
  service_loaded          print the release that the running process is proven to have; nothing when unproven
  service_adopted RELEASE remember that the running process has RELEASE (adopt; the process is not touched)
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """dest, root: absolute paths on the host. prefix: "" on a real machine. vars: the host's variables."""

    dest: str
    root: str
    prefix: str = ""
    vars: Mapping[str, object] = field(default_factory=dict)

    def var(self, name: str, default: str = "") -> str:
        """A host variable as text."""
        return str(self.vars.get(name, default))


class Service(Protocol):
    """keeps_cache: the cache survives a reload. entry: the file every release must have ("" for none)."""

    @property
    def name(self) -> str: ...

    @property
    def keeps_cache(self) -> bool: ...

    @property
    def entry(self) -> str: ...

    def script(self, settings: ServiceSettings) -> str: ...


def assignments(**values: str) -> str:
    """`NAME='value'` lines: the only way a value gets into a script."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
