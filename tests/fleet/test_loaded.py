"""What counts as loaded after a restart that was not ours: what lay on the disk then, not what lies there now."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.sandbox.daemons import daemon
from tests.fleet.phrases import Phrases, phrases

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
# Varnish names its configuration after the release; a restart of its process is in test_varnish.py.
NAMES = ("apache", "haproxy", "nginx", "squid", "trafficserver")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Phrases, str]]:
    """One real server and the name of its first release."""
    folder = Path(tempfile.mkdtemp(prefix="loaded-"))
    try:
        with phrases(folder, request.param) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restarted(one: Phrases, release: str) -> None:
    """By somebody who remembers nothing."""
    known = (one.root / "loaded").read_bytes()
    assert one.call("service_restart", release).returncode == 0
    (one.root / "loaded").write_bytes(known)


def test_a_restart_of_the_same_content_is_known(server: tuple[Phrases, str]) -> None:
    one, first = server
    assert one.take(first, "restart") == ""
    restarted(one, first)
    assert one.loaded == first


def test_a_restart_of_an_edit_that_was_taken_back_is_not_the_release(server: tuple[Phrases, str]) -> None:
    """The files are as they should be, the process is not: unproven, until it is told again."""
    one, first = server
    assert one.take(first, "restart") == ""
    file = one.root / "current" / daemon(one.sandbox.service).EDITS["good"].path.removesuffix(".j2")
    usual = file.read_bytes()
    file.write_bytes(usual + b"# by hand\n")
    restarted(one, first)
    file.write_bytes(usual)
    assert one.loaded == ""
    assert one.take(first, "restart") == ""
    assert one.loaded == first
