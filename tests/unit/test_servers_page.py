"""docs/SERVERS.md is what the code says."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from deployer.commands.init import SERVICES as OFFERED
from deployer.model.schema.playbook import Playbook
from deployer.sandbox.daemons import NAMES, daemon
from deployer.services import SERVICES
from deployer.services.matrix import ROWS, page


def test_the_page_is_made_from_the_code() -> None:
    """`python -m deployer.services.matrix > docs/SERVERS.md` brings it up to date."""
    assert (Path(__file__).parents[2] / "docs/SERVERS.md").read_text() == page()


def test_every_service_and_every_fact_has_its_place() -> None:
    """None is forgotten, none is empty, none ends like a sentence."""
    assert all(service.title for service in SERVICES.values())
    for service in SERVICES.values():
        facts = asdict(service.facts)
        assert set(facts) == set(ROWS)
        assert all(text and not text.endswith(".") for text in facts.values())


def test_a_server_that_is_added_is_added_everywhere() -> None:
    """What cannot be made from the list of phrasebooks: what a playbook may say, what init offers, the sandbox, what is
    recognised on a host and what its boot unit comes before."""
    names = tuple(SERVICES)
    assert get_args(Playbook.model_fields["service"].annotation) == (*names, "custom")
    assert names == OFFERED == NAMES
    root = Path(__file__).parents[2]
    looks = (root / "deployer/remote/recognise.sh").read_text()
    for name in names:
        assert daemon(name).EDITS
        assert re.search(rf"service={name}[; ]", looks), name
        assert (root / "playbooks" / name / "playbook.yml").is_file()
    boots = (root / "deployer/remote/hostctl/adopt.sh").read_text()
    assert all(f"{unit}.service" in boots for unit in ("apache2", *(name for name in names if name != "apache")))
