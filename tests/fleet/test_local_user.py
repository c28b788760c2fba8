"""Another user of the same host, who wants to become root by way of us, or to keep a host from going back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.adapters.ssh.hosts import SshHosts
from deployer.model.errors import Refused
from deployer.model.fleet import Host
from deployer.model.release import Package
from deployer.sandbox.processes import reap
from tests.contract.real import LocalTransport, RealRig, toy_service
from tests.contract.rig import order, package

pytestmark = pytest.mark.needs("root", "setpriv")
THEM = "61234"  # a uid and gid that nobody has
ONE, TWO = package(b"one\n"), package(b"two\n")


def as_them(line: str, *words: str, group: str = THEM) -> subprocess.CompletedProcess[str]:
    """Run `line` as the other user."""
    become = ["setpriv", "--reuid", THEM, "--regid", group, "--clear-groups", "--no-new-privs", "sh", "-c", line, "sh"]
    return subprocess.run([*become, *words], capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that everybody can look into, as on a real machine."""
    made = Path(tempfile.mkdtemp(prefix="local-"))
    made.chmod(0o755)
    yield made
    reap(made)
    shutil.rmtree(made)


@pytest.fixture
def rig(folder: Path) -> RealRig:
    made = RealRig(folder / "host", LocalTransport())
    made.hosts.adopt(made.host, order(ONE, 1))
    return made


def root(rig: RealRig) -> Path:
    return rig.prefix / "var/lib/deployer/app"


def test_they_can_write_nothing_of_ours(rig: RealRig) -> None:
    """No folder, no file: asked of the system itself, for all that a deploy leaves."""
    rig.hosts.stage(rig.host, ONE)
    rig.hosts.activate(rig.host, order(ONE, 2))
    base = rig.prefix / "var/lib/deployer"
    writable = as_them(
        'find "$1" ! -type l -exec sh -c \'for f; do [ ! -w "$f" ] || echo "$f"; done\' sh {} +', str(base)
    )
    assert writable.stdout == ""
    assert as_them('ls "$1"', str(base)).stdout
    theirs = [p for p in base.rglob("*") if p.lstat().st_uid != 0]
    assert theirs == []


def test_they_cannot_hold_the_lock(rig: RealRig) -> None:
    """flock needs only to open the file for reading: then no watchdog could ever revert."""
    lock = root(rig) / "lock"
    assert as_them('exec 9<"$1"', str(lock)).returncode != 0
    assert lock.stat().st_mode & 0o077 == 0
    assert rig.hosts.stage(rig.host, ONE).adopted


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_root_that_others_can_write(folder: Path, mode: int) -> None:
    """Open to all: refused, nothing is made there. With the sticky bit what is ours stays ours."""
    place = folder / "open"
    place.mkdir()
    place.chmod(mode)
    host = Host("web1", vars={"deploy_prefix": str(folder / "host"), "deploy_root": str(place / "deployer")})
    rig = RealRig(folder / "host", LocalTransport(), host)
    if mode == 0o1777:
        assert rig.hosts.adopt(host, order(ONE, 1)).adopted
        return
    with pytest.raises(Refused, match="another user of this host could replace") as caught:
        rig.hosts.adopt(host, order(ONE, 1))
    assert caught.value.code == "unsafe"
    assert list(place.iterdir()) == []
    with pytest.raises(Refused, match="another user"):
        rig.hosts.survey(host)


def test_a_planted_agent_is_not_run(folder: Path) -> None:
    """They know its name (it is a hash of public text) and get there first: as root it would be theirs."""
    from deployer.remote.layout import layout_for

    base = folder / "base"
    base.mkdir()
    host = Host("web1", vars={"deploy_prefix": str(folder / "host"), "deploy_root": str(base)})
    rig = RealRig(folder / "host", LocalTransport(), host)
    agent = Path(layout_for(host, "app", "/etc/app").agent)
    base.chmod(0o777)
    planted = as_them(
        'mkdir "$1" && printf "touch %s\\n" "$2" > "$3"', str(agent.parent), str(folder / "pwned"), str(agent)
    )
    assert planted.returncode == 0
    base.chmod(0o755)  # mended since, but what lies there is theirs
    for call in (lambda: rig.hosts.survey(host), lambda: rig.hosts.adopt(host, order(ONE, 1))):
        with pytest.raises(Refused, match="another user"):
            call()
    assert not (folder / "pwned").exists()


