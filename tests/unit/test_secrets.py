"""What is secret is never said: not in a diff, an error, an event, a record, an argument or a file of ours."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.git.ledger import GitLedger
from deployer.adapters.git.memory import Memory
from deployer.adapters.local.runs import Runs
from deployer.adapters.reading.inventory import load_inventory
from deployer.cli import run
from deployer.console.hiding import hiding
from deployer.console.say import say_json
from deployer.model.errors import Refused
from deployer.model.excerpt import hide_line, hide_pairs
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.secret import SECRETS, Secrets, hide, is_secret, learn
from deployer.remote import answer, verbs
from deployer.remote.layout import layout_for
from deployer.services.base import ServiceSettings
from deployer.services.nginx.phrasebook import NGINX
from tests.unit.test_bad_input import CHECK, PLAYBOOK
from tests.unit.test_git import checkout, entry, git  # noqa: F401
from tests.unit.test_verbs import ORDER

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nfirstlineofkey\n-----END OPENSSH PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    SECRETS.forget()


@pytest.mark.parametrize("name", ["password", "db_password", "DB_PASSWORDS", "api_token", "tls_private_key", "secret", "aws_secret_access_key",
                                  "basic-auth-passphrase", "apikey", "credentials", "vault.token"])  # fmt: skip
def test_names_that_look_secret(name: str) -> None:
    """In any case, singular and plural."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["ansible_ssh_private_key_file", "token_url", "password_file", "origin", "compass", "http_port", "secret_name",
                                  "tokenizer"])  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    """A path to a secret is none."""
    assert not is_secret(name)


def test_every_form_of_a_value_is_hidden() -> None:
    """As it is, in JSON, in a Python string, and each line of a key."""
    known = Secrets()
    known.learn_named({"a": {"db_password": 'p"\\ä\n'}, "tls": KEY, "numbers": {"pin_secret": 123456}, "list": ["x"]})
    said = json.dumps({"x": 'p"\\ä'})
    text = f"{said} {KEY.splitlines()[2]} nginx: 123456 x"
    assert known.hide(text) == '{"x": "***"} *** nginx: *** x'
    assert known.hide_all({"k": ["firstlineofkey", 1, None]}) == {"k": ["***", 1, None]}


def test_ordinary_words_stay(capsys: pytest.CaptureFixture[str]) -> None:
    """Too short to be a secret, or no secret at all."""
    learn([True, None, "no", "none", 12, ""])
    assert hide("none of this is 12 True no") == "none of this is 12 True no"


