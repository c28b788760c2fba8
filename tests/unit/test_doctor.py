"""deploy doctor: what is judged, what is asked, and the sudo rules."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.ssh.examiner import Examiner
from deployer.engine.doctor import judge
from deployer.model.errors import InputError, Unreachable
from deployer.model.examination import Examination
from deployer.model.fleet import Host
from deployer.remote import examine
from deployer.remote.layout import agent_source, layout_for
from deployer.remote.sudoers import rules
from deployer.sandbox import binaries
from tests.contract.real import LocalTransport

WELL = Examination("deploy", how="sudo", versions={"nginx": "1.22"}, free_kb=10**6, agent=True, adopted=True)
LAYOUT = layout_for(Host("web1"), "nginx", "/etc/nginx")


def ill(found: Examination) -> list[str]:
    return [point.what for point in judge(found) if not point.fine]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, []),
        ({"root": "no"}, ["root"]),
        ({"missing": ("flock",)}, ["tools"]),
        ({"versions": {"nginx": ""}}, ["binaries"]),
        ({"clock": -6.0}, ["clock"]),
        ({"clock": 4.9}, []),
        ({"free_kb": 1000}, ["space"]),
        ({"alarm": "stuck"}, ["agent"]),
        ({"agent": False, "adopted": False}, []),
        ({"layers": ("watchdog:setsid", "tick:none", "boot:none")}, ["layers"]),
        ({"layers": ("watchdog:setsid", "tick:none", "boot:none"), "real": False}, []),
        ({"layers": ("watchdog:setsid", "tick:cron", "boot:none")}, []),
        ({"layers": ("watchdog:systemd", "tick:cron", "boot:none")}, ["layers"]),
    ],
)
def test_judge(change: dict[str, object], what: list[str]) -> None:
    """Every illness has its own line and a hint."""
    found = replace(WELL, **change)  # type: ignore[arg-type]
    assert ill(found) == what
    assert all(point.hint for point in judge(found) if not point.fine)


def test_a_host_that_cannot_be_reached_has_one_line() -> None:
    """And says why."""
    (point,) = judge(Unreachable("connection refused"))
    assert (point.what, point.fine, point.said) == ("connection", False, "connection refused")


def test_the_tools_are_those_that_the_agent_names() -> None:
    """One list."""
    assert {"flock", "setsid", "timeout", "sha256sum"} <= set(examine.agent_tools(agent_source()))


def test_a_host_is_really_asked() -> None:
    """By this machine's own sh: it is there, its clock is ours, and a server that is not installed is told."""
    names = {"deploy_prefix": "/nonexistent/x", "nginx_bin": "no-such-nginx"}
    examiner = Examiner(LocalTransport(), "nginx", "/etc/nginx", "nginx", password=False)
    found = examiner(Host("web1", vars=names))
    assert found.versions == {"no-such-nginx": ""}
    assert abs(found.clock) < 5
    assert found.free_kb > 0
    assert (found.missing, found.agent, found.adopted) == ((), False, False)


def test_what_is_no_shell_is_unreachable() -> None:
    """A forced command, a menu."""
    with pytest.raises(Unreachable, match="Welcome"):
        examine.seen(b"", 1, b"Welcome to the switch\n")


@pytest.mark.parametrize(
    ("word", "lie"),
    [
        ("user", "a"), ("user", ""), ("user", f"a {'9' * 5000}"), ("clock", "nan"), ("clock", "1e999"), ("clock", "-1"),
        ("free", "9" * 5000), ("free", "1.5e+10"), ("free", "-1"),
    ],
)  # fmt: skip
def test_a_lie_is_refused_by_its_name(word: str, lie: str) -> None:
    """Every field that each host says has a grammar and a bound."""
    said = {"user": "deploy 1000", "clock": "1795948800", "free": "15000000000"}
    true = "".join(f"{name} {value}\n" for name, value in said.items()).encode()
    assert examine.seen(true, 0, b"")["free"] == ["15000000000"]
    said[word] = lie
    with pytest.raises(Unreachable, match=f"its {word} is"):
        examine.seen("".join(f"{name} {value}\n" for name, value in said.items()).encode(), 0, b"")


def test_sudoers_has_the_agent_and_no_wildcard() -> None:
    """The only right is the agent's path; the options are those that were tried."""
    text = rules(["deploy", "ci"], [LAYOUT, LAYOUT])
    body = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert body[0] == f"Cmnd_Alias DEPLOYER = {LAYOUT.agent}"
    assert "env_reset, !requiretty, !use_pty" in body[1]
    assert body[2:] == [f"{user} ALL = (root:root) NOPASSWD: DEPLOYER" for user in ("ci", "deploy")]
    assert "*" not in "".join(body)
    assert f"/dev/stdin {LAYOUT.agent}'" in text


@given(st.text("ab *?[]\\,:=#%@!(){}\"'$-_.é", min_size=1, max_size=12))
def test_no_name_widens_a_rule(name: str) -> None:
    """A path or a name with a sign in it is refused, or has none."""
    layout = layout_for(Host("w", vars={"deploy_root": f"/srv/{name}"}), "nginx", "/etc/nginx")
    try:
        text = rules([name], [layout])
    except InputError:
        return
    assert set(name) <= set("ab-_.")
    assert text.splitlines()[-1].startswith(f"{name} ALL = ")


def test_visudo_accepts_the_rules() -> None:
    """The real one."""
    other = layout_for(Host("w", vars={"deploy_root": "/srv/own.place_2"}), "nginx", "/etc/nginx")
    text = rules(["deploy", "first.last"], [LAYOUT, other])
    done = subprocess.run(
        [binaries.find("visudo"), "-cf", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
