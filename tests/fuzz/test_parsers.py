"""A sample of the fuzzing in every test run; `script/fuzz COUNT` runs as many cases per reader as you like."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.parsers import PARSERS, Parser

CASES = int(os.environ.get("FUZZ_CASES", "60"))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_any_input_is_read_or_refused(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised but what the reader says it raises."""
    monkeypatch.setattr("deployer.adapters.ssh.config.ask_ssh", lambda *_: {})

    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(parser.inputs)
    def feed(text: object) -> None:
        try:
            parser.feed(text)
        except parser.raises:
            return

    feed()


def test_names_are_unique() -> None:
    """They are what script/fuzz chooses by."""
    assert len({parser.name for parser in PARSERS}) == len(PARSERS)
