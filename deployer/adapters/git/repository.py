"""git, hardened: the repository is named and never looked for, and what a commit can write is never its configuration;
no hooks, no filters, no fsmonitor, no prompt, no process that outlives its call, a deadline on each.

All git goes through here; GitPython reads the references and the remotes, and runs nothing. What the user's own
configuration names (core.sshCommand, credential.helper, url.insteadOf) stays: no commit can write it.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deployer.adapters.git.refusals import reason, remedy
from deployer.adapters.local.children import GIT, environment, program
from deployer.model.errors import DeployError

if TYPE_CHECKING:
    from git import Repo

SECONDS = 60.0  # for one call that asks nobody else
SAFE = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "fetch.prune": "false",
    "fetch.pruneTags": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    "push.followTags": "false",
    "push.gpgSign": "if-asked",
    "push.recurseSubmodules": "no",
    "safe.bareRepository": "explicit",
    "submodule.recurse": "false",
}
NO_FILTER = {"clean": "", "smudge": "", "process": "", "required": "false"}  # of every filter that is configured


class GitFailed(Exception):
    """One git call failed. stderr: what it said."""

    def __init__(self, stderr: str) -> None:
        super().__init__(stderr)
        self.stderr = stderr


def import_git() -> Any:
    """GitPython, imported here and nowhere else. It runs `git version` when it is imported, in our environment and
    working folder, unless it is told of a git that is not there."""
    names = {"GIT_PYTHON_REFRESH": "quiet", "GIT_PYTHON_GIT_EXECUTABLE": "/nonexistent/git"}
    before = {name: os.environ.get(name) for name in names}
    if "git" not in sys.modules:
        os.environ.update(names)
    try:
        import git
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return git


def open_repository(root: Path) -> Repo:
    """The repository that `root` is a checkout of. Raises DeployError."""
    if program("git") is None:
        raise DeployError("git cannot be run: there is no git on PATH", hint="install git 2.34 or newer")
    root = root.resolve()
    top = next((folder for folder in (root, *root.parents) if os.path.lexists(folder / ".git")), None)
    if top is None and all((root / name).exists() for name in ("HEAD", "objects", "refs")):
        raise DeployError(
            f"{root} is a bare repository", hint="run deploy in a checkout of it: git clone, or git worktree add"
        )
    if top is None:
        raise DeployError(f"{root} is not in a git repository", hint="run git init, or cd into the checkout")
    own, common = _own_folders(top)
    pinned = {"GIT_DIR": own, "GIT_WORK_TREE": str(top), "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    filters = _configured(top, own, common, pinned | _settings(SAFE))
    off = {f"filter.{name}.{key}": value for name in filters for key, value in NO_FILTER.items()}
    repo: Repo = import_git().Repo(own)
    repo.git.update_environment(**pinned, **_settings({**SAFE, **off}))
    return repo


def _settings(values: Mapping[str, str]) -> dict[str, str]:
    """Configuration that comes after all other, by environment; what the user gave in the same way is before it."""
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isascii() and given.isdigit() else 0
    found = {"GIT_CONFIG_COUNT": str(first + len(values))}
    for number, (key, value) in enumerate(values.items(), first):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _own_folders(top: Path) -> tuple[str, str]:
    """The git folder of the checkout `top` and the one that it shares with other work trees, found by git itself, which
    refuses what another user owns. A commit can hold a whole bare repository, with programs in its configuration, but
    never a `.git`: so nothing is taken but what `top/.git` says."""
    ceiling = {"GIT_CEILING_DIRECTORIES": str(top.parent), **_settings(SAFE)}
    words = ("rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
    try:
        said = _run(words, top, ceiling).decode("utf-8", "surrogateescape").splitlines()
    except GitFailed as error:
        raise DeployError(f"git does not read the repository {top}: {reason(error)}", hint=remedy(error)) from None
    own, common = said if len(said) == 2 else ("", "")
    dotgit = top / ".git"
    if not own or Path(own).resolve() == top or (dotgit.is_dir() and not dotgit.samefile(own)):
        raise DeployError(
            f"{dotgit} is no git repository", hint="look at what is in it: git would take files of the checkout for one"
        )
    for folder in (own, common):
        _refuse_committable(Path(folder).resolve(), top)
    return own, common


def _refuse_committable(folder: Path, top: Path) -> None:
    """Raises DeployError for a git folder in the checkout that is not called .git (`git init --separate-git-dir`): a
    commit can hold files of its name, and so its configuration."""
    if top in folder.parents and ".git" not in folder.relative_to(top).parts:
        raise DeployError(
            f"{top / '.git'} leads to {folder.relative_to(top)} of the checkout: a commit could make git run programs",
            hint="git init --separate-git-dir FOLDER moves it to a folder outside of the checkout",
        )


def _configured(top: Path, own: str, common: str, env: Mapping[str, str]) -> list[str]:
    """The names of all filters. Raises DeployError where a file that a commit can write is configuration of git's."""
    said = _run(("config", "--list", "--show-origin", "--includes", "-z"), top, env)
    parts = said.decode("utf-8", "surrogateescape").split("\0")
    for origin in dict.fromkeys(parts[0:-1:2]):
        kind, _, name = origin.partition(":")
        file = (top / name).resolve()
        inside = [Path(folder).resolve() in file.parents for folder in (str(top), own, common)]
        if kind == "file" and inside == [True, False, False]:
            raise DeployError(
                f"git is configured by {file.relative_to(top.resolve())} of the checkout: a commit could make it run "
                "programs",
                hint="take its include out: git config --show-origin --get-regexp ^include",
            )
    keys = [part.partition("\n")[0].split(".") for part in parts[1::2]]
    return list(dict.fromkeys(".".join(key[1:-1]) for key in keys if key[0] == "filter" and len(key) > 2))


def run_git(
    repo: Repo,
    *words: str,
    stdin: IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> bytes:
    """What one git call prints. It runs in a session of its own: a Ctrl-C in the terminal is meant for us and must not
    kill git halfway; after `seconds` all of that session is killed. Raises GitFailed. Thread safe: nothing is
    kept between calls."""
    pinned = repo.git.environment()
    return _run(words, Path(pinned["GIT_WORK_TREE"]), {**pinned, **(env or {})}, stdin, seconds)


def _run(
    words: Sequence[str], folder: Path, env: Mapping[str, str], stdin: IO[bytes] | None = None, seconds: float = SECONDS
) -> bytes:
    process = subprocess.Popen(
        ["git", *words],
        cwd=folder,  # remotes may be relative to it
        env={**environment(GIT), "LANGUAGE": "C", "LC_ALL": "C", **env},
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
        raise GitFailed(f"fatal: git did not end within {seconds:g} s") from None
    if process.returncode:
        raise GitFailed(complaint.decode("utf-8", "backslashreplace"))
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
    running, which a Ctrl-C kills and whose answers threads take from each other). Raises GitFailed."""
    said = with_input(repo, "".join(f"{sha}\n" for sha in shas).encode(), "cat-file", "--batch")
    stream, found = io.BytesIO(said), []
    for sha in shas:
        head = stream.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise DeployError(f"the repository lacks the object {sha[:10]}", hint="run git fetch, then git fsck")
        found.append(stream.read(int(head[2])))
        stream.read(1)
    return found
