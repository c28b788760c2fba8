"""What a command says at its end, and the one place that says it: to a person, or to a program."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.console.say import say, say_json
from deployer.model.errors import EXIT_DONE


@dataclass(frozen=True, slots=True)
class Page:
    """text: for a person on stdout; aside: on stderr before it; "" says nothing. body: the same for a program, one JSON
    object. code: the exit code."""

    text: str
    body: object
    code: int = EXIT_DONE
    aside: str = ""


def show(page: Page, as_json: bool) -> int:
    """Say it; the exit code."""
    if as_json:
        say_json(page.body)
        return page.code
    if page.aside:
        say(page.aside, err=True)
    if page.text:
        say(page.text)
    return page.code
