"""What a person reads: closing sentences, lines, annotations; what a program reads: the JSON object."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from deployer.console.ci.github import escape
from deployer.console.errors import error_lines, fitted
from deployer.console.live.choose import choose, make, to_stderr
from deployer.console.live.tty import Tty
from deployer.console.pages.closing import closing
from deployer.console.say import clean, say
from deployer.model import events
from deployer.model.errors import DeployError
from deployer.model.fleet import Host
from deployer.model.outcome import HostOutcome, Outcome
from deployer.model.plan import HostPlan, Plan, split_waves
from deployer.model.sample import HostSample, Sample
from deployer.model.verdict import Evidence, Reading, Verdict
from deployer.wiring.context import both
from tests.fakes.strangers import ODD, control_characters

A, B = "aaaaaaaaaa-11111111", "bbbbbbbbbb-22222222"
BASE = {"deploy": "7-abcd", "environment": "production", "playbook": "nginx", "release": B, "previous": A}
BAD = Verdict(
    "regressed",
    "error rate 9 % on web1",
    (Evidence("error_rate", "web1", 0.09, 0.0, "limit 2 %", "regressed", 50, 3.0),),
)

SENTENCES = {
    "deployed": (
        Outcome("deployed", **BASE, hosts={"web1": HostOutcome("confirmed", B, True)}, seconds={"total": 9.0}),
        f"done: nginx {B} is verified on web1 of production in 9.0 s (deploy 7-abcd)",
    ),
    "as found": (
        Outcome("deployed", **{**BASE, "release": "0000000000-"}, hosts={"web1": HostOutcome("confirmed", "0000000000-12345678", True)}),
        "done: nginx as it was found is verified on web1 of production (deploy 7-abcd)",
    ),
    "of no release": (
        Outcome("unchanged", **{**BASE, "release": ""}),
        "nothing to do: nginx in production is as it was",
    ),
    "unchanged": (Outcome("unchanged", **BASE), f"nothing to do: production has nginx {B} already"),
    "reverted": (
        Outcome(
            "reverted", **BASE, verdict=BAD, error=BAD.because, seconds={"revert": 0.4},
            hosts={"web1": HostOutcome("reverted", A, True), "web2": HostOutcome("untouched", A, True)},
        ),
        f"reverted: nginx {B} was taken back from web1, verified, undone 0.4 s after that was known; 1 other host(s) never had it (deploy 7-abcd)\nbecause: error rate 9 % on web1",
    ),
    "interrupted": (
        Outcome("interrupted", **BASE, hosts={"web1": HostOutcome("reverted", A, True)}, error="interrupted by the operator"),
        "interrupted: web1 put back and verified\nbecause: interrupted by the operator",
    ),
    "stranded": (
        Outcome("stranded", **BASE, hosts={"web3": HostOutcome("unreachable", error="gone")}, error="web3: gone", hint="run deploy status"),
        "a human is needed: web3 not verified on one release (deploy 7-abcd)\nbecause: web3: gone\nhint: run deploy status",
    ),
}  # fmt: skip


@pytest.mark.parametrize("result", list(SENTENCES))
def test_closing_sentences(result: str) -> None:
    """One for each result."""
    outcome, text = SENTENCES[result]
    assert closing(outcome) == text


def test_the_json_object_is_the_contract() -> None:
    """The keys of DESIGN.md section 4, no more and no less but what the gate adds to its evidence."""
    body = SENTENCES["reverted"][0].to_json()
    keys = "result deploy environment playbook release previous revision hosts waves verdict seconds error"
    assert list(body) == keys.split()
    assert body["hosts"] == {
        "web1": {"state": "reverted", "release": A, "verified": True},
        "web2": {"state": "untouched", "release": A, "verified": True},
    }
    verdict = body["verdict"]
    assert isinstance(verdict, dict)
    assert set(verdict) == {"ruling", "because", "evidence"}
    assert set(verdict["evidence"][0]) == {
        "metric",
        "host",
        "control",
        "observed",
        "interval",
        "shadow",
        "margin",
        "ruling",
        "samples",
        "seconds",
    }


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ("deployed", 0),
        ("unchanged", 0),
        ("refused", 1),
        ("reverted", 3),
        ("stranded", 4),
        ("locked", 5),
        ("interrupted", 130),
    ],
)
def test_exit_codes(result: str, code: int) -> None:
    """The contract."""
    assert Outcome(result).exit_code == code  # type: ignore[arg-type]


def story() -> list[events.Event]:
    """A push that regresses, as events."""
    hosts = {n: HostPlan(Host(n), A, B, {"nginx.conf": "changed"}) for n in ("web1", "web2")}
    plan = Plan("push", "production", "nginx", B, A, "f" * 40, hosts, (("web1",), ("web2",)), bake=10)
    sample = Sample(1.0, {"web1": HostSample(10, 1, (5.0,), 5, 1), "web2": None})
    return [
        events.Phase("survey", "asking 2 hosts"),
        events.Planned(plan),
        events.WaveStarted(1, 2, ("web1",)),
        events.HostChanged("web1", "pending"),
        events.Watched(sample, Reading("continue", seconds=1.0), 10.0),
        events.Judged(1, BAD),
        events.Notice("alarm", "undoing\x1b[2J 1 host"),
        events.HostChanged("web1", "reverted"),
    ]


@given(st.lists(st.text("ab-/_ ", max_size=60), max_size=5).map("\n".join), st.integers(1, 40))
def test_a_terminal_breaks_no_word(text: str, columns: int) -> None:
    """Every word is still there and whole, no line is longer than the terminal unless one word is; piped: untouched."""
    shown = fitted(text, columns)
    assert shown.split() == text.split()
    assert all(len(line) <= columns or " " not in line for line in shown.split("\n"))
    assert fitted(text, 0) == text


def test_plain_lines() -> None:
    """Append-only, one per change, and a terminal never obeys what a host said."""
    lines: list[str] = []
    show = make("plain", lines.append, False)
    for event in story():
        show(event)
    show.close()
    text = "\n".join(line[9:] for line in lines)
    assert f"plan: nginx {A} -> {B}: 2 hosts in 2 waves (1, 1)" in text
    assert "1/10 s  web1 10 requests 1 failed 5 ms 1/5 re-fetches missed | web2 no data" in text
    assert "wave 1 regressed: error rate 9 % on web1" in text
    assert "\x1b" not in text


def test_github_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that open and close, one red line."""
    lines: list[str] = []
    show = make("github", lines.append, False)
    for event in story():
        show(event)
    show.close()
    assert lines.count("::endgroup::") == sum(line.startswith("::group::") for line in lines)
    assert "::error title=wave 1 regressed::error rate 9 % on web1".replace("%", "%25") in lines


