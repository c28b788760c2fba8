"""One record of the ledger as people read it."""

from __future__ import annotations

from dataclasses import replace

from deployer.model.ledger import Decision, Ended, Entry, Intent
from deployer.model.secret import hide


def without_secrets(entry: Entry) -> Entry:
    """The ledger is for ever: the texts of people and hosts are cleaned on the way in."""
    clean = replace(entry, why=hide(entry.why))
    return replace(clean, because=hide(clean.because)) if isinstance(clean, Ended) else clean


def sentence(entry: Entry) -> str:
    """The commit message: readable, one line."""
    because = ""
    match entry:
        case Intent():
            words = f"{entry.who} begins to {entry.command} {entry.playbook} {entry.release}"
        case Decision():
            words = f"decided to {entry.result} {entry.playbook} {entry.release}"
        case Ended():
            words = f"{entry.command} of {entry.playbook} {entry.release}: {entry.result}"
            because = f": {entry.because}" if entry.because else ""
    return " ".join(f"{words} (deploy {entry.deploy}){because}".split())[:500]
