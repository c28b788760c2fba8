"""git, hardened: no hooks, no fsmonitor, no prompt, no process that outlives its call. All git goes through here."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.model.errors import DeployError

if TYPE_CHECKING:
    from git import Repo

SAFE = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
}


def import_git() -> Any:
    """GitPython, which looks for git when it is imported."""
    import git

    return git


def open_repository(root: Path) -> Repo:
    """GitPython on the checkout, hardened by environment. Raises DeployError."""
    try:
        git = import_git()
    except ImportError as error:
        raise DeployError(
            f"git cannot be run: {str(error).splitlines()[0]}", hint="install git 2.34 or newer"
        ) from None
    try:
        repo: Repo = git.Repo(root, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        raise DeployError(f"{root} is not in a git repository", hint="run git init, or cd into the checkout") from None
    values: dict[str, str] = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_COUNT": str(len(SAFE)), "GIT_OPTIONAL_LOCKS": "0"}
    for number, (key, value) in enumerate(SAFE.items()):
        values |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    repo.git.update_environment(**values)
    return repo


def run_git(repo: Repo, *words: str, **options: Any) -> Any:
    """One git call in a session of its own: a Ctrl-C in the terminal is meant for us and must not kill git halfway.
    GitPython leaves its timer running then, and a command that was interrupted would end only with it."""
    before = set(threading.enumerate())
    try:
        return repo.git.execute(["git", *words], start_new_session=True, **options)
    except KeyboardInterrupt:
        for thread in set(threading.enumerate()) - before:
            if isinstance(thread, threading.Timer):
                thread.cancel()
        raise


def read_blobs(repo: Repo, shas: Sequence[str]) -> list[bytes]:
    """Contents of blobs, by one `cat-file --batch` that ends with the call (GitPython's own reader keeps a process
    running, which a Ctrl-C kills). Raises GitCommandError."""
    with tempfile.TemporaryFile() as wanted:
        wanted.write("".join(f"{sha}\n" for sha in shas).encode())
        wanted.seek(0)
        said = run_git(
            repo, "cat-file", "--batch", istream=wanted, stdout_as_string=False, strip_newline_in_stdout=False
        )
    stream, found = io.BytesIO(bytes(said)), []
    for sha in shas:
        head = stream.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise DeployError(f"the repository lacks the object {sha[:10]}", hint="run git fetch, then git fsck")
        found.append(stream.read(int(head[2])))
        stream.read(1)
    return found
