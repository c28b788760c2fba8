"""adopt and unadopt: what is there becomes a release, and a plain directory again. Killed: tests/faults/adoption.py."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deployer.adapters.ssh.hosts import SshHosts
from deployer.model.errors import Refused
from deployer.model.release import Package
from deployer.remote.layout import agent_source
from deployer.sandbox.binaries import cache_folder, download, find
from tests.contract.real import LocalTransport, RealRig, shell_folder, toy_service
from tests.contract.rig import order
from tests.fleet.conftest import make_fleet, servers
from tests.fleet.test_hostctl import ONE, TWO, ready, refuses, root, taken, tick

LIST = r"find . -printf '%y %m %u %g %T@ %p %l\n' | sort; find . -type f -exec sha256sum {} + | sort -k 2"


def listing(folder: Path) -> str:
    """Kind, mode, owner, time, link target and checksum of everything below."""
    return subprocess.run(["sh", "-c", LIST], cwd=folder, capture_output=True, text=True, check=True).stdout


def plainly(text: str) -> list[str]:
    """The same without times."""
    lines = [line.split(" ") for line in text.splitlines()]
    return sorted(" ".join(words[:4] + words[5:] if len(words[0]) == 1 else words) for words in lines)


@pytest.fixture
def rig(tmp_path: Path) -> RealRig:
    return ready(RealRig(tmp_path / "host", LocalTransport()))


def test_a_foreign_link_is_not_ours(tmp_path: Path) -> None:
    """A dest that is a link to somewhere else is refused by name."""
    rig = RealRig(tmp_path / "host", LocalTransport())
    shutil.move(tmp_path / "host/etc/app", tmp_path / "elsewhere")
    (tmp_path / "host/etc/app").symlink_to(tmp_path / "elsewhere")
    assert rig.hosts.survey(rig.host).dest == "foreign"
    with pytest.raises(Refused, match="a link to somewhere else"):
        rig.hosts.adopt(rig.host, order(ONE, 1))


def test_adopting_links_and_odd_names(tmp_path: Path) -> None:
    """sites-enabled links are taken by content; a name that cannot be represented is refused by name."""
    rig = RealRig(tmp_path / "host", LocalTransport())
    enabled = tmp_path / "host/etc/app/enabled"
    enabled.mkdir()
    (enabled / "app").symlink_to("../conf.d/app.conf")
    site, before = tmp_path / "host/etc/app", rig.hosts.survey(rig.host)
    odd = [site / name for name in ("a b", "c$d", "conf.d/e*", "f\ng")]
    for path in odd:
        path.write_text("x")
    odd += [site / "nowhere", site / "pipe"]
    odd[-2].symlink_to("not-there")
    os.mkfifo(odd[-1])
    found = listing(tmp_path / "host/etc")
    with pytest.raises(
        Refused, match=r"has what is not allowed in a release, 7 in all: "
    ) as caught:  # a name of two lines counts twice
        rig.hosts.adopt(rig.host, order(ONE, 1))
    assert all(word in caught.value.message for word in ("a b", "c$d", "conf.d/e*", "nowhere", "pipe"))
    assert listing(tmp_path / "host/etc") == found
    assert rig.hosts.survey(rig.host) == before
    assert not [p for p in root(rig).rglob("*") if p.is_file() and not p.name.startswith("lock")]
    for path in odd:
        path.unlink()
    assert rig.hosts.adopt(rig.host, order(ONE, 1)).adopted
    assert (tmp_path / "host/etc/app/enabled/app").read_bytes() == b"as it was\n"
    assert (tmp_path / "host/etc/app.before-deployer/enabled/app").is_symlink()


def test_adopting_what_is_the_same_after_all_keeps_the_release(tmp_path: Path) -> None:
    """A file of an adopted release that became a link, or a manifest that was lost: the id is the same again."""
    rig = RealRig(tmp_path / "host", LocalTransport())
    first = rig.hosts.adopt(rig.host, order(ONE, 1)).good
    live, elsewhere = root(rig) / "current/conf.d/app.conf", rig.prefix / "elsewhere"
    elsewhere.write_bytes(live.read_bytes())
    live.unlink()
    live.symlink_to(elsewhere)
    state = rig.hosts.adopt(rig.host, order(ONE, 2))
    assert (state.good, live.is_symlink(), live.is_file()) == (first, False, True)
    (root(rig) / "current/.manifest").unlink()
    state = rig.hosts.adopt(rig.host, order(ONE, 3))
    assert state.verified_on(first)
    assert not rig.hosts.survey(rig.host).drift


def beside(rig: RealRig, name: str, dest: str) -> SshHosts:
    """The same host for another playbook."""
    return SshHosts(LocalTransport(), name, dest, toy_service)


def test_what_another_playbook_has_is_not_adopted(rig: RealRig) -> None:
    """Below its dest (a folder of its live release), its dest itself, around its dest, and around what we keep."""
    found = listing(rig.prefix / "etc")
    for dest, why in (
        ("/etc/app/conf.d", "lies in a release of the playbook app"),
        ("/etc/app", "lies in a release of the playbook app"),
        ("/etc", "the playbook app has .*/etc/app, which lies below"),
        ("/var/lib", "what deployer keeps on this host lies below"),
    ):
        with pytest.raises(Refused, match=why):
            beside(rig, "other", dest).adopt(rig.host, order(ONE, 3))
        assert listing(rig.prefix / "etc") == found
        assert not beside(rig, "other", dest).survey(rig.host).adopted
    (rig.prefix / "etc/elsewhere").mkdir()
    with pytest.raises(Refused, match="unadopt it there first"):
        beside(rig, "app", "/etc/elsewhere").adopt(rig.host, order(ONE, 3))
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


BINARIES = {"nginx": "nginx", "varnish": "varnishd", "haproxy": "haproxy", "squid": "squid", "apache2": "apache2",
            "trafficserver": "traffic_server"}  # fmt: skip
ENABLED = {  # what the packages' scripts link, ABSOLUTE where they write whole paths
    "nginx": (("sites-enabled/default", "ABSOLUTE/sites-available/default"),),
    "apache2": (
        ("sites-enabled/000-default.conf", "../sites-available/000-default.conf"),
        ("mods-enabled/mpm_event.load", "../mods-available/mpm_event.load"),
        ("mods-enabled/mpm_event.conf", "../mods-available/mpm_event.conf"),
        ("conf-enabled/security.conf", "../conf-available/security.conf"),
    ),
}


def unpacked(server: str, prefix: Path, folder: Path) -> Path:
    """Debian's own configuration of `server` below prefix, linked as its package does it, one file readable by few."""
    find(BINARIES[server])
    debs = cache_folder() / "packages/debs"
    package = {"nginx": "nginx-common"}.get(server, server)
    download((package,), cache_folder() / "packages")
    subprocess.run(["dpkg-deb", "-x", str(next(debs.glob(f"{package}_*.deb"))), str(folder)], check=True)
    tree = prefix / "etc" / server
    shutil.move(folder / "etc" / server, tree)
    for name, to in ENABLED.get(server, ()):
        (tree / name).symlink_to(to.replace("ABSOLUTE", str(tree)))
    few = next(path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())
    few.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(few, 0, 12345)
    return tree


