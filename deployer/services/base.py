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
from typing import Literal, Protocol

Action = Literal["reload", "restart", "none"]

# Shell words that every phrasebook of ours begins with.
COMMON = r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
uptime() { IFS=' .' read -r up rest < /proc/uptime; : "$rest"; } # sets up: seconds, which no clock change moves
nap() { sleep 0.1 2>/dev/null || sleep 1; }
linked() { to=$(readlink "$ROOT/$1" 2>/dev/null) && printf '%s\n' "${to#releases/}"; }
# Overwritten in place, so that a revert can still write it when the disk is full; "end" tells a whole line.
put_loaded() { printf '%s end\n' "$*" | dd of="$ROOT/loaded" conv=notrunc 2>/dev/null; }
get_loaded() { # sets proven and the words after it
  proven='' words=''
  read -r proven words < "$ROOT/loaded" 2>/dev/null || return 1
  case " $words" in *" end") words=" ${words%end}" ;; *) proven='' words=''; return 1 ;; esac
}
# Run the words after DIR where DIR lies over the live tree and nobody else sees it: what reads the live files by
# absolute path reads the staged ones. 99: that cannot be had here.
in_private() {
  over=$1 live=$(readlink -f "$ROOT/current") && shift || return 99
  [ "$(id -u)" = 0 ] && [ "$(readlink -f "$DEST")" = "$live" ] && unshare -m true 2>/dev/null || return 99
  unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" "$2" || exit 99; shift 2; exec "$@"' sh \
    "$over" "$live" "$@"
}
"""


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
    """keeps_cache_on_reload: what is cached survives a reload. entry: the file every release must have ("": none)."""

    @property
    def name(self) -> str: ...

    @property
    def keeps_cache_on_reload(self) -> bool: ...

    @property
    def entry(self) -> str: ...

    def script(self, settings: ServiceSettings) -> str:
        """The functions above, as a file for the host."""
        ...

    def action(
        self, changes: Mapping[str, object], before: Mapping[str, bytes] | None, after: Mapping[str, bytes]
    ) -> Action:
        """What the service must do to take `changes` (by path). before: None when the old content is unknown."""
        ...

    def audit_layout(self, files: Mapping[str, bytes]) -> list[str]:
        """Problems that are known before any host is contacted, one line each, `path:line: text` where it can."""
        ...


def assignments(**values: str) -> str:
    """`NAME='value'` lines: the only way a value gets into a script."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def reload_if_changed(changes: Mapping[str, object]) -> Action:
    """For servers that take every change by a reload."""
    return "reload" if changes else "none"


def missing_entry(entry: str, files: Mapping[str, bytes]) -> list[str]:
    """One line when the file that the server reads first is not there."""
    return [] if entry in files else [f"{entry} is missing: the service reads it first"]
