"""What a CI service folds: a section for each phase and each wave."""

from __future__ import annotations

from typing import assert_never

from deployer.model import events


def begun(event: events.Event, gap: str = " ") -> str:
    """The name of the section that begins with it, "" where none does. gap: between the word wave and its number."""
    match event:
        case events.Phase(name):
            return name
        case events.WaveStarted(number):
            return f"wave{gap}{number}"
        case events.Planned() | events.HostChanged() | events.Numbered() | events.Measured() | events.Settled():
            return ""
        case events.Watched() | events.Warmed() | events.Judged() | events.Notice() | events.Recorded():
            return ""
        case _:
            assert_never(event)
