"""Change: what taking a release costs the process that runs. A phrasebook says it on the host (services/base.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Change:
    """action: what the service must do to take it; why: the reason where that is more than a reload. lasting: going
    back does not undo all of it. cold: why the cache starts empty; "" where taking it keeps the cache, or where only
    the server knows of restarts."""

    action: Literal["reload", "restart"] = "reload"
    why: str = ""
    lasting: bool = False
    cold: str = ""


RELOAD = Change()


def change_said(text: str) -> Change:
    """text: `reload`, `restart: WHY`, `lasting: WHY` (a restart that nothing undoes), each with `; cold: WHY` behind it
    where the cache starts empty, or `cold: WHY` alone; "" where nobody asked. A word that is not known is not taken for
    a reload."""
    what, _, cold = ("; " + text).partition("; cold: ")
    word, _, why = what.removeprefix("; ").partition(": ")
    if word in ("", "reload"):
        return Change(cold=cold)
    lasting = word == "lasting"
    return Change("restart", why, lasting, cold or (why if lasting else ""))
