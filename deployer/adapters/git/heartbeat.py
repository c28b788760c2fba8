"""A sign of life: while a deploy holds the lock its machine moves a branch of its own every few seconds, so that
others can tell a live owner from a dead one wherever they are. `deployments-alive/<environment>/<name>` holds one
commit without parents and without files; it goes with the deploy. Where the server takes no such branch, the lock's own
end is waited for instead. With each sign is looked where the ledger is: who closes our deploy moves it.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployer.model.ledger import HEARTBEAT, Sign

FIRST = 10.0  # seconds that the first sign may take before the lock is taken without any
NAME = re.compile(r"[0-9a-f]{16}")  # it comes back to us out of a ledger that others write


@dataclass(frozen=True)
class Signs:
    """Where they are shown. git: runs one git call, bounded; raises GitFailed. remote: "" for the local
    repository. folder: of branches."""

    git: Callable[..., str]
    remote: str
    folder: str

    def show(self, name: str, count: int) -> None:
        """Move the branch to a commit that was never there before. Raises GitFailed."""
        words = {"NAME": "deployer", "EMAIL": "deployer@localhost"}
        env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in words.items()}
        tree = self.git("hash-object", "-t", "tree", "-w", "/dev/null")
        self._move(name, self.git("commit-tree", "-m", f"alive: {count}", tree, env=env))

    def _move(self, name: str, sha: str) -> None:
        """To `sha`; "" deletes it."""
        ref = f"{self.folder}/{name}"
        if self.remote:
            push = ("push", "--quiet", "--no-verify", "--end-of-options", self.remote)
            self.git(*push, f"+{sha}:{ref}" if sha else f":{ref}")
        else:
            self.git("update-ref", *([ref, sha] if sha else ["-d", ref]))

    def newest(self, name: str) -> Sign:
        """The newest sign under `name`. Raises GitFailed."""
        sha = (self._fetched(name) if self.remote else self._value(f"{self.folder}/{name}")) if self._ours(name) else ""
        at = self.git("show", "-s", "--format=%ct", "--end-of-options", sha) if sha else "0"
        return Sign(sha, float(at))

    def _ours(self, name: str) -> bool:
        return NAME.fullmatch(name) is not None

    def _value(self, ref: str) -> str:
        return self.git("for-each-ref", "--format=%(objectname)", ref)

    def _fetched(self, name: str) -> str:
        """The branch may move on, or go, between two questions."""
        ref, mirror = f"{self.folder}/{name}", f"refs/deployer/alive/{name}"
        if not self.git("ls-remote", "--end-of-options", self.remote, ref):
            return ""
        try:
            fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options", self.remote)
            self.git(*fetch, f"+{ref}:{mirror}")
        except Exception:
            if self.git("ls-remote", "--end-of-options", self.remote, ref):
                raise
            return ""
        return self._value(mirror)

    def head(self, branch: str) -> str:
        """Where `branch` is now; "" for nowhere. Raises GitFailed."""
        if not self.remote:
            return self._value(branch)
        return self.git("ls-remote", "--end-of-options", self.remote, branch)[:40]

    def forget(self, name: str) -> None:
        """Delete what is left under `name`, here and there; best effort, it is only litter."""
        if not self._ours(name):
            return
        for signs in (self, Signs(self.git, "", "refs/deployer/alive")):
            try:
                signs._move(name, "")
            except Exception:
                logging.getLogger(__name__).debug("a sign of life is left: %s", name, exc_info=True)


@dataclass
class Heartbeat:
    """ledger: the branch that is looked at with each sign. name: under which others look. One thread of its own:
    whoever waits for a host must not seem dead."""

    signs: Signs
    ledger: str
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    _known: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _shown: bool = False
    _seen: str | None = None

    def moved(self, head: str) -> bool:
        """Was the ledger seen elsewhere than at `head` since this was last asked?"""
        seen, self._seen = self._seen, None
        return seen not in (None, head)

    @contextmanager
    def beating(self) -> Iterator[Callable[[], str]]:
        """Gives `begin`. The signs end with the context, and are taken back."""
        thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

        def begin() -> str:
            if not thread.is_alive():
                thread.start()
            return self.name if self._known.wait(FIRST) and self._shown else ""

        try:
            yield begin
        finally:
            self._stop.set()
            if thread.is_alive():
                thread.join(HEARTBEAT)
            if self._shown:
                self.signs.forget(self.name)

    def _run(self) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            self._try(self._show, count)
            self._known.set()
            self._try(self._look)
            self._stop.wait(HEARTBEAT)

    def _show(self, count: int) -> None:
        self.signs.show(self.name, count)
        self._shown = True

    def _look(self) -> None:
        self._seen = self.signs.head(self.ledger)

    def _try(self, step: Callable[..., None], *words: int) -> None:
        """The next one may get there; others wait for several signs before they conclude anything."""
        try:
            step(*words)
        except Exception:
            logging.getLogger(__name__).debug("no sign of life, or no look at the ledger", exc_info=True)