@given(st.text(min_size=4, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    """Whatever is around it."""
    known = Secrets()
    known.learn(secret)
    if (
        secret.strip().lower() not in ("", "none", "null", "true", "false", "default", "file")
        and len(secret.strip()) >= 4
    ):
        assert secret.strip() not in known.hide(before + secret + after).replace("***", "\0") or secret.strip() in "***"


def test_lines_of_files_are_blotted_before_they_are_understood() -> None:
    """An error in a line of the inventory shows the line, without its password."""
    assert hide_pairs("  web1: {db_password: hunter2, tier: a}") == "  web1: {db_password: ***, tier: a}"
    assert hide_pairs("web1 api_token=abc def=1") == "web1 api_token=***"


SITE = """\
all:
  children:
    edge:
      vars: {db_password: hunter2swordfish, motto: mellon-friend}
      hosts: {web1: {}}
"""


@pytest.fixture
def site(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    files = {"inventory.yml": SITE, "playbooks/nginx/playbook.yml": PLAYBOOK + "no_log: [motto]\n",
             "health_checks/shop.yml": CHECK, "playbooks/nginx/files/nginx.conf.j2": "{{ db_password }} {{ motto }}\n"}  # fmt: skip
    for name, text in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "site")
    monkeypatch.chdir(checkout)
    return checkout


class Chatty:
    """A host whose every answer repeats what was sent to it, as `nginx -t` repeats a bad line."""

    def __init__(self, *_: object, **__: object) -> None:
        self.lines: list[str] = []

    def run(self, host: Host, command: verbs.Command, fresh: bool = False) -> object:
        raise Refused(answer.one_line('unknown directive "hunter2swordfish" in "mellon-friend"'), "invalid")

    def close(self) -> None:
        return


@pytest.mark.parametrize(
    "words", [("plan",), ("plan", "--json"), ("status", "--json"), ("push", "--yes"), ("adopt", "--yes", "--json")]
)
def test_no_command_says_it(site: Path, state: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch,
                            capfd: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """On neither stream, in no file below the checkout but the inventory itself, in no object of the ledger."""
    monkeypatch.setattr("deployer.wiring.context.SshTransport", Chatty)
    monkeypatch.setattr("deployer.adapters.measuring.probes.HttpProbes.sample", lambda *_: None)
    run([*words])
    said = capfd.readouterr()
    assert "***" in said.out + said.err
    for secret in ("hunter2swordfish", "mellon-friend"):
        assert secret not in said.out + said.err
        ours = [*(site / ".deploy").rglob("*"), *state.rglob("*")]
        assert not [p for p in ours if p.is_file() and secret in p.read_text()]
        log = (
            git(site, "log", "-p", "deployments/production", "--") if words[0] == "adopt" and _has_ledger(site) else ""
        )
        assert secret not in log


def _has_ledger(site: Path) -> bool:
    return "deployments/production" in git(site, "branch", "--format=%(refname:short)")


def test_a_crash_of_ours_hides_it_too(
    site: Path, state: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The traceback in a file, and on the terminal with -v."""

    def explode(*_: object) -> None:
        raise RuntimeError("bad value hunter2swordfish")

    monkeypatch.setattr("deployer.wiring.revision.render_packages", explode)
    assert run(["plan", "-v"]) == 70
    said = capfd.readouterr()
    assert "bad value ***" in said.err
    assert "hunter2" not in said.err + (state / "deployer/crash.txt").read_text()


def test_records_and_runs(checkout: Path) -> None:  # noqa: F811
    """run.json, records put aside, records in git and their messages."""

    learn("hunter2swordfish")
    runs = Runs(checkout)
    dirty = replace(entry("1-abcd", "OUTCOME"), because="said hunter2swordfish", why="hunter2swordfish")
    runs.write_run("1-abcd", {"error": {"message": "hunter2swordfish"}})
    memory = Memory(checkout)
    memory.put_aside(dirty)
    book = GitLedger(checkout, "production", memory)
    book.append(dirty, len(book.read()))
    found = git(checkout, "log", "-p", "deployments/production", "--")
    places = (checkout / ".deploy", memory.folder)
    found += "".join(p.read_text() for place in places for p in place.rglob("*") if p.is_file())
    assert "hunter2" not in found
    assert found.count("***") >= 4


def test_streams_and_logging(capfd: pytest.CaptureFixture[str]) -> None:
    """Everything that prints: print, logging, writelines."""
    learn("hunter2swordfish")
    with hiding():
        print("a hunter2swordfish")  # noqa: T201
        sys.stderr.writelines(["b hunter2swordfish\n"])
        handler = logging.StreamHandler()
        handler.emit(logging.LogRecord("x", 40, "f", 1, "c hunter2swordfish", None, None))
    said = capfd.readouterr()
    assert (said.out, said.err) == ("a ***\n", "b ***\nc ***\n")


def test_no_argument_carries_a_value() -> None:
    """/proc/PID/cmdline is readable by all: what is secret goes through stdin."""
    host = Host("web1", vars={"db_password": "hunter2", "nginx_bin": "/opt/hunter2"})
    layout = layout_for(host, "nginx", "/etc/nginx")
    script = NGINX.script(ServiceSettings(layout.dest, layout.root, layout.prefix, host.vars))
    package = Package(ORDER.release, {"nginx.conf": (b"hunter2", False)})
    commands = [verbs.stage(layout, package, script), verbs.adopt(layout, ORDER, script), verbs.survey(layout), verbs.install(layout),
                verbs.check(layout, ORDER.release), verbs.activate(layout, ORDER), verbs.confirm(layout, ORDER),
                verbs.extend(layout, ORDER), verbs.revert(layout, ORDER), verbs.prune(layout, 5)]  # fmt: skip
    assert not [c.line for c in commands if "hunter2" in verbs.as_root(c).line]
    assert b"hunter2" in commands[0].stdin


def test_no_log_names_what_no_host_has(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A typo there would say the value: refused."""
    (site / "playbooks/nginx/playbook.yml").write_text(PLAYBOOK + "no_log: [moto]\n")
    assert run(["plan"]) == 1
    assert "no_log names 'moto', which no host has" in (said := capsys.readouterr().err)
    assert "did you mean `motto`?" in said


def test_conflicting_values_are_not_printed(tmp_path: Path) -> None:
    """Both places, neither value."""
    from deployer.model.errors import InputError

    (tmp_path / "i.yml").write_text("a: {hosts: {h: {db_token: aaaaaa}}}\nb: {hosts: {h: {db_token: bbbbbb}}}\n")
    with pytest.raises(InputError) as caught:
        load_inventory(tmp_path / "i.yml")
    assert "`db_token` is *** here and *** elsewhere (line 1)" in caught.value.message
    assert "bbbbbb" not in caught.value.excerpt


LINES = """\
all:
  vars:
    motto: |
      friend
      mellon
    tier: {a: 1, motto: "mel,lon", b: 2}
    credentials:
      user: me
    shown: yes
    motto:
      mellon
""".splitlines()


def test_lines_that_belong_to_a_secret() -> None:
    """Declared by the playbook, before the inventory is read: its block, what is nested in it, a quoted text with a
    comma."""
    SECRETS.declare(("motto",))
    shown = [hide_line(LINES, number) for number in range(len(LINES))]
    assert shown == [
        "all:", "  vars:", "    motto: ***", "      ***", "      ***", "    tier: {a: 1, motto: ***, b: 2}",
        "    credentials:", "      ***", "    shown: yes", "    motto:", "      ***",
    ]  # fmt: skip
    assert hide_pairs("web1 motto=mellon, friend # and more") == "web1 motto=***"
    assert hide_pairs("token: a, b") == "token: ***"


@pytest.mark.parametrize(
    "line", ["motto: mellon-friend: x", "motto: [mellon-friend", 'motto: "mellon-friend', "? motto: {mellon-friend"]
)
def test_an_error_in_the_inventory_tells_no_value(site: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a variable that no_log names, though no value is known yet."""
    (site / "inventory.yml").write_text(SITE + f"      {line}\n")
    assert run(["plan"]) == 1
    said = capsys.readouterr().err
    assert "inventory.yml:" in said
    assert "mellon-friend" not in said


def test_names_and_ids_are_never_masked(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """A secret may be an ordinary word, or digits: records, runs and JSON stay what they are, and are read back."""
    learn(["nginx", "production", "deployed", "1764", "confirmed", "3f9c"])
    memory, runs = Memory(checkout), Runs(checkout)
    put = replace(
        entry("1-abcd", "OUTCOME"), playbook="nginx", release="3f9c1e2aa0-9b1d22c4", at=1764000000.0, because="of nginx"
    )
    memory.put_aside(put)
    ((_, back),) = memory.pending("production")
    assert back == replace(put, because="of ***")
    body = {"result": "deployed", "playbook": "nginx", "release": put.release, "at": 1764.5, "waves": [["nginx"]],
            "hosts": {"nginx": {"state": "confirmed", "release": put.release, "error": "nginx failed"}}, "error": {"message": "nginx"}}  # fmt: skip
    runs.write_run("1-abcd", body)
    with hiding():
        say_json(body)
    meant = {**body, "hosts": {"nginx": {**body["hosts"]["nginx"], "error": "*** failed"}}, "error": {"message": "***"}}
    assert json.loads(capsys.readouterr().out) == runs.read_run("1-abcd") == meant
