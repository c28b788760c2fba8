"""What is said, and where: a long verdict once, a probe that fails once, what is not committed whatever else fails."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.cli import run
from deployer.console.live.choose import make
from deployer.console.pages.closing import closing
from deployer.engine.deploy.push import push
from deployer.model import events
from deployer.model.outcome import Outcome
from deployer.model.sample import HostSample, Sample
from deployer.model.verdict import CLAUSE, Reading, Verdict, first_clause
from tests.fakes.world import ThreeTicks, World
from tests.unit.test_cli import config  # noqa: F401

FIRST = "no metric is worse than allowed after 126 s on web1: error_rate: 0 % on web1 (0 of 504 requests failed)"
LONG = FIRST + "; latency_p50: 31.6 ms on web1 vs 31.2 ms on 2 unchanged hosts" * 12
REFUSING = """all:
  vars: {ansible_port: 9, http_port: 9}
  children:
    edge: {hosts: {web1: {ansible_host: 127.0.0.1}, web2: {ansible_host: 127.0.0.2}}}
    production: {children: {edge: {}}}
"""


class Wordy(ThreeTicks):
    """Regressed at its third look, in many words."""

    def observe(self, sample: Sample) -> Reading:
        reading = super().observe(sample)
        self.ruling = Verdict("regressed", LONG)
        return reading if reading.state == "continue" else Reading("regressed", reason=LONG)


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True)


@pytest.fixture
def site(config: Path) -> Path:  # noqa: F811
    """Committed; its hosts refuse, and its template asks for a variable that nobody defines."""
    (config / "playbooks/nginx/files").mkdir()
    (config / "playbooks/nginx/files/nginx.conf.j2").write_text("{{ nobody }}\n")
    (config / "inventory.yml").write_text(REFUSING)
    git(config, "init", "-q")
    git(config, "add", "-A")
    git(config, "commit", "-qm", "x")
    return config


@pytest.mark.parametrize("output", ["plain", "gitlab"])
def test_a_long_verdict_is_told_once(output: str) -> None:
    """The tick that brought it, the verdict, the closing sentence: all three had the whole of it."""
    lines: list[str] = []
    show = make(output, lines.append, False)
    tick = Sample(126.0, {"web1": HostSample(4, 0, (52.0,))})
    show(events.Watched(tick, Reading("healthy", reason=LONG), 3.0))
    show(events.Judged(1, Verdict("healthy", LONG)))
    said = closing(Outcome("deployed", "7-abcd", "production", "nginx", "b", verdict=Verdict("healthy", LONG)))
    assert ("\n".join(lines) + said).count(LONG) == 1
    assert said.splitlines()[1] == f"{FIRST} (deploy show 7-abcd has all)"


def test_nothing_but_the_verdict_is_shortened() -> None:
    """What came after it, and what was told by nobody, stays whole."""
    verdict = Verdict("regressed", LONG)
    outcome = Outcome("stranded", "7-abcd", verdict=verdict, error=f"{LONG}; not verified back: web1: gone")
    assert f"because: {FIRST} (deploy show 7-abcd has all); not verified back: web1: gone" in closing(outcome)
    for bare in (replace(outcome, verdict=None), replace(outcome, deploy="")):
        assert LONG in closing(bare)
    short = Verdict("regressed", "error rate 9 % on web1")
    assert "has all" not in closing(Outcome("reverted", "7-abcd", verdict=short, error=short.because))


def test_the_first_clause() -> None:
    """Never longer than a few lines of a terminal, cut between words."""
    assert first_clause("a: b; c; d") == "a: b"
    assert first_clause(LONG) == FIRST
    assert first_clause("") == ""
    cut = first_clause("word " * 100)
    assert len(cut) <= CLAUSE
    assert cut.endswith("word...")


def test_the_alarm_does_not_repeat_the_verdict() -> None:
    world = World()
    world.policy = replace(world.policy, gate=Wordy)
    push(world.request, world.release(), world.ports, world.ledger, world.policy)
    alarms = [e.text for e in world.events if isinstance(e, events.Notice) and e.level == "alarm"]
    assert alarms == [f"undoing 1 host(s): {FIRST}"]


def test_check_says_each_failure_once(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line; `missing:` is for what is no probe that was asked."""
    assert run(["check"]) == 1
    out = capsys.readouterr().out
    fails = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert len(fails) == 2
    assert all("health_checks/shop.yml:1" in line for line in fails)
    assert "missing: " not in out


def test_check_still_names_what_no_probe_says(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = "probes: [{name: home, url: /, rate: 5/s, level: advisory}]\nsources: {traffic: access_log}\n"
    (site / "health_checks/shop.yml").write_text(check)
    assert run(["check"]) == 1
    out = capsys.readouterr().out
    assert out.count("advisory: stops no push") == 2
    assert out.count("missing: ") == 2
    for host in ("web1", "web2"):
        assert f"missing: {host}: `traffic: access_log` (health_checks/shop.yml:2) cannot be read" in out


@pytest.mark.parametrize("words", [["plan"], ["push", "--yes"]], ids=" ".join)
def test_what_is_not_committed_is_named_beside_an_error(
    site: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Somebody mends the file and looks again: the same error, and why it is the same."""
    assert run(words) == 1
    assert "uncommitted" not in capsys.readouterr().err
    (site / "playbooks/nginx/files/nginx.conf.j2").write_text("mended\n")
    assert run(words) == 1
    err = capsys.readouterr().err
    assert "nobody" in err
    assert err.count("uncommitted and not deployed: playbooks/nginx/files/nginx.conf.j2") == 1