def test_a_configuration_that_others_can_replace_is_not_adopted(folder: Path) -> None:
    """A dest whose parent is open to all: their link instead of it would be read as root."""
    rig = RealRig(folder / "host", LocalTransport())
    (folder / "host/etc").chmod(0o777)
    with pytest.raises(Refused, match="another user"):
        rig.hosts.adopt(rig.host, order(ONE, 1))
    assert not (root(rig) / "releases").exists()


def test_links_in_what_is_adopted_give_nothing_away(folder: Path) -> None:
    """A folder below dest is theirs and holds a link to a secret: adopt follows links, and keeps the secret's rights."""
    rig = RealRig(folder / "host", LocalTransport())
    secret = folder / "shadow"
    secret.write_text("root's\n")
    secret.chmod(0o600)
    theirs = rig.prefix / "etc/app/theirs"
    theirs.mkdir()
    os.chown(theirs, int(THEM), int(THEM))
    assert as_them('ln -s "$1" "$2/link"', str(secret), str(theirs)).returncode == 0
    rig.hosts.adopt(rig.host, order(ONE, 1))
    copy = root(rig) / "current/theirs/link"
    assert copy.is_file()
    assert not copy.is_symlink()
    assert as_them('cat "$1"', str(copy)).returncode != 0


def test_a_pipe_instead_of_a_file_does_not_hang(folder: Path) -> None:
    """Opened for reading, it would wait for ever with the lock held."""
    rig = RealRig(folder / "host", LocalTransport())
    theirs = rig.prefix / "etc/app/theirs"
    theirs.mkdir()
    os.chown(theirs, int(THEM), int(THEM))
    assert as_them('mkfifo "$1/pipe"', str(theirs)).returncode == 0
    with pytest.raises(Refused, match="in all: theirs/pipe"):
        rig.hosts.adopt(rig.host, order(ONE, 1))
    (theirs / "pipe").unlink()
    assert as_them('mkfifo /tmp/$$ && ln -s /tmp/$$ "$1/link" && echo $$', str(theirs)).returncode == 0
    with pytest.raises(Refused, match="in all: theirs/link"):  # waited for, its deadline would end it otherwise
        rig.hosts.adopt(rig.host, order(ONE, 1))
    os.unlink(os.readlink(theirs / "link"))


def test_releases_of_a_group_are_for_that_group(rig: RealRig) -> None:
    """`group:` of the playbook: root writes, the service reads, nobody else does, and never did in between."""
    hosts = SshHosts(LocalTransport(), "app", "/etc/app", toy_service, "daemon")
    pack = Package(TWO.release, {"conf.d/app.conf": (b"two\n", False), "run.sh": (b"#!/bin/sh\n", True)})
    hosts.stage(rig.host, pack)
    tree = root(rig) / "releases" / TWO.release
    modes = {str(p.relative_to(tree)): oct(p.stat().st_mode & 0o7777) for p in [tree, *tree.rglob("*")]}
    assert modes == {
        ".": "0o750",
        "conf.d": "0o750",
        "conf.d/app.conf": "0o640",
        "run.sh": "0o750",
        ".manifest": "0o640",
    }
    file = str(tree / "conf.d/app.conf")
    assert as_them('cat "$1"', file).returncode != 0
    assert as_them('cat "$1"', file, group="daemon").stdout == "two\n"
    assert hosts.activate(rig.host, order(TWO, 3)).current == TWO.release
    assert hosts.confirm(rig.host, order(TWO, 3)).good == TWO.release


def test_a_group_that_is_not_there(rig: RealRig) -> None:
    """Named; nothing is left half done."""
    hosts = SshHosts(LocalTransport(), "app", "/etc/app", toy_service, "nosuchgroup")
    with pytest.raises(Refused, match="cannot give the release to the group nosuchgroup"):
        hosts.stage(rig.host, TWO)
    assert not (root(rig) / "releases" / TWO.release).exists()
