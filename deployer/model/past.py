"""What happened, one row for each deploy: its records are several, and more than one may be an OUTCOME. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.model.ledger import Decision, Ended, Entry, Intent


@dataclass(frozen=True, slots=True)
class Row:
    """entry: its last word: what the hosts were read back as where anybody did (a released lock says nothing of them);
    of an open deploy its INTENT. closed: what somebody else said before that, None for nobody."""

    entry: Intent | Ended
    closed: Ended | None = None

    @property
    def open(self) -> bool:
        """It has no OUTCOME."""
        return isinstance(self.entry, Intent)


def rows(chain: tuple[Entry, ...], playbook: str) -> list[Row]:
    """Of `playbook`, oldest first: by when it ended, the open ones by when they began."""
    found: dict[str, list[Intent | Ended]] = {}
    for entry in chain:
        if entry.playbook == playbook and not isinstance(entry, Decision):
            found.setdefault(entry.deploy, []).append(entry)
    return sorted((row_of(entries) for entries in found.values()), key=lambda row: row.entry.number)


def row_of(entries: list[Intent | Ended]) -> Row:
    """Of one deploy."""
    ends = [entry for entry in entries if isinstance(entry, Ended)]
    if not ends:
        return Row(entries[-1])
    last = next((end for end in reversed(ends) if end.result != "released"), ends[-1])
    return Row(last, next((end for end in ends if end is not last), None))
