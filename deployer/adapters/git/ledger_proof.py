"""Is the ledger still what it was? A chain can be shortened, forked, or changed in place by a commit on top of it: git
accepts all three from whoever may push. What was seen before, and the shape of every commit since, give them away.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.adapters.git.repository import GitFailed, run_git, say_git
from deployer.model.errors import DeployError

if TYPE_CHECKING:
    from git import Repo

ADDED = re.compile(r":000000 100644 0+ [0-9a-f]+ A\trecords/(\d{6,})\.json")


def refuse_rewritten(repo: Repo, environment: str, seen: str, head: str, memory: Path) -> None:
    """Raises DeployError when `head` does not continue what was `seen` here ("" for never), or when a commit since
    then did anything but append one record. memory: the file that holds `seen`."""
    if seen == head:
        return
    accept = f"find out who did it; to accept it, delete {memory}"
    if seen and not continues(repo, seen, head):
        raise DeployError(
            f"the ledger of {environment} was rewritten: it was at {seen[:10]}, now at {head[:10] or 'nothing'}",
            hint=accept,
        )
    if head and (why := changed(repo, seen, head)):
        raise DeployError(f"the ledger of {environment} was changed in place: {why}", hint=accept)


def continues(repo: Repo, seen: str, head: str) -> bool:
    """Is `seen` an ancestor of `head`?"""
    if not head:
        return False
    try:
        run_git(repo, "merge-base", "--is-ancestor", seen, head)
    except GitFailed:
        return False
    return True


def changed(repo: Repo, seen: str, head: str) -> str:
    """What a commit between them did beside appending the next record; "" when each did that and nothing else."""
    words = ["-c", "log.showRoot=true", "log", "--reverse", "--no-abbrev", "--no-renames", "-m", "--raw", "--no-color"]
    ranged = [f"^{seen}", head] if seen else [head]
    said = say_git(repo, *words, "--format=%x00%H %P", "--end-of-options", *ranged)
    number = 0
    for commit in filter(None, said.split("\0")):
        first, *rest = commit.strip().splitlines()
        sha, *parents = first.split()
        lines = [line for line in rest if line]
        if len(parents) > 1:
            return f"{sha[:10]} is a merge"
        match = ADDED.fullmatch(lines[0]) if len(lines) == 1 else None
        if match is None:
            what = ", ".join(line.partition(" A\t")[2] or line.rpartition(" ")[2] for line in lines[:3]) or "nothing"
            return f"{sha[:10]} touches {what.replace(chr(9), ' ')}, it should append one record"
        if number and int(match[1]) != number + 1:
            return f"{sha[:10]} appends record {int(match[1])} after {number}"
        number = int(match[1])
    return ""
