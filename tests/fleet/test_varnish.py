"""Varnish end to end: the release is the name of the active VCL."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import pytest

from deployer.sandbox import binaries, repository
from deployer.sandbox.daemons import daemon
from tests.fleet.conftest import Fleet, eventually, servers
from tests.fleet.load import Load

pytestmark = [
    pytest.mark.xdist_group("varnish"),
    pytest.mark.timeout(600),
    pytest.mark.needs("cc"),
]


def adm(fleet: Fleet, name: str, *words: str) -> list[list[str]]:
    """What varnishd itself says, line by line and word by word."""
    workdir = fleet.host(name).prefix / "var/lib/varnish"
    said = subprocess.run(
        [binaries.find("varnishadm"), "-n", str(workdir), *words], capture_output=True, text=True, check=True
    )
    return [line.split() for line in said.stdout.splitlines() if line.strip()]


def active(fleet: Fleet, name: str) -> str:
    """The name of its VCL."""
    return next(words[4] for words in adm(fleet, name, "vcl.list") if words[0] == "active")


def ours(fleet: Fleet, name: str) -> dict[str, str]:
    """VCLs of ours that were not discarded: name -> temperature. A discarded one is listed until its last worker, which
    may be idle for a minute, lets go of it."""
    listed = (words for words in adm(fleet, name, "vcl.list") if words[0] != "discarded")
    return {words[4]: words[2] for words in listed if words[4].startswith("dep_")}


def test_good_bad_and_back(varnish: Fleet) -> None:
    """A good push, a VCL that does not compile, `return (pass)` for everything, a rollback."""
    assert active(varnish, "web1") == "boot"
    found = varnish.current("web1")
    repository.commit_edit(varnish.sandbox, "good")
    code, body, err = varnish.deploy("push", "--yes")
    assert code == 0, (body, err)
    good = body["release"]
    names = {active(varnish, host.name) for host in varnish.sandbox.hosts}
    assert names == {f"dep_{good.replace('-', '_')}"}

    repository.commit_edit(varnish.sandbox, "syntax")
    code, body, _ = varnish.deploy("push", "--yes")
    assert code == 1
    assert "default.vcl" in body["error"]["message"]
    repository.git(varnish.sandbox.config, "revert", "--no-edit", "HEAD")

    repository.commit_edit(varnish.sandbox, "incident")
    code, body, _ = varnish.deploy("push", "--yes")
    assert (code, body["verdict"]["ruling"]) == (3, "regressed")
    assert {active(varnish, host.name) for host in varnish.sandbox.hosts} == names

    code, body, _ = varnish.deploy("rollback", "--yes")
    assert (code, body["result"]) == (0, "unchanged"), "the incident went back by itself: nothing further goes"
    code, body, _ = varnish.deploy("rollback", "--yes", "--to", found)
    assert code == 0
    assert body["release"].startswith("0000000000-")
    assert active(varnish, "web1") != f"dep_{good.replace('-', '_')}"
    assert varnish.deploy("status")[0] == 0


def test_a_varnish_that_was_restarted_proves_what_it_read(varnish: Fleet) -> None:
    """Another process whose VCL is called `boot` has what lay on the disk: a reboot is no riddle."""
    host = varnish.host("web2")
    repository.git(varnish.sandbox.config, "revert", "--no-edit", "HEAD")  # the incident of the test before
    repository.change(
        varnish.sandbox, "default.vcl.j2", "beresp.ttl = ", "beresp.grace = 5s; set beresp.ttl = ", "grace"
    )
    assert varnish.deploy("push", "--yes", "--allow-quarantined")[0] == 0
    for pid in servers(host.prefix):
        with contextlib.suppress(ProcessLookupError):  # a child that ended with its parent
            os.kill(pid, signal.SIGKILL)
    names = varnish.sandbox.variables(host)
    start = daemon("varnish").command(host.prefix, names)
    # The child of the old process holds the port for a moment longer than its parent lived.
    eventually(lambda: subprocess.run(start, check=False, capture_output=True).returncode == 0, 10, "varnishd is back")
    assert active(varnish, "web2") == "boot"
    code, body, _ = varnish.deploy("status")
    assert (code, body["hosts"]["web2"]["loaded"]) == (0, varnish.current("web2"))


def test_a_probed_backend_gives_no_503_and_old_vcls_go(varnish: Fleet) -> None:
    """A backend with a probe is sick for its first second: the switch waits for it, which `vcl.use` alone does not.
    Of our VCLs the active one and the one before are left, both warm."""
    port, file = varnish.host("web1").http_port, varnish.root("web1") / "current/default.vcl"
    probe = '    .probe = { .url = "/"; .interval = 500ms; .threshold = 3; .initial = 0; }\n}\n\nsub vcl_recv'
    repository.change(varnish.sandbox, "default.vcl.j2", "}\n\nsub vcl_recv", probe, "a probe")
    with Load(port, pages=100_000) as load:  # none of them is in the cache
        assert varnish.deploy("push", "--yes")[0] == 0
        first = active(varnish, "web1")
        repository.change(varnish.sandbox, "default.vcl.j2", "500ms", "600ms", "another")
        assert varnish.deploy("push", "--yes")[0] == 0
        second = active(varnish, "web1")
        assert varnish.deploy("rollback", "--yes")[0] == 0
    assert active(varnish, "web1") == first != second
    assert (load.failed, load.counts["ok"] > 500) == (0, True), load.counts
    assert ours(varnish, "web1") == {first: "warm", second: "warm"}
    adm(varnish, "web1", "ban", "obj.status != 0")  # all of it is to be fetched again
    with Load(port, pages=100_000) as hasty:
        adm(varnish, "web1", "vcl.load", "hasty", str(file.resolve()))
        adm(varnish, "web1", "vcl.use", "hasty")
        eventually(lambda: hasty.failed > 0, 10, "503 where nobody waits: else this test cannot fail")
        adm(varnish, "web1", "vcl.use", first)


def test_a_release_whose_vcl_was_discarded_and_is_still_listed(varnish: Fleet) -> None:
    """Two pushes on, its VCL is discarded but busy under traffic: it is loaded anew, not taken for one to switch to."""
    old = active(varnish, "web1")
    with Load(varnish.host("web1").http_port):
        for grace in ("7s", "8s"):
            repository.change(
                varnish.sandbox, "default.vcl.j2", "beresp.ttl = ", f"beresp.grace = {grace}; set beresp.ttl = ", grace
            )
            assert varnish.deploy("push", "--yes")[0] == 0
        listed = ["discarded", old] in [[words[0], words[4]] for words in adm(varnish, "web1", "vcl.list")]
        release = old.removeprefix("dep_").replace("_", "-")
        code, body, err = varnish.deploy("rollback", "--to", release, "--yes")
        assert (code, body["release"]) == (0, release), err
    assert active(varnish, "web1") == old
    if not listed:
        pytest.skip("the discarded VCL was gone before this machine came to ask: only the way back was seen")
