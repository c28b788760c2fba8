"""The sudo rules that a login user needs, and no more. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deployer.model.errors import InputError
from deployer.remote.layout import Layout

SECURE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HEAD = """\
# Rules of least privilege for deployer. Save as /etc/sudoers.d/deployer (root:root, mode 0440) and check with
#   visudo -cf /etc/sudoers.d/deployer
# They allow the host agent by its absolute path and nothing else: no shell, no other path, no variable of the
# caller. The agent's name holds the hash of its content, its folder belongs to root, and it checks its own arguments.
# Who may run it can still become root: the releases it puts in place are read by servers that root starts.
#
# The agent must be there first, because these rules do not allow to install it. Once for each version, as root:
#   deploy doctor --agent | ssh root@HOST 'install -D -m 755 /dev/stdin AGENT'
# or run `deploy adopt` once with a user (or with -K, a password) that sudo allows to run sh.
"""


PATH = re.compile(r"/[A-Za-z0-9._@+/-]+")  # nothing that sudoers(5) gives a meaning to, no wildcard
USER = re.compile(r"[a-z_][A-Za-z0-9._-]*")  # no alias, no group, no ALL


def rules(users: Iterable[str], layouts: Iterable[Layout]) -> str:
    """A file for /etc/sudoers.d. users: who logs in. Raises InputError for a name or path that would need escaping:
    none may widen a rule."""
    agents, who = sorted({layout.agent for layout in layouts}), sorted(set(users))
    for word, plain in (*((a, PATH) for a in agents), *((w, USER) for w in who)):
        if not plain.fullmatch(word):
            raise InputError(
                f"cannot write a sudo rule for {word!r}", hint="choose a plain name, without spaces or signs"
            )
    lines = [
        HEAD.replace("AGENT'", f"{agents[0]}'") if len(agents) == 1 else HEAD,
        f"Cmnd_Alias DEPLOYER = {', '.join(agents)}",
        # no terminal is ever there; with use_pty the watchdog would lose its terminal with the command
        f'Defaults!DEPLOYER env_reset, !requiretty, !use_pty, secure_path="{SECURE_PATH}", umask=0022, umask_override',
        *(f"{user} ALL = (root:root) NOPASSWD: DEPLOYER" for user in who),
    ]
    return "\n".join(lines) + "\n"
