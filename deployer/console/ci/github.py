"""GitHub: groups, an annotation that a reviewer sees in the pull request, and the summary page of the step."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable

from deployer.console.ci.sections import begun
from deployer.console.live.plain import Plain
from deployer.console.pages.closing import closing
from deployer.console.say import clean
from deployer.model import events
from deployer.model.outcome import Outcome
from deployer.model.secret import hide


class GitHub(Plain):
    """`::group::`, `::error::`, and a paragraph in the step's summary."""

    def __init__(self, write: Callable[[str], None], verbose: bool = False) -> None:
        super().__init__(write, verbose)
        self._raw, self._open = write, False

    def __call__(self, event: events.Event) -> None:
        if name := begun(event):
            self.close()
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
        """The summary page of the step; indented, nothing of it is Markdown. Raises OSError."""
        if path := os.environ.get("GITHUB_STEP_SUMMARY"):
            text = textwrap.indent(clean(closing(outcome)), "    ")
            with open(path, "a", encoding="utf-8") as summary:
                summary.write(hide(f"### deploy {outcome.result}\n\n{text}\n\n"))


def escape(text: str) -> str:
    """Workflow commands end at a line's end."""
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
