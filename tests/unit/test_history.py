"""`deploy history` on a real ledger: one row for each deploy, open ones too."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.cli import run
from deployer.engine.deploy.lock import closing
from deployer.model.ledger import Ended, Entry, Intent, Sign, hosts_of, same_deploy
from deployer.model.past import rows
from tests.unit.test_git import checkout, git  # noqa: F401

ALIVE = "7" * 16


def intent(deploy: str = "1-beef", age: float = 100.0) -> Entry:
    """A push that began `age` seconds ago."""
    now = time.time()
    return Intent(
        deploy, "production", "nginx", "push", "aaaaaaaaaa-11111111", "bob@ci", now - age,
        expires=now + 3600, hosts={"web1": "aaaaaaaaaa-11111111"}, alive=ALIVE,
    )  # fmt: skip


def own(entry: Entry, because: str) -> Entry:
    """What its own push read back."""
    return same_deploy(Ended, entry, hosts=hosts_of(entry), result="reverted", because=because, at=time.time())


@pytest.fixture
def book(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> GitLedger:  # noqa: F811
    """Of a configuration repository that is the current folder."""
    (checkout / "inventory.yml").write_text("all: {children: {production: {hosts: {web1: }}}}\n")
    playbook = checkout / "playbooks/nginx/playbook.yml"
    playbook.parent.mkdir(parents=True, exist_ok=True)
    playbook.write_text("service: nginx\nhosts: production\ndest: /etc/nginx\n")
    monkeypatch.chdir(checkout)
    return GitLedger(checkout, "production", Memory(checkout))


def write(ledger: GitLedger, *entries: Entry) -> None:
    for entry in entries:
        ledger.append(entry, len(ledger.read()))


def told(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[dict[str, object]]]:
    """The lines, and the same in JSON."""
    assert run(["history", "nginx", "-e", "production"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert run(["history", "nginx", "-e", "production", "--json"]) == 0
    return lines, json.loads(capsys.readouterr().out)["deploys"]


@pytest.mark.parametrize(
    ("because", "said"),
    [
        ("errors 4 % on web1", "errors 4 % on web1 (closed by root@x at {}: lock released by hand)"),
        ("deploy 1-beef was closed by root@x: lock released by hand",
         "deploy 1-beef was closed by root@x: lock released by hand (closed by root@x at {})"),
    ],
)  # fmt: skip
def test_a_deploy_with_two_ends_is_one_row(
    book: GitLedger, capsys: pytest.CaptureFixture[str], because: str, said: str
) -> None:
    """The hosts' own end counts, whichever was written first; who else closed it is told with it."""
    begun = intent()
    released = closing(begun, "root@x", "lock released by hand", begun.at + 50)
    write(book, begun, released, own(begun, because))
    lines, deploys = told(capsys)
    assert len(lines) == 1
    at = time.strftime("%b %d %H:%M", time.localtime(released.at))
    assert lines[0].endswith(f"bob@ci  {said.format(at)}")
    assert " reverted " in lines[0]
    assert [(d["result"], d["open"], d["closed"]["who"]) for d in deploys] == [("reverted", False, "root@x")]  # type: ignore[index]


def test_the_hosts_word_counts_in_any_order() -> None:
    """A released lock says nothing of them."""
    begun = replace(intent(), number=1)
    ends = (
        replace(own(begun, "errors"), number=2),
        replace(closing(begun, "root@x", "lock released by hand", 2.0), number=3),
    )
    (row,) = rows((begun, *ends), "nginx")
    assert (row.entry.result, row.closed) == ("reverted", ends[1])
    assert rows((begun, *ends), "varnish") == []


@pytest.mark.parametrize(
    ("ago", "shows", "said"),
    [
        (2.0, True, "under way since {began}, seen alive"),
        (300.0, True, "owner silent since {seen}"),
        (0.0, False, "owner silent: it began at {began} and wrote down no end"),
    ],
    ids=["live", "killed", "tidied up"],
)
def test_an_open_deploy_is_a_row(
    book: GitLedger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ago: float,
    shows: bool,
    said: str,
) -> None:
    """A push that is at work, and one whose owner was killed."""
    begun, seen = intent(age=400.0), time.time() - ago
    write(book, begun)
    monkeypatch.setattr(GitLedger, "sign_of", lambda self, name: Sign("mark", seen) if shows else Sign())
    lines, deploys = told(capsys)
    clock = {"began": begun.at, "seen": seen}
    words = said.format(**{k: time.strftime("%b %d %H:%M", time.localtime(v)) for k, v in clock.items()})
    assert len(lines) == 1
    assert " open " in lines[0]
    assert words in lines[0]
    assert [(d["record"], d["open"], d["seen"]) for d in deploys] == [("INTENT", True, seen if shows else None)]
