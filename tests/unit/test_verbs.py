"""What we say to a host, and how its answer is read."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.model.errors import HostError, Refused, Unreachable
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.sh import EMPTY, assignments, sh
from deployer.model.state import HostState, Order
from deployer.remote import verbs
from deployer.remote.answer import parse
from deployer.remote.layout import layout_for
from deployer.services.base import ServiceSettings
from deployer.services.headers import cache_hit
from deployer.services.nginx.phrasebook import NGINX

LAYOUT = layout_for(Host("web1", vars={"deploy_prefix": "/srv/x"}), "nginx", "/etc/nginx")
ORDER = Order("7-abcd", 7, "push", "a" * 10 + "-" + "b" * 8)


def test_layout() -> None:
    """Everything below the prefix; the agent under its own hash."""
    assert (LAYOUT.dest, LAYOUT.root) == ("/srv/x/etc/nginx", "/srv/x/var/lib/deployer/nginx")
    assert LAYOUT.agent.startswith("/srv/x/var/lib/deployer/bin/hostctl-")
    assert layout_for(Host("w"), "nginx", "/etc/nginx").root == "/var/lib/deployer/nginx"


def test_an_absent_agent_answers_in_the_same_language() -> None:
    """The guard of every verb."""
    done = subprocess.run(["sh", "-c", verbs.activate(LAYOUT, ORDER).line], capture_output=True, check=True)
    with pytest.raises(Refused) as caught:
        parse(done.stdout, 0, b"")
    assert caught.value.code == verbs.ABSENT


def test_the_tar_is_deterministic() -> None:
    """Sorted, no time, no owner; the manifest beside the files."""
    package = Package("r", {"b/c.conf": (b"x", False), "run.sh": (b"y", True)})
    one, two = (verbs.pack(package, "service") for _ in range(2))
    assert one == two
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        assert [(m.name, m.mode, m.mtime) for m in tar] == [
            (".manifest", 0o644, 0), (".service", 0o644, 0), ("b/c.conf", 0o644, 0), ("run.sh", 0o755, 0),
        ]  # fmt: skip


def test_no_answer_is_unreachable_and_says_what_was_said() -> None:
    """A host without sh, an expired account, a forced command."""
    with pytest.raises(Unreachable, match="Your account has expired"):
        parse(b"", 1, b"Your account has expired\n")


def test_protocol_skew_names_both_versions() -> None:
    """Never guessed at."""
    with pytest.raises(Refused, match="protocol 2, this deployer 1"):
        parse(b'{"ok":true,"proto":2}', 0, b"")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda x: (
        st.lists(x, max_size=3) | st.dictionaries(st.sampled_from([*HostState.__dataclass_fields__, "ok", "proto"]), x)
    ),
    max_leaves=8,
)


@settings(max_examples=1500, deadline=None)
@given(st.one_of(st.binary(max_size=80), JSON.map(lambda v: json.dumps(v).encode()),
                 JSON.map(lambda v: json.dumps({"ok": True, "proto": 1, "history": v, "files": v, "drift": v}).encode())))  # fmt: skip
def test_any_answer_is_a_state_or_a_host_error(answer: bytes) -> None:
    """Nothing else is raised, and a message is one line."""
    try:
        assert isinstance(parse(answer, 0, b"\xff\n"), HostState)
    except HostError as error:
        assert "\n" not in error.message  # noqa: PT017


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0|"), max_size=30))
def test_no_value_escapes_its_quotes(value: str) -> None:
    """Asked of a real sh: prefixes and variables of the inventory are data."""
    script = assignments(NAME=value) + 'printf %s "$NAME"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == value.encode()
    layout = layout_for(Host("w", vars={"deploy_prefix": f"/p{value}".rstrip("/")}), "nginx", "/etc/nginx")
    line = "printf '%s|'" + verbs.survey(layout).line.rpartition("exec sh")[2].removesuffix("; fi")
    words = subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout.decode().split("|")
    assert words[2] == layout.root
    NGINX.script(ServiceSettings(layout.dest, layout.root, layout.prefix, {"nginx_bin": value}))


def test_sudo_runs_the_agent_itself() -> None:
    """By its absolute path, so that a rule can allow it and nothing else; what needs no root goes without."""
    command = verbs.activate(LAYOUT, ORDER)
    assert f"exec sudo -n -- {LAYOUT.agent} activate {LAYOUT.root} 7-abcd" in verbs.as_root(command).line
    plain = verbs.Command("id")
    assert verbs.as_root(plain) is plain


def test_a_become_password_is_in_no_command_line_and_in_no_repr() -> None:
    """It is the first line of stdin; the payload follows unchanged."""
    command = verbs.stage(LAYOUT, Package("r", {"a": (b"x", False)}), "service")
    asked = verbs.as_root(command, "correct horse")
    assert "correct horse" not in asked.line
    assert "correct horse" not in repr(asked)
    assert asked.stdin == b"correct horse\n" + command.stdin


@pytest.mark.parametrize("asks", [True, False])
def test_the_password_line_never_reaches_the_agent(asks: bool, tmp_path: Path) -> None:
    """Whether sudo asks or not: a sudo that reads one line with -S and refuses -n, and one that never asks."""
    sudo = tmp_path / "sudo"
    sudo.write_text(
        '#!/bin/sh\nn=0 s=0; while [ "$1" != -- ]; do case $1 in -n) n=1 ;; -S) s=1 ;; esac; shift; done; shift\n'
        f"asks={int(asks)}; [ $asks$n = 11 ] && exit 1; [ $asks$s = 11 ] && read -r given\n"
        'exec "$@"\n'
    )
    sudo.chmod(0o755)
    agent = tmp_path / "agent"
    agent.write_text('#!/bin/sh\n[ $# -gt 0 ] || { echo "{"; exit 1; }\ncat\n')
    agent.chmod(0o755)
    need = verbs.Elevated(EMPTY, sh("{} stage", agent), sh("{}", agent))
    asked = verbs.as_root(verbs.Command("", b"payload\nmore", elevated=need), "secret")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", asked.line], input=asked.stdin, capture_output=True, env=path, check=True)
    assert done.stdout == b"payload\nmore"


@pytest.mark.parametrize(
    ("headers", "hit"),
    [
        ({"X-Cache-Status": "HIT"}, True),
        ({"X-Cache-Status": "BYPASS"}, False),
        ({"x-cache": "HIT from cdn"}, True),
        ({"Cache-Status": "edge; hit; ttl=3"}, True),
        ({"Cache-Status": "edge; fwd=miss"}, False),
        ({"X-Varnish": "12 3"}, True),
        ({"X-Varnish": "12"}, False),
        ({"Age": "9"}, True),
        ({"Age": "0"}, None),
        ({}, None),
        ({"X-Cache-Status": "-"}, None),
    ],
)
def test_cache_hit(headers: dict[str, str], hit: bool | None) -> None:
    """What the servers say of themselves."""
    assert cache_hit(headers) is hit