APPLETS = ("tar", "find", "sed", "awk", "xargs", "cp", "mv", "ln", "rm", "readlink", "sync", "timeout", "sha256sum",
           "cat", "sort", "uniq", "cut", "mkdir", "ls", "df", "cmp", "head", "tail", "tr")  # fmt: skip


@pytest.mark.parametrize("tools", ["dash", "busybox"])
@pytest.mark.parametrize("server", list(BINARIES))
def test_debians_default_trees(server: str, tools: str, tmp_path: Path) -> None:
    """Adopted and given back: the same directory. With a release between: what that has, and the rest as it was."""
    bin_folder = Path(shell_folder(tmp_path / "bin", tools))
    for name in APPLETS if tools == "busybox" else ():
        (bin_folder / name).symlink_to(find("busybox"))
    rig = RealRig(tmp_path / "host", LocalTransport(str(bin_folder)))
    tree = unpacked(server, rig.prefix, tmp_path / "deb")
    hosts = SshHosts(LocalTransport(str(bin_folder)), server, f"/etc/{server}", lambda host, layout: ANYTHING)
    before, around = listing(tree), plainly(listing(rig.prefix / "etc"))
    adopted = hosts.adopt(rig.host, order(ONE, 1))
    assert adopted.adopted
    assert tree.is_symlink()
    assert {path: (tree / path).read_bytes() for path in adopted.files} == {
        path: (tree.with_name(f"{server}.before-deployer") / path).read_bytes() for path in adopted.files
    }
    hosts.unadopt(rig.host, order(ONE, 2))
    assert listing(tree) == before
    assert plainly(listing(rig.prefix / "etc")) == around
    adopted = hosts.adopt(rig.host, order(ONE, 3))
    state = hosts.survey(rig.host)
    changed = sorted(state.files)[0]
    files = {path: ((tree / path).read_bytes(), False) for path in state.files} | {changed: (b"new\n", False)}
    pushed = Package("dddddddddd-dddddddd", {**files, "more/new.conf": (b"new\n", True)})
    hosts.stage(rig.host, pushed)
    hosts.activate(rig.host, order(pushed, 4))
    hosts.confirm(rig.host, order(pushed, 4))
    hosts.unadopt(rig.host, order(pushed, 5))
    now = plainly(listing(tree))
    assert [line for line in plainly(before) if line not in now and f"/{changed}" not in line] == []
    assert {path: (tree / path).read_bytes() for path in pushed.files} == {p: c for p, (c, _) in pushed.files.items()}
    assert os.access(tree / "more/new.conf", os.X_OK)
    assert sorted(path.name for path in tree.parent.iterdir()) == sorted(["app", server])
    assert [path.name for path in (rig.prefix / "var/lib/deployer").iterdir()] == ["bin"]


