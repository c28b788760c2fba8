"""No value of any file becomes a command: what we build is run by real shells, with values made to break out."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployer.adapters.http.over_ssh import line as probe_line
from deployer.adapters.http.request import Target
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.model.schema.health import Probe
from deployer.model.schema.playbook import CustomCommands
from deployer.remote import verbs
from deployer.remote.layout import Layout, layout_for
from deployer.sandbox.binaries import find
from deployer.services import SERVICES
from deployer.services.base import ServiceSettings
from deployer.services.custom.phrasebook import custom
from tests.unit.test_verbs import ORDER

CASES = int(os.environ.get("FUZZ_CASES", "12"))
BREAKS = ["'", '"', "`touch @`", "$(touch @)", ";touch @;", "\ntouch @\n", "|touch @", "&touch @&", "$IFS", "\\", "*", "~", " ", "-", "..", "/", "${x:=y}", "#", "!!",
          "%", "\t", "\r", "é", "{a,b}", "<@", ">@", ">>@", "(", ")", "')touch @('", '")touch @("', "'\\''"]  # fmt: skip
FUZZ = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


class Bench:
    """Two shells, a folder, and a file that only an executed value could make."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.canary = folder, folder / "canary"
        self.fakes = folder / "fakes"
        self.fakes.mkdir()
        for name in ("curl", "wget"):
            (self.fakes / name).write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" | od -An -tx1 > /dev/null\n")
            (self.fakes / name).chmod(0o755)

    def run(self, line: str, **more: object) -> list[bytes]:
        """stdout of each shell; the canary must not be there afterwards."""
        env = {"PATH": f"{self.fakes}:{os.environ['PATH']}", "HOME": str(self.folder)}
        said = []
        for shell in (["sh"], [find("busybox"), "sh"]):
            words = [*shell, "-c", line]
            done = subprocess.run(
                words, capture_output=True, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, check=False, timeout=60
            )
            assert not self.canary.exists(), line
            said.append(done.stdout)
        assert sorted(p.name for p in self.folder.iterdir() if p.name != "base") == ["fakes"], line
        return said


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="inject-") as folder:
        yield Bench(Path(folder))


def hostile(bench: Bench) -> st.SearchStrategy[str]:
    """Bits that end a quote, begin a command, or are just odd."""
    bits = st.sampled_from(BREAKS) | st.text(
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=3
    )
    return st.lists(bits, min_size=1, max_size=6).map(lambda parts: "".join(parts).replace("@", str(bench.canary)))


def commands(layout: Layout, word: str) -> list[verbs.Command]:
    """Every verb, with `word` wherever a word of ours could ever come from a file."""
    order = replace(ORDER, deploy=word, release=word)
    package = Package(word, {"a.conf": (word.encode(), False)})
    return [
        verbs.survey(layout), verbs.stage(layout, package, word, word), verbs.check(layout, word), verbs.activate(layout, order),
        verbs.extend(layout, order), verbs.confirm(layout, order), verbs.revert(layout, order), verbs.prune(layout, 5),
        verbs.adopt(layout, order, word), verbs.unadopt(layout, order),
    ]  # fmt: skip


def test_an_absent_agent(bench: Bench) -> None:
    """Prefix, root, dest and every argument: the guard answers, and nothing else happens."""

    @FUZZ
    @given(hostile(bench), hostile(bench), hostile(bench))
    def check(prefix: str, root: str, word: str) -> None:
        names = {"deploy_prefix": f"/none/{prefix}", "deploy_root": f"/none/{root}"}
        layout = layout_for(Host("web1", vars=names), word, f"/{word}")
        for command in commands(layout, word)[:3]:
            for line in (command.line, verbs.as_root(command).line.replace("sudo -n -- ", "")):
                assert all(b'"agent-absent"' in said for said in bench.run(line)), line

    check()


def test_arguments_arrive_as_they_are(bench: Bench) -> None:
    """An agent that prints its words: each is exactly what was meant, in both shells and through sudo's shell. Where
    this folder is not root's, nothing is started by sudo from it, and the refusal is in words of ours alone."""
    base = bench.folder / "base"
    (base / "bin").mkdir(parents=True)
    layout = replace(layout_for(Host("web1", vars={"deploy_root": str(base)}), "app", "/etc/app"))
    Path(layout.agent).write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
    Path(layout.agent).chmod(0o755)  # sudo runs the agent itself

    @FUZZ
    @given(hostile(bench), hostile(bench))
    def check(word: str, dest: str) -> None:
        for command in commands(replace(layout, dest=f"/{dest}"), word):
            meant = shlex.split(command.line.rpartition("exec sh ")[2].removesuffix("; fi"))[1:]
            assert word in meant or meant[0] in ("survey", "prune")
            words = b"".join(one.encode() + b"\0" for one in meant)
            assert bench.run(command.line) == [words, words]
            raised = bench.run(verbs.as_root(command).line.replace("sudo -n -- ", ""))
            refusal = (
                json.dumps({"ok": False, "proto": verbs.PROTOCOL, "code": verbs.UNSAFE[0], "error": verbs.UNSAFE[1]})
                + "\n"
            ).encode()
            assert raised == [words if os.geteuid() == 0 else refusal] * 2

    check()


def test_service_scripts(bench: Bench) -> None:
    """Sourced by the agent: values are assigned, never run, and come out as they went in."""

    @FUZZ
    @given(hostile(bench), hostile(bench), hostile(bench))
    def check(dest: str, root: str, value: str) -> None:
        names = dict.fromkeys(
            ("nginx_bin", "varnish_name", "varnishadm", "varnishd_bin", "varnish_bin", "varnish_secret"), value
        )
        commands = CustomCommands(check=value, activate=value, verify=value)
        for service in (*SERVICES.values(), custom(commands)):
            script = service.script(ServiceSettings(f"/{dest}", f"/{root}", value, names))
            for said in bench.run(f'{script}\nprintf "%s\\0%s\\0%s" "$DEST" "$ROOT" "$PREFIX"'):
                assert said == f"/{dest}\0/{root}\0{value}".encode()

    check()


def test_probes_from_the_host(bench: Bench) -> None:
    """URL, Host header and name of a probe in the line for curl and wget."""

    @FUZZ
    @given(hostile(bench), hostile(bench), st.booleans())
    def check(word: str, path: str, tls: bool) -> None:
        where = Target("127.0.0.1", 80, "https" if tls else "http", word, word, f"/{path}")
        bench.run(probe_line(where, Probe(name="p", url="/", contains=word)))

    check()
