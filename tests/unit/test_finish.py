"""The renderer's last word: how the command ended, told to each of them, whatever the end was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.adapters.local.runs import Runs
from deployer.cli import run
from deployer.console.ci.github import GitHub
from deployer.console.ci.gitlab import GitLab
from deployer.console.live.plain import Plain
from deployer.console.live.tty import Tty
from deployer.model.outcome import HostOutcome, Outcome
from deployer.wiring.options import Options
from deployer.wiring.report import report
from tests.fakes.strangers import ODD, control_characters
from tests.unit.test_cli import config  # noqa: F401

RENDERERS = {"tty": Tty, "plain": Plain, "github": GitHub, "gitlab": GitLab}
DONE = Outcome(
    "deployed", "7-abcd", "production", "nginx", "bbbbbbbbbb-22222222", hosts={"web1": HostOutcome("confirmed")}
)


def options(output: str) -> Options:
    """Nothing but how progress looks."""
    return Options(None, (), None, None, 1, False, output, True, False)


@pytest.mark.parametrize("output", list(RENDERERS))
def test_every_renderer_is_told(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very one that showed the progress, once."""
    heard: list[tuple[object, Outcome]] = []
    monkeypatch.setattr(RENDERERS[output], "finish", lambda self, outcome: heard.append((self, outcome)))
    given = options(output)
    assert type(given.renderer) is RENDERERS[output]
    assert report(given, Runs(tmp_path), DONE) == 0
    assert heard == [(given.renderer, DONE)]


def test_the_step_has_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what other steps wrote."""
    page = tmp_path / "summary.md"
    page.write_text("theirs\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    report(options("github"), Runs(tmp_path), DONE)
    assert page.read_text() == (
        "theirs\n### deploy deployed\n\n"
        "    done: nginx bbbbbbbbbb-22222222 is verified on web1 of production (deploy 7-abcd)\n\n"
    )


def test_an_error_is_an_end(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Refused before anything was contacted: the page says why, as stderr does."""
    page = config / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (config / "inventory.yml").unlink()
    assert run(["push", "nginx", "--yes", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    said = ["refused", f"because: {error['message']}", f"hint: {error['hint']}"]
    assert page.read_text().splitlines() == ["### deploy refused", "", *(f"    {line}" for line in said), ""]


def test_nothing_in_a_summary_is_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a commit, a ledger or a host said stays text."""
    page, odd = tmp_path / "summary.md", f"x\n```\n# [y](https://z) {ODD}"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    GitHub(print).finish(Outcome("stranded", "7-abcd", error=odd, hint=odd, hosts={odd: HostOutcome("failed")}))
    text = page.read_text()
    assert text.startswith("### deploy stranded\n\n")
    assert all(line.startswith("    ") for line in text.splitlines()[1:] if line)
    assert [*control_characters(text)] == []


def test_a_summary_that_cannot_be_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, and the exit code is that of the deploy."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "not there" / "summary.md"))
    assert report(options("github"), Runs(tmp_path), DONE) == 0
    said = capsys.readouterr()
    assert said.err == "warning: the summary of this step could not be written: No such file or directory\n"
    assert said.out.startswith("done: nginx")
