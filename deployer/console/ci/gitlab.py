"""GitLab: collapsible sections."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployer.console.ci.sections import begun
from deployer.console.live.plain import Plain
from deployer.model import events


class GitLab(Plain):
    """A section ends where the next one begins."""

    def __init__(self, write: Callable[[str], None], verbose: bool = False) -> None:
        super().__init__(write, verbose)
        self._raw, self._section = write, ""

    def __call__(self, event: events.Event) -> None:
        if title := begun(event, gap="_"):
            self.close()
            self._section = title.replace(" ", "_")
            self._raw(f"\033[0Ksection_start:{int(time.time())}:{self._section}\r\033[0K{title}")
        super().__call__(event)

    def close(self) -> None:
        """End the open section."""
        if self._section:
            self._raw(f"\033[0Ksection_end:{int(time.time())}:{self._section}\r\033[0K")
            self._section = ""
