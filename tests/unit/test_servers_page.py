"""docs/SERVERS.md is what the code says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from deployer.services import SERVICES
from deployer.services.matrix import ROWS, TITLES, page


def test_the_page_is_made_from_the_code() -> None:
    """`python -m deployer.services.matrix > docs/SERVERS.md` brings it up to date."""
    assert (Path(__file__).parents[2] / "docs/SERVERS.md").read_text() == page()


def test_every_service_and_every_fact_has_its_place() -> None:
    """None is forgotten, none is empty, none ends like a sentence."""
    assert set(TITLES) == set(SERVICES)
    for service in SERVICES.values():
        facts = asdict(service.facts)
        assert set(facts) == set(ROWS)
        assert all(text and not text.endswith(".") for text in facts.values())
