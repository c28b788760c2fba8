"""Releases from a git revision, read from the object database with GitPython: never the work tree, no checkout, no
hooks, no filters. User strings reach git after `--end-of-options`, as one word that `rev-parse` makes a sha of.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.adapters.git.refusals import reason, remedy, said
from deployer.adapters.git.repository import GitFailed, open_repository, say_git, with_input
from deployer.adapters.git.tree import read_sources
from deployer.adapters.reading.yaml_source import did_you_mean
from deployer.model.errors import DeployError, InputError
from deployer.model.fleet import Host
from deployer.model.release import Package, Release, SourceFile, release_id

HEX = re.compile(r"[0-9a-f]{4,64}")
ABSENT = "no branch, tag or commit of that name"
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MISSING = re.compile(
    r"Needed a single revision|unknown revision|bad revision|Not a valid object name|ambiguous argument"
)
Rendered = Mapping[str, tuple[bytes, bool]]
Render = Callable[[Sequence[SourceFile], Sequence[Host]], Mapping[str, Rendered]]


@dataclass(frozen=True, slots=True)
class Commit:
    """sha: full. author: name. time: seconds since the epoch."""

    sha: str
    subject: str
    author: str
    time: int


class Repository:
    """A checkout whose releases can be read."""

    def __init__(self, root: Path) -> None:
        self.repo = open_repository(root)
        below = root.resolve().relative_to(self.repo.git.environment()["GIT_WORK_TREE"])
        self.below = "" if below == Path() else f"{below}/"

    def resolve(self, revision: str) -> Commit:
        """A revision as a person writes it, in every way that git reads -> one commit. Raises InputError."""
        if not revision or revision.startswith("-") or not revision.isprintable():
            raise InputError(f"{revision!r} is not a revision", hint="write a branch, a tag or a commit")
        try:
            found = self._git("rev-parse", "--verify", "--end-of-options", revision)
            if not SHA.fullmatch(found):
                raise InputError(f"{revision!r} is not one revision", hint="write a branch, a tag or a commit")
            sha = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{found}^{{commit}}")
        except GitFailed as error:
            why = self._why(revision, error)
            near = self._near(revision) if why == ABSENT else ""
            raise InputError(f"cannot find the revision {revision!r}: {why}", hint=remedy(error) or near) from None
        words = (
            "log",
            "-1",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--no-color",
            "--format=%H%x00%an%x00%ct%x00%s",
        )
        whole, author, time, subject = self._git(*words, "--end-of-options", sha, "--").split("\0", 3)
        return Commit(whole, subject, author, int(time))

    def _git(self, *words: str) -> str:
        return say_git(self.repo, *words)

    def _why(self, revision: str, error: Exception) -> str:
        """A name that is not there is said so; whatever else git says is given in its own words."""
        text = said(error)
        if "ambiguous" in text and "short" in text:
            return f"it is ambiguous: {', '.join(self._candidates(revision))}"
        if not text or "expected commit type" in text:
            return "it is not a commit"
        return ABSENT if MISSING.search(text) else reason(error)

    def _candidates(self, prefix: str) -> list[str]:
        """The objects that a short name may mean, as `kind sha`; ten at most."""
        found = self._git("rev-parse", f"--disambiguate={prefix}").split()[:10] if HEX.fullmatch(prefix) else []
        return [f"{self._git('cat-file', '-t', sha)} {sha[:16]}" for sha in found]

    def _near(self, revision: str) -> str:
        return did_you_mean(revision, self._git("for-each-ref", "--count=200", "--format=%(refname:short)").split("\n"))

    def _folder(self, playbook: str) -> str:
        return f"{self.below}playbooks/{playbook}/files"

    def sources(self, sha: str, playbook: str) -> tuple[SourceFile, ...]:
        """Every file under `files/` at `sha`. Raises InputError naming commit, path, mode and why."""
        return read_sources(self.repo, sha, self._folder(playbook))

    def origin_commit(self, sha: str, playbook: str) -> str:
        """The oldest ancestor that has the very same files: reverting a commit gives back the old identity. Every
        commit that touches the folder is looked at, in all lines of history."""
        folder = self._folder(playbook)
        touching = self._git("rev-list", "--full-history", "--end-of-options", sha, "--", folder).split()
        wanted, *trees = self._subtrees([sha, *touching], folder)
        oldest = [sha, *(one for one, tree in zip(touching, trees, strict=True) if tree == wanted)][-1]
        if oldest in self._shallow():
            raise DeployError(
                f"cannot name the release: the history of this clone ends at {oldest[:10]}",
                hint="run git fetch --unshallow (in CI: fetch-depth: 0)",
            )
        return oldest

    def _subtrees(self, shas: Sequence[str], folder: str) -> list[str]:
        """The tree of `folder` in each of these commits, "" where there is none."""
        asked = "".join(f"{sha}:{folder}\n" for sha in shas).encode()
        said = with_input(self.repo, asked, "cat-file", "--batch-check=%(objectname) %(objecttype)").splitlines()
        return [line.split()[0].decode() if line.endswith(b" tree") else "" for line in said]

    def _shallow(self) -> set[str]:
        file = Path(self.repo.common_dir) / "shallow"
        return set(file.read_text().split()) if file.is_file() else set()

    def release(self, commit: Commit, playbook: str, hosts: Sequence[Host], render: Render) -> Release:
        """The release of `playbook` at `commit`, rendered for `hosts`. Raises InputError, or DeployError where git
        cannot be read."""
        try:
            sources, origin = self.sources(commit.sha, playbook), self.origin_commit(commit.sha, playbook)
        except GitFailed as error:
            raise DeployError(f"cannot read {commit.sha[:10]} from git: {reason(error)}") from None
        rendered = render(sources, hosts)
        named = release_id(origin, sources, {name: Package("", files) for name, files in rendered.items()})
        packages = {name: Package(named, files) for name, files in rendered.items()}
        return Release(named, playbook, commit.sha, commit.subject, commit.author, packages)

    def dirty(self, playbook: str) -> list[str]:
        """Files of the playbook that differ in the work tree: they are not part of any release."""
        said = self._git(
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=all",
            "--no-renames",  # a renamed file would be two names in a row
            "--ignore-submodules=all",
            "--",
            self._folder(playbook),
        )
        return [entry[3:] for entry in said.split("\0") if len(entry) > 3]


def unified_diff(before: Sequence[SourceFile], after: Sequence[SourceFile]) -> str:
    """What changes between two revisions, as the files are in git."""
    old, new = {s.path: s for s in before}, {s.path: s for s in after}
    out: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        a, b = (_lines(files.get(path)) for files in (old, new))
        if a != b:
            out += difflib.unified_diff(a, b, f"a/{path}", f"b/{path}", n=2, lineterm="")
    return "\n".join(out)


def _lines(source: SourceFile | None) -> list[str]:
    return source.content.decode("utf-8", "replace").splitlines() if source else []
