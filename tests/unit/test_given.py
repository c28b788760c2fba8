"""Options at their word: empty is an error, a misspelt variable is no silence, what is suggested repeats what was given."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from deployer.cli import COMMANDS, cli, run
from deployer.wiring.given import KNOWN, repeating
from tests.unit.test_cli import config  # noqa: F401


@pytest.mark.parametrize(
    "words",
    [
        ("rollback", "--yes", "-l", ""),
        ("rollback", "--yes", "-i", ""),
        ("rollback", "--yes", "-e", ""),
        ("rollback", "--yes", "--to", ""),
        ("push", "--yes", "-r", ""),
        ("push", "", "--yes"),
        ("warm", "--urls", ""),
        ("plan", "-o", ""),
        ("show", ""),
    ],
)
def test_given_and_empty(config: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """`-l "$HOSTS"` with nothing in it acted on every host."""
    assert run([*words]) == 64
    said = capsys.readouterr().err
    assert "is given and empty" in said
    assert "nothing was sent" in said


@pytest.mark.parametrize("name", ["LIMIT", "INVENTORY", "ENVIRONMENT", "BECOME_PASSWORD", "YES"])
def test_a_variable_that_is_empty(
    config: Path,  # noqa: F811
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same; what the command line says goes first."""
    monkeypatch.setenv(f"DEPLOY_{name}", "")
    assert run(["abort", "--json"]) == 64
    assert f"DEPLOY_{name} is given and empty" in capsys.readouterr().err


def test_the_command_line_goes_before_an_empty_variable(
    config: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is not read then."""
    monkeypatch.setenv("DEPLOY_LIMIT", "")
    assert run(["rollback", "--yes", "-l", "nobody"]) == 64
    assert "nobody" in capsys.readouterr().err


def test_a_misspelt_variable(
    config: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What it was meant to limit would go unlimited; another tool's is said, and no more."""
    monkeypatch.setenv("DEPLOY_LIMT", "web1")
    assert run(["status"]) == 64
    assert "did you mean DEPLOY_LIMIT?" in capsys.readouterr().err
    monkeypatch.delenv("DEPLOY_LIMT")
    monkeypatch.setenv("DEPLOY_TOKEN_OF_ANOTHER_TOOL", "x")
    run(["plan", "-l", "nobody"])
    assert "warning: DEPLOY_TOKEN_OF_ANOTHER_TOOL is no option of deployer" in capsys.readouterr().err


def every_command() -> list[click.Command]:
    context = click.Context(cli)
    found = [command for name in COMMANDS if (command := cli.get_command(context, name))]
    return [
        *found,
        *(sub for command in found if isinstance(command, click.Group) for sub in command.commands.values()),
    ]


def test_every_variable_is_known() -> None:
    """Those of the options, and those that the code asks for."""
    options = {
        str(option.envvar)[7:]
        for command in every_command()
        for option in command.params
        if isinstance(option, click.Option) and option.envvar
    }
    asked = {
        name
        for path in Path("deployer").rglob("*.py")
        for name in re.findall(r'environ(?:\.get\(|\[)"DEPLOY_([A-Z_]+)"', path.read_text())
    }
    assert options | asked <= KNOWN
    assert not {name for name in KNOWN - options if f"DEPLOY_{name}" not in "".join(
        path.read_text() for path in [*Path("deployer").rglob("*.py"), *Path("script").iterdir()] if path.is_file()
    )}  # fmt: skip


def test_what_is_suggested_repeats_what_was_given() -> None:
    """Typed as it stands, it acts on the same hosts."""
    given = {"-i": "other inventory.yml", "-e": "production", "-l": None}
    assert repeating("wait, or run deploy abort", "nginx", given) == (
        "wait, or run deploy abort nginx -i 'other inventory.yml' -e production"
    )
    assert repeating("run deploy lock release now", None, {"-l": "web1"}) == "run deploy lock release -l web1 now"
    assert repeating("run deploy plan -o again", "plan.json", {}) == "run deploy plan -o again"
    assert repeating("deploy 12-ab12 holds the lock", "nginx", given) == "deploy 12-ab12 holds the lock"
    assert repeating("run deploy abort", None, {"-l": None}) == "run deploy abort"


def test_an_error_repeats_them(config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Its hint is what is typed next."""
    assert run(["rollback", "nginx", "--yes", "-l", "web1.eu.example.com", "--to", "x"]) == 64
    assert "hint: deploy history nginx -l web1.eu.example.com lists them" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("words", [("-i", ""), ("-i", "inventory.yml", "-i", "")])
def test_an_empty_inventory_among_several_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of several is no less given than a single one; DEPLOY_INVENTORY the same."""
    monkeypatch.chdir(tmp_path)
    assert run(["plan", *words]) == 64
    assert "--inventory is given and empty" in capsys.readouterr().err
    monkeypatch.setenv("DEPLOY_INVENTORY", "inventory.yml:")
    assert run(["plan"]) == 64
    assert "DEPLOY_INVENTORY is given and empty" in capsys.readouterr().err


def test_a_hint_repeats_every_inventory() -> None:
    """In their order."""
    given = {"-i": ("a.yml", "b c.yml"), "-e": None, "-l": None}
    assert repeating("run deploy plan", None, given) == "run deploy plan -i a.yml -i 'b c.yml'"
