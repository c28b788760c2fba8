"""`deploy history`: one row for each deploy, newest first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from deployer.adapters.local.runs import entry_to_json
from deployer.console.pages.page import Page
from deployer.model.ledger import Ended, Intent, Sign
from deployer.model.past import Row


def page(environment: str, playbook: str, rows: Sequence[Row], signs: Mapping[str, Sign | None], now: float) -> Page:
    """rows: oldest first. signs: deploy -> the last sign of life of an open one's owner, None where that is not known
    now, or it shows none."""
    body = [row_json(row, signs.get(row.entry.deploy)) for row in rows]
    lines = [line(row, signs.get(row.entry.deploy), now) for row in reversed(rows)]
    nothing = f"nothing has happened to {playbook} in {environment} yet"
    return Page("\n".join(lines) or nothing, {"environment": environment, "deploys": body})


def line(row: Row, sign: Sign | None, now: float) -> str:
    """One deploy."""
    entry = row.entry
    if isinstance(entry, Intent):
        result, because = "open", under_way(entry, sign, now)
    else:
        result, because = entry.result, because_of(entry, row.closed)
    first = f"{entry.deploy:<10} {when(entry.at)}  {entry.command:<8} {result:<11} {entry.release or '-':<20}"
    return f"{first} {entry.who}  {because}".rstrip()


def when(epoch: float) -> str:
    """`Nov 29 14:03`, by the clock of this machine."""
    return time.strftime("%b %d %H:%M", time.localtime(epoch))


def because_of(end: Ended, closed: Ended | None) -> str:
    """Why it ended so, and who else closed it; why they did so, unless that is said already."""
    if closed is None:
        return end.because
    why = "" if closed.because in end.because else f": {closed.because}"
    return f"{end.because} (closed by {closed.who} at {when(closed.at)}{why})".lstrip()


def under_way(entry: Intent, sign: Sign | None, now: float) -> str:
    """Of a deploy without an end: is anybody at work?"""
    if sign and sign.fresh(now):
        return f"under way since {when(entry.at)}, seen alive {max(0, int(now - sign.at))} s ago"
    if sign and sign.mark:
        return f"owner silent since {when(sign.at)}"
    if sign or now > entry.expires:
        return f"owner silent: it began at {when(entry.at)} and wrote down no end"
    return f"under way since {when(entry.at)}; whether its owner lives is not known"


def row_json(row: Row, sign: Sign | None) -> dict[str, object]:
    """The record, and: `closed`, somebody else's; `seen`, of an open one: when its owner last showed that it lives."""
    return {
        **entry_to_json(row.entry),
        "open": row.open,
        "seen": sign.at if sign and sign.mark else None,
        "closed": entry_to_json(row.closed) if row.closed else None,
    }
