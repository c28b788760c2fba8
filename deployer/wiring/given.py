"""What was given, taken at its word: an empty value is an error, a misspelt variable is no silence, and a command that
is suggested repeats the options of this one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

import click
from click.core import ParameterSource

from deployer.model.errors import UsageError
from deployer.model.sh import sh

OPTIONS = [  # of all commands
    "AGENT",
    "ALLOW_EXEC",
    "ALLOW_QUARANTINED",
    "ASK_BECOME_PASS",
    "COUNT",
    "DETAILED_EXITCODE",
    "ENVIRONMENT",
    "FORKS",
    "FROM",
    "INVENTORY",
    "JSON",
    "LIMIT",
    "MESSAGE",
    "OUT",
    "OUTPUT",
    "RATE",
    "REPAIR",
    "REPLAY",
    "REVISION",
    "SERVICE",
    "SUDOERS",
    "TO",
    "TOP",
    "URLS",
    "VERBOSE",
    "YES",
]
KNOWN = frozenset([*OPTIONS, "BECOME_PASSWORD", "CACHE", "LEDGER_REMOTE", "SSH_CONFIG", "WHO"])
REPEATED = re.compile(
    r"\bdeploy (abort|adopt|check|confirm|doctor|history|plan|push|rollback|status|unadopt|warm|lock \w+)\b"
)
NEAR = 0.8  # of difflib's similarity: from here on it is a slip of the pen


def refuse_empty(context: click.Context, environ: Mapping[str, str]) -> None:
    """An option that is given and empty never means "not given": `-l "$HOSTS"` would act on everything."""
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        given = context.params.get(name)
        if source is ParameterSource.COMMANDLINE and (given == "" or (isinstance(given, tuple) and "" in given)):
            raise empty(max(parameter.opts, key=len) if isinstance(parameter, click.Option) else name.upper())
        variable = str(parameter.envvar or "")
        several = source is ParameterSource.ENVIRONMENT and isinstance(given, tuple) and "" in given
        if source is not ParameterSource.COMMANDLINE and (environ.get(variable) == "" or several):
            raise empty(variable)
    for variable in ("DEPLOY_BECOME_PASSWORD", "DEPLOY_LEDGER_REMOTE"):
        if environ.get(variable) == "":
            raise empty(variable)


def refuse_contradiction(file: str, **saved: str) -> None:
    """What a saved plan says already may be said again, but not otherwise. saved: option -> its value in the plan."""
    context = click.get_current_context()
    for name, value in saved.items():
        given = context.params[name]
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT and given != value:
            raise UsageError(
                f"{file} and --{name} contradict each other: the saved plan says {value}, not {given}",
                hint=f"leave --{name} out, or push a playbook instead of the plan",
                consequence="nothing was sent",
            )


def empty(what: str) -> UsageError:
    """Of an option, an argument or a variable."""
    return UsageError(
        f"{what} is given and empty", hint="give it a value, or leave it out", consequence="nothing was sent"
    )


def unknown(environ: Mapping[str, str]) -> list[str]:
    """DEPLOY_* variables that nothing here reads, to be said: other tools have some, too. One that is nearly an option
    is refused, since what it was meant to limit would go unlimited."""
    found = sorted(name for name in environ if name.startswith("DEPLOY_") and name[7:] not in KNOWN)
    for name in found:
        if near := difflib.get_close_matches(name[7:], KNOWN, 1, NEAR):
            raise UsageError(
                f"no option is called {name}", hint=f"did you mean DEPLOY_{near[0]}?", consequence="nothing was sent"
            )
    return found


def repeating(text: str, playbook: str | None, given: Mapping[str, str | Sequence[str] | None]) -> str:
    """`text` whose `deploy VERB` are what to type next: with the playbook and the options of this call. given: option
    -> its value or values, None where it was not given. A saved plan in the playbook's place is none."""
    words = [playbook] if playbook and not playbook.endswith(".json") else []
    for option, value in given.items():
        values = [value] if isinstance(value, str) else value or ()
        words += [word for one in values for word in (option, one)]
    return REPEATED.sub(lambda found: sh("{}", [*found[0].split(), *words]), text) if words else text