ANYTHING = """
service_check() { :; }
service_running() { :; }
service_reload() { :; }
service_start() { :; }
service_loaded() { readlink current | sed 's|releases/||'; }
service_change() { echo reload; }
service_adopted() { :; }
"""


def test_a_link_whose_target_changed_with_it_stays_a_link(tmp_path: Path) -> None:
    """And one whose target changed alone becomes a file; a link to a folder of which one file changed, a folder."""
    rig = RealRig(tmp_path / "host", LocalTransport())
    site = rig.prefix / "etc/app"
    for name in ("available", "enabled"):
        (site / name).mkdir()
    for name in ("both", "one"):
        (site / "available" / name).write_text("old\n")
        (site / "enabled" / name).symlink_to(f"../available/{name}")
    (site / "folder").symlink_to("available")
    rig.hosts.adopt(rig.host, order(ONE, 1))
    old, new = (b"old\n", False), (b"new\n", False)
    files = {"conf.d/app.conf": old, "available/both": new, "enabled/both": new, "available/one": new, "enabled/one": old,
             "folder/both": old, "folder/one": new}  # fmt: skip
    taken(rig, pushed := Package("dddddddddd-dddddddd", files), 2)
    rig.hosts.unadopt(rig.host, order(pushed, 3))
    assert {path: (site / path).read_bytes() for path in files} == {
        path: content for path, (content, _) in files.items()
    }
    assert [(site / name).is_symlink() for name in ("enabled/both", "enabled/one", "folder")] == [True, False, False]


def test_what_is_in_flight_or_edited_is_not_given_back(rig: RealRig) -> None:
    """Refused, and nothing is touched."""
    rig.hosts.activate(rig.host, order(TWO, 3))
    assert refuses(lambda: rig.hosts.unadopt(rig.host, order(TWO, 4))) == "busy"
    rig.hosts.revert(rig.host, order(TWO, 3))
    rig.edit(b"by hand\n")
    assert refuses(lambda: rig.hosts.unadopt(rig.host, order(TWO, 4))) == "drift"
    rig.edit(b"one\n")
    assert refuses(lambda: rig.hosts.unadopt(rig.host, order(TWO, 1))) == "stale"
    assert rig.hosts.survey(rig.host).verified_on(ONE.release)


def test_a_directory_that_came_back_beside_ours_is_never_removed(rig: RealRig) -> None:
    """A package's upgrade put one in the place of the link: neither it nor what was there before is lost."""
    site = rig.prefix / "etc/app"
    site.unlink()
    site.mkdir()
    (site / "theirs").write_text("theirs\n")
    state = rig.hosts.survey(rig.host)
    assert (state.adopted, state.dest) == (False, "foreign")
    for verb in (rig.hosts.unadopt, rig.hosts.adopt):
        assert refuses(lambda verb=verb: verb(rig.host, order(ONE, 5))) == "usage"  # type: ignore[misc]
    assert (site / "theirs").read_text() == "theirs\n"
    assert (rig.prefix / "etc/app.before-deployer/conf.d/app.conf").read_bytes() == b"as it was\n"


def test_a_link_that_was_removed_is_made_again_by_adopt_and_not_by_a_tick(rig: RealRig) -> None:
    site = rig.prefix / "etc/app"
    site.unlink()
    tick(rig)
    assert not site.exists()
    assert not rig.hosts.survey(rig.host).adopted
    assert rig.hosts.adopt(rig.host, order(ONE, 3)).verified_on(ONE.release)


def test_an_unadoption_that_was_begun_only_goes_forward(rig: RealRig) -> None:
    """Cut off right after its commit point: nothing is pushed to it, adopt refuses, a tick ends it."""
    (root(rig) / "unadopt").write_text("before-deployer\n")
    assert not rig.hosts.survey(rig.host).adopted
    assert refuses(lambda: rig.hosts.activate(rig.host, order(TWO, 3))) == "unadopted"
    assert refuses(lambda: rig.hosts.adopt(rig.host, order(TWO, 3))) == "busy"
    tick(rig)
    assert rig.live.read_bytes() == b"as it was\n"
    assert not (rig.prefix / "etc/app").is_symlink()
    assert not root(rig).exists()


