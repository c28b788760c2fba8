"""The options that every command has, and what they say."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from deployer.console.say import say
from deployer.model.errors import DeployError, UsageError
from deployer.model.outcome import Outcome
from deployer.model.secret import learn
from deployer.wiring.given import refuse_empty, repeating, unknown

if TYPE_CHECKING:
    from deployer.console.live.choose import Renderer

Function = Callable[..., Any]


@dataclass(frozen=True)
class Options:
    """What was asked for, as it was typed. plain: no live view, even on a terminal."""

    playbook: str | None
    inventory: Sequence[str]
    environment: str | None
    limit: str | None
    forks: int
    json: bool
    output: str
    yes: bool
    verbose: bool
    ask_become_pass: bool = False
    plain: bool = False

    @cached_property
    def renderer(self) -> Renderer:
        """Who shows the progress of this command."""
        from deployer.console.live.choose import choose

        return choose(self.output, os.environ, self.verbose, self.plain)

    def finish(self, outcome: Outcome) -> None:
        """The renderer's last word. What it cannot write is said, and is no reason to end otherwise."""
        try:
            self.renderer.finish(outcome)
        except (OSError, ValueError) as error:  # ValueError: what cannot be encoded
            why = getattr(error, "strerror", None) or error
            say(f"warning: the summary of this step could not be written: {why}", err=True)

    def repeating(self, text: str) -> str:
        """A hint, whose commands carry what was given to this one."""
        given = {"-i": self.inventory, "-e": self.environment, "-l": self.limit}
        return repeating(text, self.playbook, given)

    @property
    def interactive(self) -> bool:
        """Is somebody there to be asked?"""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def become_password(self) -> str | None:
        """For sudo: asked for with -K, else DEPLOY_BECOME_PASSWORD; None: sudo must not ask."""
        if not self.ask_become_pass:
            given = os.environ.get("DEPLOY_BECOME_PASSWORD")
            learn(given)
            return given
        if not self.interactive:
            raise UsageError(
                "cannot ask for the become password without a terminal",
                hint="set DEPLOY_BECOME_PASSWORD",
                consequence="nothing was sent",
            )
        asked = str(click.prompt("become password", hide_input=True, err=True))
        learn(asked)
        return asked

    def require_consent(self, what: str) -> None:
        """Without a terminal and without --yes: refuse before anything is contacted."""
        if not self.yes and not self.interactive:
            raise UsageError(
                f"cannot {what} without a terminal to ask on", hint="pass --yes", consequence="nothing was sent"
            )


SHARED: tuple[Callable[[Function], Function], ...] = (
    click.option(
        "-i", "--inventory", metavar="FILE", multiple=True, type=click.Path(),
        help="Inventory, or a folder of them (default: inventory.yml of the checkout). May be given several times.",
    ),
    click.option("-e", "--environment", metavar="GROUP", help="Environment: a group of the inventory."),
    click.option("-l", "--limit", metavar="PATTERN", help="Only these hosts (an Ansible pattern)."),
    click.option("-f", "--forks", type=click.IntRange(1, 512), default=16, show_default=True, help="Hosts at a time."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; progress on stderr."),
    click.option(
        "--output", type=click.Choice(["auto", "tty", "plain", "github", "gitlab"]), default="auto", show_default=True,
        help="How progress looks.",
    ),
    click.option("-y", "--yes", is_flag=True, help="Do not ask."),
    click.option("-K", "--ask-become-pass", is_flag=True, help="Ask for the password that sudo wants on the hosts."),
    click.option("-v", "--verbose", is_flag=True, help="Say more."),
)  # fmt: skip
NAMES = {"as_json": "DEPLOY_JSON", "source": "DEPLOY_FROM"}


def shared(playbook: bool = True, without: Collection[str] = (), plain: bool = False) -> Callable[[Function], Function]:
    """Give a command the shared options, each also as DEPLOY_<OPTION>, and call it with one Options value. without:
    those that mean nothing to it, which it does not have. plain: see Options."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def called(**words: Any) -> Any:
            options = taken(words, plain)
            try:
                refuse_empty(click.get_current_context(), os.environ)
                for name in unknown(os.environ):
                    say(f"warning: {name} is no option of deployer: it is not read", err=True)
                return function(options, **words)
            except DeployError as error:
                from deployer.console.pages.closing import refusal

                error.hint = options.repeating(error.hint)
                options.finish(refusal(error))
                raise

        command: Function = called
        for option in reversed(SHARED):
            command = option(command)
        named = [p for p in getattr(command, "__click_params__", []) if p.name not in without]
        command.__click_params__ = named  # type: ignore[attr-defined]
        if playbook:
            command = click.argument("playbook", required=False)(command)
        for parameter in getattr(command, "__click_params__", []):
            if isinstance(parameter, click.Option) and parameter.name and parameter.envvar is None:
                parameter.envvar = NAMES.get(parameter.name, f"DEPLOY_{parameter.name.upper()}")
        return command

    return decorate


def taken(words: dict[str, Any], plain: bool) -> Options:
    """The shared options out of what click gives; what is left in `words` is the command's own."""
    return Options(
        playbook=words.pop("playbook", None),
        inventory=words.pop("inventory"),
        environment=words.pop("environment", None),
        limit=words.pop("limit", None),
        forks=words.pop("forks"),
        json=words.pop("as_json"),
        output=words.pop("output", "auto"),
        yes=words.pop("yes", False),
        verbose=words.pop("verbose"),
        ask_become_pass=words.pop("ask_become_pass"),
        plain=plain,
    )
