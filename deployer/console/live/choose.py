"""Which renderer: what was asked for, else what the surroundings are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Protocol

from deployer.console.say import say
from deployer.model.events import Event
from deployer.model.outcome import Outcome


class Renderer(Protocol):
    """Gets every event, from any thread; `close` leaves the screen clean; `finish` is told after that how a command
    that may change hosts ended, and may raise OSError."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None: ...

    def finish(self, outcome: Outcome) -> None: ...


def to_stderr(line: str) -> None:
    """Progress never mixes with the result. The renderers clean what they are given."""
    say(line, err=True, styled=True)


def choose(output: str, environ: Mapping[str, str], verbose: bool = False, plain: bool = False) -> Renderer:
    """auto: GitHub, GitLab, a terminal, else plain lines. plain: no live view even on a terminal (rollback)."""
    kind = output
    if kind == "auto":
        live = sys.stderr.isatty() and environ.get("TERM") != "dumb"
        kind = (
            "github"
            if "GITHUB_ACTIONS" in environ
            else "gitlab"
            if "GITLAB_CI" in environ
            else "tty"
            if live
            else "plain"
        )
    return make(kind if not (plain and kind == "tty") else "plain", to_stderr, verbose)


def make(kind: str, write: Callable[[str], None], verbose: bool) -> Renderer:
    """The renderer of that name; rich is imported for the live view alone."""
    if kind == "tty":
        from deployer.console.live.tty import Tty

        return Tty(write, verbose)
    if kind == "github":
        from deployer.console.ci.github import GitHub

        return GitHub(write, verbose)
    if kind == "gitlab":
        from deployer.console.ci.gitlab import GitLab

        return GitLab(write, verbose)
    from deployer.console.live.plain import Plain

    return Plain(write, verbose)
