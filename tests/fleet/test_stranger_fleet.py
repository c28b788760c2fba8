"""Commands that reach real hosts, in a repository by somebody who means harm, seen by the kernel: what only refused
connections show is in tests/unit/test_strangers_commands.py.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.strangers import ODD, Stranger
from tests.fakes.tracing import Traced
from tests.fleet.conftest import Fleet, make_fleet
from tests.unit.test_strangers_commands import judge, snapshot

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs("strace"),
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("stranger fleet"),
]

# In this order, each from where the one before it left the hosts. Exit codes that say it went as far as it goes.
LINES: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("adopt", "nginx", "--yes"), (0,)),
    (("plan", "nginx", "--json"), (0,)),
    (("push", "nginx", "--yes", "--output", "github"), (0,)),
    (("status", "nginx"), (0,)),
    (("status", "nginx", "--repair", "--yes"), (0,)),
    (("doctor", "nginx"), (0, 1)),
    (("warm", "nginx", "--yes"), (0,)),
    (("check", "nginx"), (0, 1)),
    (("confirm", "nginx", "--yes"), (0, 1, 4)),
    (("abort", "nginx", "--yes"), (0, 1)),
    (("rollback", "nginx", "--yes", "--json"), (0,)),
    (("history", "nginx"), (0,)),
    (("unadopt", "nginx", "--yes"), (0,)),
)


@dataclass
class Site:
    """The stranger's checkout with the fleet's inventory and configuration in it."""

    stranger: Stranger
    fleet: Fleet


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two hosts that serve, nothing adopted; programs, modules and odd words wherever a commit can hold them."""
    for fleet in make_fleet("nginx", 2):
        code, body, err = fleet.deploy("unadopt", "--yes")
        assert code == 0, (body, err)
        made = Stranger(tmp_path_factory.mktemp("stranger"))
        shutil.rmtree(made.root / "playbooks")
        for name in ("playbooks", "health_checks"):
            shutil.copytree(fleet.sandbox.config / name, made.root / name, dirs_exist_ok=True)
        shutil.copy(fleet.sandbox.config / "inventory.yml", made.root)
        made.plant_modules("", "playbooks", "playbooks/nginx")
        made.plant_git()
        made.plant_links()
        made.write({"playbooks/nginx/files/conf.d/odd.conf": f"# {ODD}\n", "playbooks/nginx/warm.txt": "/\n"})
        with (made.root / "playbooks/nginx/playbook.yml").open("a") as playbook:
            playbook.write("\nwarm: {urls: warm.txt}\n")
        made.commit(f"tidy {ODD} production: nothing to do", f"{ODD.replace('<', '')} <t@t>")
        made.canary.unlink(missing_ok=True)
        yield Site(made, fleet)


def test_what_they_run_and_write(site: Site) -> None:
    """Only programs of the list, by absolute paths, nothing of the checkout, no secret and no line of the private key in
    their words or environment; written is what is remembered, git's folder and temporary files; on the hosts, what the agent does is theirs."""
    stranger = site.stranger
    secrets = ["hunter", *(site.fleet.sandbox.folder / "user_key").read_text().splitlines()[1:-1]]
    for words, codes in LINES:
        traced = Traced(Path(tempfile.mkdtemp(dir=stranger.folder.parent)), stranger.root)
        outside = snapshot(stranger.outside)
        done = stranger.deploy(
            *words, before=traced.words(), PATH=f".::{os.environ['PATH']}",
            DEPLOY_SSH_CONFIG=str(site.fleet.sandbox.folder / "ssh_config"),
        )  # fmt: skip
        judge(stranger, done, outside)
        assert done.returncode in codes, (words, done.stdout, done.stderr)
        if "--json" in words:
            json.loads(done.stdout)
        traced.read()
        where = str(stranger.folder)
        assert traced.programs, "strace saw nothing"
        assert not [one for one in traced.programs if not one.stated], words
        assert not [one for one in traced.programs if not os.path.isabs(one.path) or one.path.startswith(where)], words
        children = [one for one in traced.programs if Path(one.path).name != "deploy"]
        for one in children:
            told = [*one.words, *one.environ]
            assert not [text for text in told if any(secret in text for secret in secrets)], one
            assert not [text for text in told if text.startswith(("DEPLOY_", "PYTHON"))], one
        traced.written -= {path for path in traced.written if "/__pycache__" in path and not path.startswith(where)}
        own = ("home/.local/state/deployer", "checkout/.git", "tmp")
        assert traced.outside(*(stranger.folder / name for name in own)) == [], words
