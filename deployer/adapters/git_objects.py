"""git, hardened: no hooks, no fsmonitor, no prompt, no process that outlives its call, a deadline on each.

All git goes through here; GitPython finds the repository, and reads its references and its configuration.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deployer.model.errors import DeployError

if TYPE_CHECKING:
    from git import Repo

SECONDS = 60.0  # for one call that asks nobody else
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


def run_git(
    repo: Repo,
    *words: str,
    stdin: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> bytes:
    """What one git call prints. It runs in a session of its own: a Ctrl-C in the terminal is meant for us and must not
    kill git halfway; after `seconds` all of that session is killed. Raises GitCommandError. Thread safe: nothing is
    kept between calls."""
    import git

    process = subprocess.Popen(
        ["git", *words],
        cwd=repo.working_dir,
        env={**os.environ, "LANGUAGE": "C", "LC_ALL": "C", **repo.git.environment(), **(env or {})},
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        said, complaint = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise git.GitCommandError(["git", *words], None, f"fatal: git did not end within {seconds:g} s") from None
    if process.returncode:
        raise git.GitCommandError(["git", *words], process.returncode, complaint, said)
    return said


def say_git(repo: Repo, *words: str, **options: Any) -> str:
    """The same as text, without its last newline. options: see run_git."""
    return run_git(repo, *words, **options).decode("utf-8", "backslashreplace").removesuffix("\n")


def with_input(repo: Repo, text: bytes, *words: str, **options: Any) -> bytes:
    """The same with `text` on its standard input. options: see run_git."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(text)
        stdin.seek(0)
        return run_git(repo, *words, stdin=stdin, **options)


def read_blobs(repo: Repo, shas: Sequence[str]) -> list[bytes]:
    """Contents of blobs, by one `cat-file --batch` that ends with the call (GitPython's own reader keeps a process
    running, which a Ctrl-C kills and whose answers threads take from each other). Raises GitCommandError."""
    said = with_input(repo, "".join(f"{sha}\n" for sha in shas).encode(), "cat-file", "--batch")
    stream, found = io.BytesIO(said), []
    for sha in shas:
        head = stream.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise DeployError(f"the repository lacks the object {sha[:10]}", hint="run git fetch, then git fsck")
        found.append(stream.read(int(head[2])))
        stream.read(1)
    return found


def reason(error: Exception) -> str:
    """The last line that git said."""
    lines = [line.strip(" '") for line in str(getattr(error, "stderr", error)).splitlines() if line.strip(" '")]
    fatal = [line for line in lines if "fatal" in line or "error" in line]
    return (fatal or lines or ["git failed"])[-1].removeprefix("stderr: '")[:300]
