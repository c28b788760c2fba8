"""The command line: exit codes, errors, help, refusals before anything is contacted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.cli import COMMANDS, run
from deployer.services import SERVICES
from tests.unit.test_files import GOOD, INVENTORY

CHECK = "probes: [{name: home, url: /, rate: 5/s}]\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration repository that was never committed, with hosts that do not exist."""
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "playbooks/nginx").mkdir(parents=True)
    (tmp_path / "playbooks/nginx/playbook.yml").write_text(GOOD + "health_checks: [shop]\n")
    (tmp_path / "health_checks").mkdir()
    (tmp_path / "health_checks/shop.yml").write_text(CHECK)
    monkeypatch.chdir(tmp_path)
    for name in ("DEPLOY_YES", "DEPLOY_JSON", "DEPLOY_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_opens_with_three_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And touches nothing."""
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count(f"deploy {name}") >= 3
    assert text.index("Examples:") < text.index("Options:")


USAGE = {
    ("pusk",): "push",
    ("push", "--limt", "x"): "limit",
    ("push", "--forks", "many"): "not a valid integer",
    ("push", "--forks", "0"): "not in the range",
    ("plan", "--output", "loud"): "loud",
    ("show",): "DEPLOY",
    ("push", "nginx"): "without a terminal",
    ("rollback",): "without a terminal",
    ("adopt",): "without a terminal",
    ("unadopt",): "without a terminal",
    ("abort",): "without a terminal",
    ("confirm",): "without a terminal",
    ("lock", "release"): "without a terminal",
    ("warm", "--urls", "x", "--top", "5"): "exclude each other",
    ("rollback", "--yes", "--to", "nonsense"): "is not a release",
    ("rollback", "--yes", "-e", "prodution"): "did you mean `production`?",
    ("rollback", "--yes", "-l", "web9"): "no host or group is called 'web9'",
    ("rollback", "--yes", "-l", "edge:!edge"): "matches no host",
}


@pytest.mark.parametrize("words", list(USAGE), ids=" ".join)
def test_usage_errors_are_64(config: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Never click's 2, which means `there are changes`."""
    assert run(list(words)) == 64
    said = capsys.readouterr()
    assert USAGE[words] in said.err
    assert "error:" in said.err
    assert not said.out


INPUT = {
    ("push", "--yes", "ngnix"): "no playbook is called 'ngnix'",
    ("push", "--yes", "-i", "nope.yml"): "no such file",
    ("push", "--yes"): "not in a git repository",
    ("push", "--yes", "plan.json"): "cannot read plan.json",
    ("show", "zz"): "is not a deploy id",
    ("plan",): "not in a git repository",
    ("history",): "not in a git repository",
}


@pytest.mark.parametrize("words", list(INPUT), ids=" ".join)
def test_bad_input_is_1(config: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with nothing contacted; the same as JSON."""
    assert run(list(words)) == 1
    said = capsys.readouterr().err
    assert INPUT[words] in said
    assert ("nothing was changed" in said) == (words[0] == "push"), "what only answers could have changed nothing"
    assert run([*words, "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["result"] == "refused"
    assert INPUT[words] in body["error"]["message"]


def test_a_typo_in_a_file_has_a_caret(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """file:line:column, the line, a caret, what was meant."""
    (config / "playbooks/nginx/playbook.yml").write_text(GOOD + "max_hosts: 3\nserail: [1]\n")
    assert run(["push", "--yes"]) == 1
    err = capsys.readouterr().err
    assert "playbooks/nginx/playbook.yml:4:1: unknown key `max_hosts` (and 1 more)" in err
    assert "\n      | ^^^^^^^^^" in err


def test_a_playbook_without_probes_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No data is never healthy, and that is known before the push."""
    subprocess.run(["git", "init", "-q"], cwd=config, check=True)
    (config / "playbooks/nginx/files").mkdir()
    (config / "playbooks/nginx/files/nginx.conf").write_text("x\n")
    (config / "health_checks/shop.yml").write_text("limit: {error_rate: 2%}\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", *identity, "add", "-A"], cwd=config, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "x"], cwd=config, check=True)
    assert run(["push", "--yes"]) == 1
    assert "no probes" in capsys.readouterr().err


def test_an_unsupported_service_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With those that are supported."""
    fewer = {name: one for name, one in SERVICES.items() if name != "squid"}
    monkeypatch.setattr("deployer.services.SERVICES", fewer)  # taken out and put back, it would be the last one
    (config / "playbooks/nginx/playbook.yml").write_text(GOOD.replace("service: nginx", "service: squid"))
    assert run(["status"]) == 1
    assert f"supported are {', '.join(fewer)} and custom" in capsys.readouterr().err


def test_our_bug_is_70(
    config: Path, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; the traceback goes to a file."""
    monkeypatch.setattr("deployer.wiring.context.load_inventory", lambda *paths, beside: 1 / 0)
    assert run(["status"]) == 70
    assert "this is a bug in deployer: ZeroDivisionError" in capsys.readouterr().err
    assert "ZeroDivisionError" in (state / "deployer/crash.txt").read_text()


def test_environment_variables_are_options(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DEPLOY_<OPTION> for each."""
    monkeypatch.setenv("DEPLOY_YES", "1")
    monkeypatch.setenv("DEPLOY_ENVIRONMENT", "nowhere")
    assert run(["rollback"]) == 64
    assert "no group is called 'nowhere'" in capsys.readouterr().err


def test_a_closed_pipe_is_not_an_error(config: Path) -> None:
    """`deploy ... | head` ends quietly."""
    line = f"{sys.executable} -m deployer --help | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_terminal_without_arrows_is_answered_too() -> None:
    """What its encoding lacks is escaped; neither this line nor those after it are swallowed."""
    script = (
        "from deployer import cli; cli.run = lambda words: [cli.say(w) for w in ('a → b', 'done')] and 3; cli.main()"
    )
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environ, check=False)
    assert (done.returncode, done.stdout) == (3, b"a \\u2192 b\ndone\n")


@pytest.mark.parametrize(("before", "code"), [("trap '' HUP; ", 5), ("", 6)])
def test_nohup_is_respected(before: str, code: int) -> None:
    """A hang-up interrupts, unless whoever started it said that it shall not."""
    script = """
import os, signal
from deployer import cli

def run(words):
    try:
        os.kill(os.getpid(), signal.SIGHUP)
    except KeyboardInterrupt:
        return 6
    return 5

cli.run = run
cli.main()"""
    line = f"{before}exec env {'' if before else '--default-signal=HUP '}{sys.executable} -c '{script}'"
    assert subprocess.run(["sh", "-c", line], check=False).returncode == code


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script for each shell."""
    assert run(["completion", shell]) == 0
    assert "_DEPLOY_COMPLETE" in capsys.readouterr().out
