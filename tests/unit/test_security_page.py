"""docs/SECURITY.md names a test for each promise: all of them are there, and its list of programs is the one that is held."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fakes.tracing import PROGRAMS

PAGE = Path("docs/SECURITY.md").read_text()


def test_every_test_it_names_is_there() -> None:
    """Functions and files; a promise whose test was renamed is a promise that nobody holds."""
    functions = {
        name
        for file in Path("tests").rglob("test_*.py")
        for name in re.findall(r"(?m)^def (test_\w+)", file.read_text())
    }
    files = {file.name for file in Path("tests").rglob("test_*.py")}
    named = set(re.findall(r"`(?:tests/\w+/)?(test_\w+(?:\.py)?)`", PAGE))
    assert len(named) > 40
    assert named - functions - files == set()


def test_every_actor_has_what_is_not_held() -> None:
    section = PAGE.split("## Actor by actor")[1].split("\n## ")[0]
    actors = re.split(r"(?m)^\*\*", section)[1:]
    assert len(actors) == 6
    assert [actor.split("**")[0] for actor in actors if "- Not held:" not in actor] == []


def test_the_programs_are_those_of_the_list() -> None:
    """All but ourselves."""
    line = PAGE.split("- Of programs these are started")[1].split("\n- ")[0]
    assert [name for name in PROGRAMS if name != "deploy" and f"`{name}`" not in line] == []