def test_gitlab_sections() -> None:
    """Begin and end with the same name."""
    lines: list[str] = []
    show = make("gitlab", lines.append, False)
    for event in story():
        show(event)
    show.close()
    starts = [line.split(":")[2].split("\r")[0] for line in lines if "section_start" in line]
    ends = [line.split(":")[2].split("\r")[0] for line in lines if "section_end" in line]
    assert starts == ends == ["survey", "wave_1"]


def test_the_live_view_draws(capsys: pytest.CaptureFixture[str]) -> None:
    """It takes every event and leaves the screen."""
    show = make("tty", print, False)
    for event in story():
        show(event)
    show.close()
    assert "regressed" in capsys.readouterr().err


DOUBT = "error_rate: 3 of 31 s of proof on web1; too little to be sure of web1 and 2 unchanged hosts, so it is watched"


def watched(t: float, reason: str = DOUBT) -> events.Watched:
    """A tick of a bake of 4 s on so many hosts that their figures fill the line."""
    sample = Sample(t, {f"web{n}": HostSample(20, 0, (25.0,)) for n in range(1, 7)})
    return events.Watched(sample, Reading("continue", reason=reason, seconds=t), 4.0, 180.0)


@pytest.mark.parametrize("t", [2.0, 124.0])
def test_the_live_view_says_what_is_waited_for(t: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns, whole, however many hosts there are; after the bake the bar is of what is left."""
    monkeypatch.setenv("COLUMNS", "80")
    show = make("tty", print, False)
    assert isinstance(show, Tty)
    for event in [*story()[:4], watched(t)]:
        show(event)
    console = Console(width=80, file=io.StringIO())
    console.print(show._picture())
    show.close()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert DOUBT in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())
    assert ("no verdict yet: error_rate" in " ".join(text.split())) is (t > 4)
    assert (" 124/180 s" in text) if t > 4 else (" 2/4 s" in text)
    assert text.count("█") == (13 if t > 4 else 10)


def test_plain_lines_after_the_bake() -> None:
    """The time against what is allowed, and that there is no verdict."""
    lines: list[str] = []
    make("plain", lines.append, False)(watched(124.0, ""))
    assert "  124/180 s  web1 20 requests" in lines[0]
    assert lines[0].endswith("; no verdict yet")


def test_who_draws() -> None:
    """CI is recognised; rollback stays plain."""
    assert type(choose("auto", {"GITHUB_ACTIONS": "true"})).__name__ == "GitHub"
    assert type(choose("auto", {"GITLAB_CI": "true"})).__name__ == "GitLab"
    assert type(choose("tty", {}, plain=True)).__name__ == "Plain"


def test_clean() -> None:
    """Control characters become question marks."""
    assert clean("a\x1b]0;x\x07b\nc") == "a?]0;x?b\nc"


@pytest.mark.parametrize(
    ("serial", "sizes"),
    [
        (("1", "25%", "100%"), [1, 2, 7]),
        (("3",), [3, 3, 3, 1]),
        (("1%",), [1] * 10),
        (("100%",), [10]),
        (("20",), [10]),
    ],
)
def test_waves(serial: tuple[str, ...], sizes: list[int]) -> None:
    """Ansible's serial: the last repeats; a percentage never rounds down to nobody."""
    assert [len(w) for w in split_waves(tuple(map(str, range(10))), serial)] == sizes


def test_workers_emit_one_event_at_a_time() -> None:
    """A listener that is not thread safe sees every event, whole."""
    inside, most = 0, 0

    def listener(event: object) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.001)
        inside -= 1

    emit = both(lambda event: None, listener)  # type: ignore[arg-type]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(emit, [events.Notice("info", "x")] * 40))
    assert (inside, most) == (0, 1)


def test_what_a_commit_says_is_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """By no terminal and by no CI service, whatever prints it: a line, an error, the closing sentence, a renderer."""
    odd = f"tidy {ODD}\n::stop-commands::x\n  ::add-mask::deploy\n##[group]x"
    say(odd)
    say(odd, err=True)
    for kind in ("plain", "github"):
        renderer = make(kind, to_stderr, verbose=True)
        renderer(events.Notice("warning", odd))
        renderer(events.HostChanged("web1", "failed", odd))
    said = capsys.readouterr()
    for text in (said.out, said.err, "\n".join(error_lines(DeployError(odd, hint=odd))), escape(odd)):
        assert [*control_characters(text)] == []
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::") and "group" not in line]
        assert "##[" not in text
    assert "a\tb" in clean("a\tb")  # of a configuration
