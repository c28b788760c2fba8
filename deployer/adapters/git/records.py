"""One record of the ledger as people read it."""

from __future__ import annotations

from dataclasses import replace

from deployer.model.ledger import Entry
from deployer.model.secret import hide


def without_secrets(entry: Entry) -> Entry:
    """The ledger is for ever: the texts of people and hosts are cleaned on the way in."""
    return replace(entry, why=hide(entry.why), because=hide(entry.because))


def sentence(entry: Entry) -> str:
    """The commit message: readable, one line."""
    words = {
        "INTENT": f"{entry.who} begins to {entry.command} {entry.playbook} {entry.release}",
        "DECISION": f"decided to {entry.result} {entry.playbook} {entry.release}",
        "OUTCOME": f"{entry.command} of {entry.playbook} {entry.release}: {entry.result}",
    }[entry.record]
    return " ".join(f"{words} (deploy {entry.deploy}){': ' + entry.because if entry.because else ''}".split())[:500]
