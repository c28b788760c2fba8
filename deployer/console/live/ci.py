"""GitHub and GitLab: the plain lines, folded into groups, with annotations a reviewer sees in the pull request."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from deployer.console.live.plain import Plain
from deployer.console.pages.closing import closing
from deployer.console.say import clean
from deployer.model import events
from deployer.model.outcome import Outcome
from deployer.model.secret import hide

GROUPS = ("survey", "stage", "confirm", "revert")


class GitHub(Plain):
    """`::group::`, `::error::`, and a line in the step summary."""

    def __init__(self, write: Callable[[str], None], verbose: bool = False) -> None:
        super().__init__(write, verbose)
        self._raw, self._open = write, False

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Phase | events.WaveStarted):
            self.close()
            name = event.name if isinstance(event, events.Phase) else f"wave {event.number}"
            self._raw(f"::group::{name}")
            self._open = True
        super().__call__(event)
        if isinstance(event, events.Judged) and event.verdict.ruling != "healthy":
            self._raw(f"::error title=wave {event.wave} {event.verdict.ruling}::{escape(event.verdict.because)}")

    def close(self) -> None:
        """End the open group."""
        if self._open:
            self._raw("::endgroup::")
            self._open = False

    def finish(self, outcome: Outcome) -> None:
        """The summary page of the step."""
        self.close()
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if path:
            with open(path, "a", encoding="utf-8") as summary:
                summary.write(hide(f"### deploy {outcome.result}\n\n{closing(outcome)}\n"))


def escape(text: str) -> str:
    """Workflow commands end at a line's end."""
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


class GitLab(Plain):
    """Collapsible sections."""

    def __init__(self, write: Callable[[str], None], verbose: bool = False) -> None:
        super().__init__(write, verbose)
        self._raw, self._section = write, ""

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Phase | events.WaveStarted):
            self.close()
            name = event.name if isinstance(event, events.Phase) else f"wave_{event.number}"
            self._section = name.replace(" ", "_")
            self._raw(f"\033[0Ksection_start:{int(time.time())}:{self._section}\r\033[0K{name}")
        super().__call__(event)

    def close(self) -> None:
        """End the open section."""
        if self._section:
            self._raw(f"\033[0Ksection_end:{int(time.time())}:{self._section}\r\033[0K")
            self._section = ""
