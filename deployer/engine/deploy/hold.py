"""Our own lock, which others may end: who releases it, rolls back, aborts or takes us for dead closes our deploy in the
ledger. We see it before each wave, and while we watch as soon as the heartbeat saw the ledger move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from deployer.engine.ports import Ledger
from deployer.model.errors import LockClosed
from deployer.model.ledger import closed_by


@dataclass
class Hold:
    """commit: writes the decision. ledger: None for who holds no lock. reason: who closed our deploy and why, once that
    is known. Git is the main thread's, so this is, too."""

    commit: Callable[[], None]
    ledger: Ledger | None = None
    deploy: str = ""
    reason: str = ""

    def look(self) -> str:
        """Ask the ledger now: `reason`. One that cannot be read ends nothing, the decision will tell."""
        if self.ledger is not None and not self.reason:
            try:
                self.reason = closed_by(self.ledger.read(), self.deploy)
            except Exception:
                logging.getLogger(__name__).debug("whether our lock stands is not known", exc_info=True)
        return self.reason

    def noticed(self) -> str:
        """The same, asked only where the ledger was seen to move."""
        return self.look() if self.ledger is not None and self.ledger.moved() else self.reason

    def require(self) -> None:
        """Raises LockClosed where there is a reason not to go on."""
        if reason := self.look():
            raise LockClosed(reason)
