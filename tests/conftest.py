"""State of its own for every run; what the fleet tests measured, as one table at the end."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.needs import by_reason, need

# How fast a machine makes up inputs says nothing about what is tested: many have something else to do.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

MEASURED = "measured"  # user property: (table row, column, value)


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is remembered in one test is forgotten in the next, and nothing is left at home."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def pytest_configure() -> None:
    """A shell that runs the tests in the background has them ignore Ctrl-C, which is tested here, by threads and by
    children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before its fixtures, which may need the same."""
    need(*(name for mark in item.iter_markers("needs") for name in mark.args))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not run, by reason; what was measured."""
    if skipped := by_reason(terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("not run here, by reason")
        for line in skipped:
            terminalreporter.line(line)
    show_measured(terminalreporter)


def show_measured(terminalreporter: pytest.TerminalReporter) -> None:
    """Rows and columns in the order in which they came; also with xdist, whose workers send their properties."""
    reports: Iterable[pytest.TestReport] = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get(
        "failed", []
    )
    cells: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == MEASURED and report.when == "call":
                row, column, text = str(value).split("|")
                cells.setdefault(row, {})[column] = text
                columns[column] = None
    if not cells:
        return
    heads = ["server", *columns]
    rows = [[row, *(found.get(column, "-") for column in columns)] for row, found in cells.items()]
    widths = [max(len(line[i]) for line in [heads, *rows]) for i in range(len(heads))]
    terminalreporter.section("measured on real servers")
    for line in [heads, *rows]:
        terminalreporter.line("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
