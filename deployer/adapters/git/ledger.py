"""The ledger: branch `deployments/<environment>`, one commit per record, appended by compare-and-swap.

With a remote: `git push` with an explicit lease on the old value (16 concurrent writers lost nothing, measured).
Without one: `git update-ref` with the old value. Commits are made in the object database: no work tree, no index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.adapters.git.heartbeat import Heartbeat, Signs
from deployer.adapters.git.ledger_proof import refuse_rewritten
from deployer.adapters.git.ledger_remote import ask_remote, branches
from deployer.adapters.git.memory import Memory
from deployer.adapters.git.records import sentence, without_secrets
from deployer.adapters.git.refusals import reason, remedy, unprotect
from deployer.adapters.git.repository import GitFailed, open_repository, read_blobs, say_git, with_input
from deployer.adapters.local.runs import entry_from_json, entry_to_json
from deployer.model.errors import DeployError, InputError, LedgerMoved, LedgerUnavailable
from deployer.model.ledger import Ended, Entry, Sign, hosts_of

if TYPE_CHECKING:
    from git import Repo

SECONDS = 20  # for one exchange with the remote
ENVIRONMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class GitLedger:
    """Satisfies engine.ports.Ledger for one environment. seconds: for one exchange with the remote."""

    def __init__(self, root: Path, environment: str, memory: Memory, seconds: float = SECONDS) -> None:
        if not ENVIRONMENT.fullmatch(environment) or ".." in environment or environment.endswith(".lock"):
            raise InputError(f"{environment!r} cannot be the name of a branch")
        self.environment, self.memory = environment, memory
        self._root, self._seconds = root, seconds
        self._open: Repo | None = None
        self._remote: str | None = None
        self._heart: Heartbeat | None = None
        self.branch = f"refs/heads/deployments/{environment}"
        self.mirror = f"refs/deployer/ledger/{environment}"  # private: the remote's branch as last fetched
        self.head = ""

    @property
    def repo(self) -> Repo:
        """Opened when first needed, so that a checkout without git can still roll back."""
        if self._open is None:
            try:
                self._open = open_repository(self._root)
            except DeployError as error:
                raise LedgerUnavailable(f"the ledger cannot be reached: {error.message}", hint=error.hint) from None
        return self._open

    @property
    def remote(self) -> str:
        """See `ask_remote`; "" for the local repository."""
        self._remote = ask_remote(self._git) if self._remote is None else self._remote
        return self._remote

    def _git(self, *words: str, **options: Any) -> str:
        """One git call, bounded; GitFailed goes to the caller."""
        return say_git(self.repo, *words, seconds=self._seconds, **options)

    def _value(self, ref: str) -> str:
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
        except GitFailed:
            return ""

    def _fetch(self) -> str:
        """The head as the remote has it now; "" for an empty ledger."""
        if not self.remote:
            return self._value(self.branch)
        try:
            listed = self._git("ls-remote", "--end-of-options", self.remote, self.branch)
            if not listed:
                return ""
            sha = listed.split()[0]
            if self._value(f"{sha}^{{commit}}") != sha:
                self._git(
                    "fetch",
                    "--quiet",
                    "--no-tags",
                    "--no-write-fetch-head",
                    self.remote,
                    f"+{self.branch}:{self.mirror}",
                )
            return sha
        except GitFailed as error:
            raise LedgerUnavailable(
                f"the ledger cannot be reached: {reason(error)}",
                hint=remedy(error) or unprotect(error, *branches(self.environment)),
            ) from None

    def read(self) -> tuple[Entry, ...]:
        """The whole chain, verified: linear, gapless, and a continuation of what was last seen here."""
        head = self._fetch()
        seen = self.memory.seen(self.environment)
        refuse_rewritten(self.repo, self.environment, seen, head, self.memory.folder / "seen" / self.environment)
        if head != seen:
            self.memory.set_seen(self.environment, head)
        self.head = head
        return self._entries(head)

    def _entries(self, head: str) -> tuple[Entry, ...]:
        if not head:
            return ()
        entries = []
        try:
            listing = self._git("ls-tree", "-r", "--full-tree", "--end-of-options", head, "--", "records/")
            rows = [line.split(None, 3) for line in listing.splitlines()]
            contents = read_blobs(self.repo, [blob for _, _, blob, _ in rows])
        except GitFailed as error:
            raise LedgerUnavailable(f"the ledger cannot be read: {reason(error)}") from None
        for number, ((_, _, _, path), content) in enumerate(zip(rows, contents, strict=True), 1):
            try:
                entry = entry_from_json(json.loads(content))
                if entry.number != number or path != f"records/{number:06d}.json":
                    raise ValueError(f"it says it is number {entry.number}")
            except ValueError as error:
                raise DeployError(f"the ledger is damaged: {path} in {head[:10]}: {error}") from None
            entries.append(entry)
        return tuple(entries)

    def append(self, entry: Entry, after: int) -> Entry:
        """Compare-and-swap on the head of the last `read`."""
        chain = self._entries(self.head)
        if len(chain) != after:
            raise LedgerMoved("the ledger moved since it was read")
        written = without_secrets(replace(entry, number=after + 1))
        try:
            sha = self._commit(written)
            self._swap(sha)
        except GitFailed as error:
            raise LedgerUnavailable(f"cannot write the ledger: {reason(error)}") from None
        self.head = sha
        self.memory.set_seen(self.environment, sha)
        return written

    def _commit(self, entry: Entry) -> str:
        """blob -> tree (all earlier records stay) -> commit."""
        text = json.dumps(entry_to_json(entry), indent=1, sort_keys=True) + "\n"
        blob = self._write("blob", text)
        old = self._git("ls-tree", "--end-of-options", f"{self.head}:records") if self.head else ""
        records = self._write("tree", f"{old}\n100644 blob {blob}\t{entry.number:06d}.json\n".lstrip("\n"))
        tree = self._write("tree", f"040000 tree {records}\trecords\n")
        names = {"NAME": entry.who[:100] or "deployer", "EMAIL": "deployer@localhost"}
        env = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in names.items()}
        parents = ["-p", self.head] if self.head else []
        return self._git("commit-tree", *parents, "-m", sentence(entry), tree, env=env)

    def _write(self, kind: str, text: str) -> str:
        words = ("hash-object", "-w", "--stdin") if kind == "blob" else ("mktree",)
        return with_input(self.repo, text.encode(), *words, seconds=self._seconds).decode().strip()

    def _swap(self, sha: str) -> None:
        """Move the branch from the head we read to `sha`, or raise LedgerMoved. A reply that was lost is looked up."""
        if not self.remote:
            try:
                self._git("update-ref", self.branch, sha, self.head)  # "" for a branch that is not there
            except GitFailed as error:
                if self._value(self.branch) != self.head:
                    raise LedgerMoved("somebody appended to the ledger first") from None
                raise LedgerUnavailable(f"cannot write the ledger: {reason(error)}") from None
            return
        lease = f"--force-with-lease={self.branch}:{self.head}"
        try:
            self._git("push", "--quiet", "--no-verify", lease, "--end-of-options", self.remote, f"{sha}:{self.branch}")
        except GitFailed as error:
            now = self._fetch()
            if now == sha:
                return
            if now != self.head:
                raise LedgerMoved("somebody appended to the ledger first") from None
            raise LedgerUnavailable(
                f"the remote refuses the ledger: {reason(error)}", hint=unprotect(error, *branches(self.environment))
            ) from None

    def _signs(self) -> Signs:
        return Signs(self._git, self.remote, f"refs/heads/deployments-alive/{self.environment}")

    def heartbeat(self) -> AbstractContextManager[Callable[[], str]]:
        """See engine.ports.Ledger."""
        self._heart = Heartbeat(self._signs(), self.branch)
        return self._heart.beating()

    def moved(self) -> bool:
        """See engine.ports.Ledger."""
        return self._heart is not None and self._heart.moved(self.head)

    def sign_of(self, name: str) -> Sign:
        """The newest sign of life under `name`. Raises LedgerUnavailable."""
        try:
            return self._signs().newest(name)
        except GitFailed as error:
            raise LedgerUnavailable(f"cannot ask whether the lock's owner is alive: {reason(error)}") from None

    def forget(self, name: str) -> None:
        """Delete what a dead owner left of its signs of life; best effort."""
        self._signs().forget(name)

    def environment_of(self, deploy: str, host: str) -> str:
        """See engine.ports.Ledger."""
        heads = "refs/heads/deployments/"
        try:
            words = ("ls-remote", "--end-of-options", self.remote) if self.remote else ("for-each-ref",)
            listed = self._git(*words, f"{heads}*").splitlines()
        except (GitFailed, DeployError):
            return ""
        for name in sorted(line.split()[-1].removeprefix(heads) for line in listed):
            if name != self.environment and self._knows(name, deploy, host):
                return name
        return ""

    def _knows(self, environment: str, deploy: str, host: str) -> bool:
        try:
            chain = GitLedger(self._root, environment, self.memory).read()
        except DeployError:
            return False
        return any(entry.deploy == deploy for entry in chain) and any(host in hosts_of(entry) for entry in chain)

    def put_aside(self, entry: Entry) -> None:
        """See Memory."""
        self.memory.put_aside(entry)

    def back_fill(self) -> list[Entry]:
        """Write what was put aside while git was gone. Records that are there already are only forgotten."""
        written = []
        for path, entry in self.memory.pending(self.environment):
            for _ in range(20):
                chain = self.read()
                same = [e for e in chain if (e.deploy, e.record) == (entry.deploy, entry.record)]
                # a release is somebody else's word, who took the lock
                there = any(not isinstance(e, Ended) or e.result != "released" for e in same)
                try:
                    written += [] if there else [self.append(entry, len(chain))]
                    path.unlink(missing_ok=True)
                    break
                except LedgerMoved:
                    continue
        return written
