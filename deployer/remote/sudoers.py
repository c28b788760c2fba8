"""The sudo rules that a login user needs, and no more. Pure."""

from __future__ import annotations

from collections.abc import Iterable

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


def rules(users: Iterable[str], layouts: Iterable[Layout]) -> str:
    """A file for /etc/sudoers.d. users: who logs in. Every name and path is escaped as sudoers(5) demands."""
    agents = sorted({layout.agent for layout in layouts})
    alias = ", ".join(escaped(agent) for agent in agents)
    who = sorted({escaped(user) for user in users})
    lines = [
        HEAD.replace("AGENT'", f"{agents[0]}'" if len(agents) == 1 else "AGENT'"),
        f"Cmnd_Alias DEPLOYER = {alias}",
        # no terminal is ever there; with use_pty the watchdog would lose its terminal with the command
        f'Defaults!DEPLOYER env_reset, !requiretty, !use_pty, secure_path="{SECURE_PATH}", umask=0022, umask_override',
        *(f"{user} ALL = (root:root) NOPASSWD: DEPLOYER" for user in who),
    ]
    return "\n".join(lines) + "\n"


def escaped(word: str) -> str:
    """sudoers(5), Other special characters and reserved words; wildcards are escaped, too: none of them may widen."""
    return "".join(f"\\{c}" if c in "\\ ,:=!*?[]()@\"#%+&;<>|~^$`'" else c for c in word)
