"""The click tree, dispatch, and the ONE place where an exception becomes an error, a hint and an exit code."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from io import TextIOWrapper
from typing import NoReturn

import click

from deployer import __version__
from deployer.adapters.git.memory import state_home
from deployer.adapters.local.children import safe_path
from deployer.adapters.local.signals import SIGNALS
from deployer.adapters.local.writing import write_below
from deployer.console.errors import error_lines, width
from deployer.console.hiding import hiding, open_streams
from deployer.console.say import say, say_json
from deployer.model.errors import (
    EXIT_BUG,
    EXIT_CHANGES,
    EXIT_DONE,
    EXIT_REFUSED,
    DeployError,
    UsageError,
)
from deployer.model.outcome import Outcome
from deployer.model.secret import hide

COMMANDS = {
    "init": "Write a configuration repository, from what lies on hosts today.",
    "plan": "Show who would get what, in which waves; change nothing.",
    "push": "Bring a git revision to the fleet, wave by wave.",
    "rollback": "Bring every host to the last good release; needs only SSH.",
    "status": "Show the hosts as they are now.",
    "history": "List what happened, from the ledger.",
    "show": "Show one deploy with its evidence.",
    "adopt": "Take what is on the hosts today as the first release.",
    "unadopt": "Give back what was adopted: a plain directory with what is live.",
    "warm": "Warm caches with the URLs visitors ask for.",
    "check": "Run the health checks once; change nothing.",
    "lock": "Show or release the lock.",
    "confirm": "Keep what is pending.",
    "abort": "Revert what is pending.",
    "doctor": "Look at every host: connection, sudo, tools, binaries, clock; change nothing.",
    "demo": "Stage the founding incident on this machine, with real servers on loopback.",
    "completion": "Print shell completion for bash, zsh or fish.",
}
ANSWERS = ("plan", "status", "history", "show", "check", "doctor", "completion")  # that is all they do


class Lazy(click.Group):
    """Imports a command only when it is asked for: `rollback` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"deployer.commands.{name}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else "deploy --help lists them"
            raise UsageError(f"no command is called {args[0]!r}", hint=hint, consequence="nothing was sent")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="deploy")
def cli() -> None:
    """Push versioned cache configurations to fleets of web servers, watch, and undo what regresses.

    \b
    Examples:
      deploy plan nginx -e production
      deploy push nginx -e production
      deploy rollback -e production

    Exit codes: 0 done, 1 refused before any host was changed, 2 plan --detailed-exitcode found changes, 3 reverted,
    4 a human is needed, 5 locked, 64 usage, 70 our bug, 130 interrupted and reverted.
    """


def main() -> NoReturn:
    """Entry point of `deploy`."""
    os.environ["PATH"] = safe_path()  # for whatever a library looks for: never in a checkout
    open_streams()
    SIGNALS.install()
    for stream in (sys.stdout, sys.stderr):  # a character that the terminal's encoding lacks is no reason to go silent
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line; its exit code."""
    with hiding() as out:
        code = answer(words)
        out.flush()
    return EXIT_REFUSED if out.lost and code in (EXIT_DONE, EXIT_CHANGES) and only_reads(words) else code


def only_reads(words: list[str]) -> bool:
    """Is the answer all that this command line does? One that could not be written was for nothing, then; it is no
    failure of what changes hosts, which its exit code speaks of."""
    if {"--help", "-h", "--version"} & {*words}:
        return True
    repairs = words[:1] == ["status"] and ("--repair" in words or wants(os.environ.get("DEPLOY_REPAIR", "")))
    return words[:2] == ["lock", "status"] or (bool(words) and words[0] in ANSWERS and not repairs)


def answer(words: list[str]) -> int:
    """The one place where an exception becomes an exit code."""
    try:
        result = cli.main(words, prog_name="deploy", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return fail(_usage(error), words)
    except DeployError as error:
        return fail(error, words)
    except (KeyboardInterrupt, click.Abort):
        text = "interrupted; deploy status shows whether anything is pending"
        say(text, err=True)
        return closing(Outcome("interrupted", error=text), words)
    except Exception as error:
        return bug(error, words)


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "deploy"
    return UsageError(error.format_message(), hint=f"{path} --help shows examples", consequence="nothing was sent")


def fail(error: DeployError, words: list[str]) -> int:
    """Say it to a person on stderr, and to a program on stdout. What only answers could have changed nothing."""
    if only_reads(words) and not isinstance(error, UsageError):
        error.consequence = ""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    say("\n".join(error_lines(error, colour, width(sys.stderr))), err=True, styled=True)
    from deployer.console.pages.closing import refusal

    closing(refusal(error), words)
    return error.exit_code


def closing(outcome: Outcome, words: list[str]) -> int:
    """The closing object, with every key, where a program reads; its exit code."""
    if wants_json(words):
        say_json(outcome.to_json())
    return outcome.exit_code


def wants_json(words: list[str]) -> bool:
    """Was --json asked for? The command line may not have been understood, so it is looked at, not parsed."""
    return "--json" in words or wants(os.environ.get("DEPLOY_JSON", ""))


def wants(value: str) -> bool:
    """Does an environment variable turn a switch on?"""
    return value.lower() in ("1", "true", "t", "yes", "y", "on")


def bug(error: Exception, words: list[str]) -> int:
    """Ours. The traceback goes to a file, and to the terminal only with -v."""
    text = hide("".join(traceback.format_exception(error)))
    try:
        where = f"the traceback is in {write_below(state_home(), 'crash.txt', text)}"
    except OSError:
        where = "run it again with -v for the traceback"
    say(f"error: this is a bug in deployer: {type(error).__name__}: {error}\nhint: {where}", err=True)
    if "-v" in words or "--verbose" in words:
        say(text, err=True)
    closing(Outcome("refused", error=f"bug: {error}", hint=where), words)
    return EXIT_BUG


__all__ = ["cli", "main", "run"]
