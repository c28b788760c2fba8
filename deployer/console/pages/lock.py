"""`deploy lock status` and `release`: who holds the lock, and whether anybody is at work."""

from __future__ import annotations

from deployer.adapters.local.runs import entry_to_json
from deployer.console.pages.page import Page
from deployer.model.ledger import Intent, Sign


def status(holder: Intent | None, sign: Sign | None, now: float) -> Page:
    """holder: None for nobody. sign: see alive."""
    if holder is None:
        return Page("lock: none", {"lock": None})
    since = int(now - holder.at)
    text = f"lock: deploy {holder.deploy} by {holder.who} since {since} s, {alive(holder, sign, now)}"
    return Page(text, {"lock": entry_to_json(holder)})


def released(holder: Intent | None) -> Page:
    """holder: None where there was nothing to release."""
    if holder is None:
        return Page("lock: none", {"released": None})
    return Page(f"lock released: deploy {holder.deploy} can no longer commit", {"released": holder.deploy})


def alive(holder: Intent, sign: Sign | None, now: float) -> str:
    """When its owner was last seen alive, or when the lock ends by itself. sign: the owner's last; None for an owner
    that never shows any."""
    if sign is None:
        return f"{int(holder.expires - now)} s left"
    return f"seen alive {int(now - sign.at)} s ago" if sign.mark else "its owner has gone: the next push takes it"
