"""The live view: hosts, figures of the bake, and what Ctrl-C would do. Redrawn in place, 80 columns wide."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deployer.console.errors import fitted
from deployer.console.live.plain import Plain, doubt, figures, warmed
from deployer.console.say import one_line
from deployer.model import events

MARKS = {"pending": "◌", "confirmed": "✓", "reverted": "↶", "failed": "✗", "unreachable": "?", "untouched": "·"}
SHOWN = 12  # hosts; the rest is counted
DOUBT = 3  # lines of what a verdict waits for


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
            small = events.Watched | events.Warmed | events.Measured | events.HostChanged
            if not isinstance(event, small):
                self._plain(event)
            begun = isinstance(event, events.HostChanged | events.WaveStarted)  # after the question, if one was asked
            if begun and self._hosts and self._live is None:
                self._live = Live(console=self._console, auto_refresh=False, transient=True)
                self._live.start()
            if self._live is not None:
                self._live.update(self._picture(), refresh=True)

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.Planned):
            waves = {name: n for n, wave in enumerate(event.plan.waves, 1) for name in wave}
            self._hosts = {name: (f"wave {waves[name]}", "waiting (control)") for name in event.plan.hosts}
        elif isinstance(event, events.HostChanged) and event.host in self._hosts:
            self._hosts[event.host] = (self._hosts[event.host][0], event.state)
        elif isinstance(event, events.Judged):
            self._doubt = ""
        elif isinstance(event, events.Warmed):
            self._bake = warmed(event.result, event.of).strip()
        elif isinstance(event, events.Measured):
            self._bake = f"baseline {bar(event.done, event.of)} s  {figures(event.sample)}"
        elif isinstance(event, events.Watched):
            self._bake = f"bake {bar(event.sample.t, event.of)} s  {figures(event.sample)}"
            self._doubt = doubt(event)

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
