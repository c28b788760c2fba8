"""`deploy check`: what every probe said, and what a push would miss."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from deployer.console.pages.page import Page
from deployer.model.errors import EXIT_DONE, EXIT_REFUSED

if TYPE_CHECKING:
    from deployer.adapters.measuring.tally import CheckResult


def page(
    results: Sequence[CheckResult],
    place: Callable[[str], str],
    bad: Sequence[str],
    warned: Sequence[str],
    failing: Collection[str],
) -> Page:
    """place: probe -> file:line, or "". bad, warned: what stops a push, and what does not. failing: those of `bad` that
    the lines of the probes say already."""
    lines = [line(one, place(one.probe)) for one in results]
    lines += [f"missing: {text}" for text in bad if text not in failing]
    body = {"healthy": not bad, "missing": bad, "warnings": warned, "results": [asdict(one) for one in results]}
    aside = "\n".join(f"warning: {text}" for text in warned)
    return Page("\n".join(lines), body, EXIT_REFUSED if bad else EXIT_DONE, aside)


def line(found: CheckResult, place: str) -> str:
    """Of one probe on one host: how it went, and of one that fails where it is written and what keeps it from stopping
    a push. place: file:line, or ""."""
    cached = {True: "  re-fetch from cache", False: "  re-fetch NOT from cache", None: ""}[found.hit]
    end, mark = "", "ok  "
    if found.failure:
        mark, end = "FAIL", f" ({place})" if place else ""
        if found.level != "required":
            end += ", advisory: stops no push"
        elif found.doubtful:
            end += ", and this machine was too busy to know"
    return f"{mark} {found.host:<20} {found.probe:<16} {found.ms:6.0f} ms{cached}  {found.failure}{end}".rstrip()
