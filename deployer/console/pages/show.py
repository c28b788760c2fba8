"""`deploy show ID`: one deploy with its evidence, as it was judged then or by the gate of today."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deployer.adapters.local.runs import entry_to_json
from deployer.console.pages import verdict
from deployer.console.pages.page import Page
from deployer.model.ledger import Ended, Entry, Intent, hosts_of

if TYPE_CHECKING:
    from deployer.engine.replay import Replayed


def page(deploy: str, entries: Sequence[Entry], run: Mapping[str, Any] | None) -> Page:
    """entries: its records. run: what this machine kept of it, if it was run here."""
    found = [line for entry in entries for line in lines(entry)]
    judged = run.get("verdict") if run else None
    if isinstance(judged, dict):
        found += verdict.lines("verdict", judged)
    body = {"deploy": deploy, "records": [entry_to_json(entry) for entry in entries], "run": run}
    return Page("\n".join(found), body)


def lines(entry: Entry) -> list[str]:
    """One record."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))
    result = "" if isinstance(entry, Intent) else entry.result
    because = entry.because if isinstance(entry, Ended) else ""
    words = f"{entry.command} {entry.playbook} {entry.release} by {entry.who} {result}"
    found = [f"{when}  {entry.record:<8} {words}", *([f"    {because}"] if because else [])]
    return [*found, *(f"    {host:<24} {release or '-'}" for host, release in hosts_of(entry).items())]


def replayed(deploy: str, waves: Sequence[Replayed]) -> Page:
    """Wave by wave."""
    found = [
        line
        for wave in waves
        for line in verdict.lines(f"wave {wave.wave} after {wave.seconds:.0f} s", asdict(wave.verdict))
    ]
    return Page("\n".join(found), {"deploy": deploy, "waves": [wave.to_json() for wave in waves]})