def test_what_is_live_is_put_there_where_nothing_else_is_left(rig: RealRig) -> None:
    """The link and what was before are gone: the live release is the only copy, and it is not removed with the rest."""
    (rig.prefix / "etc/app").unlink()
    shutil.rmtree(rig.prefix / "etc/app.before-deployer")
    rig.hosts.unadopt(rig.host, order(ONE, 3))
    assert rig.live.read_bytes() == b"one\n"
    assert not root(rig).exists()


def test_a_pending_deploy_holds_it_whatever_lies_at_dest(rig: RealRig) -> None:
    rig.hosts.activate(rig.host, order(TWO, 3))
    (rig.prefix / "etc/app").unlink()
    shutil.rmtree(rig.prefix / "etc/app.before-deployer")
    (rig.prefix / "etc/app").mkdir()
    assert refuses(lambda: rig.hosts.unadopt(rig.host, order(TWO, 4))) == "busy"


def test_an_adoption_that_was_cut_off_before_the_process_was_known_is_ended(tmp_path: Path) -> None:
    """By the next one, or by a tick: the host is not unproven for ever."""
    for number, end in enumerate((lambda rig: rig.hosts.adopt(rig.host, order(ONE, 1)), tick)):
        rig = RealRig(tmp_path / str(number), LocalTransport())
        first = rig.hosts.adopt(rig.host, order(ONE, 1))
        (root(rig) / "adopting").touch()
        (rig.prefix / "process").write_text("unknown\n")
        end(rig)
        assert rig.hosts.survey(rig.host).verified_on(first.good)
        assert not (root(rig) / "adopting").exists()


OWN = """set -e
mkdir -p "$1/etc/cron.d" "$1/lib" /etc/cron.d
mount --bind "$1/etc/cron.d" /etc/cron.d
mount --bind "$1/lib" /var/lib
shift
exec "$@"
"""


@pytest.mark.needs("root")
def test_the_cron_line_comes_and_goes(tmp_path: Path) -> None:
    """On a real root: /var/lib/deployer in a mount namespace of the test's own."""
    agent, site, service = tmp_path / "agent", tmp_path / "etc/app", tmp_path / "service"
    agent.write_bytes(agent_source())
    service.write_text(ANYTHING)
    site.mkdir(parents=True)
    (site / "app.conf").write_text("as it was\n")
    words = ["unshare", "--mount", "sh", "-c", OWN, "own", str(tmp_path), "sh", str(agent)]

    def said(verb: str, number: int) -> str:
        line = [*words, verb, "/var/lib/deployer/app", f"{number}-abcd", str(number), str(site)]
        with service.open() as stdin:
            return subprocess.run(line, stdin=stdin, capture_output=True, text=True, check=False).stdout

    assert '"adopted":true' in said("adopt", 1)
    cron = tmp_path / "etc/cron.d/deployer-app"
    assert cron.read_text().startswith("* * * * * root sh ")
    assert '"adopted":false' in said("unadopt", 2)
    assert not cron.exists()
    assert (site / "app.conf").read_text() == "as it was\n"


def test_a_server_goes_on_through_it_all() -> None:
    """A real one, by the command: adopted, deployed to, given back and adopted again; the same process all the time."""
    for fleet in make_fleet("nginx", 1):
        host = fleet.sandbox.hosts[0]
        dest = host.prefix / "etc/nginx"
        before = listing(dest.with_name("nginx.before-deployer"))
        running = servers(host.prefix)
        code, body, err = fleet.deploy("unadopt", "--yes")
        assert (code, body["result"]) == (0, "unadopted"), err
        assert listing(dest) == before
        assert fleet.deploy("unadopt", "--yes")[1]["result"] == "unchanged"
        assert fleet.deploy("push", "--yes")[0] == 1
        code, body, err = fleet.deploy("adopt", "--yes")
        assert (code, body["result"]) == (0, "deployed"), err
        fleet.mark("one")
        code, body, err = fleet.deploy("push", "--yes")
        assert (code, body["result"]) == (0, "deployed"), err
        code, body, err = fleet.deploy("unadopt", "--yes")
        assert (code, body["result"]) == (0, "unadopted"), err
        assert not dest.is_symlink()
        assert set(running) & set(servers(host.prefix)), "the master is the same"
        assert fleet.served("web1") == "one"
