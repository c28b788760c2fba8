"""The live view: hosts, figures of the bake, and what Ctrl-C would do. Redrawn in place, 80 columns wide."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import assert_never

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deployer.console.errors import fitted
from deployer.console.live.plain import Plain, doubt, figures, warmed
from deployer.console.say import one_line
from deployer.model import events
from deployer.model.outcome import Outcome

MARKS = {
    "pending": "◌", "confirmed": "✓", "reverted": "↶",
    "failed": "✗", "unreachable": "?", "untouched": "·",
}  # fmt: skip
SHOWN = 12  # hosts; the rest is counted
DOUBT = 3  # lines of what a verdict waits for
DRAWN = (events.Watched, events.Warmed, events.Measured, events.HostChanged)  # in the table, and in no line
BEGUN = (events.HostChanged, events.WaveStarted)  # after the question, if one was asked


def bar(done: float, of: float) -> str:
    """`█████░░░░░ 5/10`."""
    share = min(1.0, done / of) if of else 1.0
    return "█" * int(share * 20) + "░" * (20 - int(share * 20)) + f" {done:.0f}/{of:.0f}"


class Tty:
    """Lines that matter stay on the screen; the table below them is redrawn."""

    def __init__(self, write: Callable[[str], None], verbose: bool = False) -> None:
        self._console = Console(stderr=True)
        self._plain = Plain(lambda line: self._console.print(Text(line), highlight=False), verbose)
        self._guard = threading.Lock()
        self._hosts: dict[str, tuple[str, str]] = {}
        self._bake = self._doubt = ""
        self._live: Live | None = None

    def __call__(self, event: events.Event) -> None:
        with self._guard:
            self._note(event)
            if not isinstance(event, DRAWN):
                self._plain(event)
            if isinstance(event, BEGUN) and self._hosts and self._live is None:
                self._live = Live(console=self._console, auto_refresh=False, transient=True)
                self._live.start()
            if self._live is not None:
                self._live.update(self._picture(), refresh=True)

    def _note(self, event: events.Event) -> None:
        match event:
            case events.Planned(plan):
                waves = {name: n for n, wave in enumerate(plan.waves, 1) for name in wave}
                self._hosts = {name: (f"wave {waves[name]}", "waiting (control)") for name in plan.hosts}
            case events.HostChanged(host, state):
                if host in self._hosts:
                    self._hosts[host] = (self._hosts[host][0], state)
            case events.Judged():
                self._doubt = ""
            case events.Warmed(result, of):
                self._bake = warmed(result, of).strip()
            case events.Measured(sample, done, of):
                self._bake = f"baseline {bar(done, of)} s  {figures(sample)}"
            case events.Watched(sample):
                self._bake = f"bake {bar(sample.t, event.of)} s  {figures(sample)}"
                self._doubt = doubt(event)
            case events.Phase() | events.WaveStarted() | events.Numbered() | events.Settled():
                pass
            case events.Notice() | events.Recorded():
                pass
            case _:
                assert_never(event)

    def _picture(self) -> Group:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("HOST", "WAVE", "STATE"):
            table.add_column(title)
        for name, (wave, state) in list(self._hosts.items())[:SHOWN]:
            table.add_row(one_line(name), wave, f"{MARKS.get(state, '·')} {one_line(state)}")
        more = len(self._hosts) - SHOWN
        rest = [Text(f"+ {more} more")] if more > 0 else []
        foot = Text("Ctrl-C reverts what is pending; twice leaves it to the hosts' watchdogs", style="dim")
        wide = self._console.width - 1
        why = fitted(one_line(self._doubt), wide).split("\n")[:DOUBT] if self._doubt else []
        return Group(table, *rest, Text(one_line(self._bake)[:wide]), *(Text(line[:wide]) for line in why), foot)

    def close(self) -> None:
        """Leave the screen as a person expects it."""
        with self._guard:
            if self._live is not None:
                self._live.stop()
                self._live = None

    def finish(self, outcome: Outcome) -> None:
        """The closing sentence says it."""
