"""`deploy init --from` on real hosts: what is taken, left out and refused; then the first safe push."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.sandbox import repository
from deployer.sandbox.binaries import find
from deployer.sandbox.fleet import Sandbox
from tests.fleet.conftest import Fleet, eventually

PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"


@dataclass
class Beginner(Fleet):
    """A fleet with an inventory and nothing else."""

    def home(self, name: str = "web1") -> Path:
        return self.host(name).prefix / "etc/nginx"

    def written(self) -> list[str]:
        """What lies in the folder but for the inventory."""
        config = self.sandbox.config
        return sorted(
            str(p.relative_to(config)) for p in config.rglob("*") if p.is_file() and p.name != "inventory.yml"
        )


# all that the reading scripts call, but for the servers themselves
APPLETS = ("awk", "cut", "find", "grep", "head", "id", "ls", "sed", "sha256sum", "tar", "timeout", "tr", "xargs")


def begin(service: str, count: int, shell: str = "") -> Iterator[Beginner]:
    """shell: whose `sh` the hosts have; with busybox its tools, too."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-"))
    try:
        with Sandbox(folder, count, service, shell) as sandbox:
            for host in sandbox.hosts if shell == "busybox" else ():
                for name in APPLETS:
                    (host.prefix / "shell" / name).symlink_to(os.path.realpath(find("busybox")))
            sandbox.config.mkdir()
            hosts = "".join(f"        {h.name}: {json.dumps(sandbox.variables(h))}\n" for h in sandbox.hosts)
            text = (
                f"all:\n  children:\n    edge:\n      hosts:\n{hosts}    production:\n      children: {{edge: {{}}}}\n"
            )
            (sandbox.config / "inventory.yml").write_text(text)
            yield Beginner(sandbox)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[Beginner]:
    """Two nginx hosts."""
    yield from begin("nginx", 2, getattr(request, "param", ""))


@pytest.fixture
def single() -> Iterator[Beginner]:
    """One nginx host: a sandbox's files hold the paths of their host."""
    yield from begin("nginx", 1)


@pytest.mark.parametrize("pair", ["dash", "busybox"], indirect=True)
def test_what_lies_on_a_host(pair: Beginner) -> None:
    """Links resolved, secrets and what no release can hold left out by name, what differs said by file; the host is as
    it was."""
    home = pair.home()
    (home / "sites-enabled").mkdir()
    (home / "shop.site").write_text("# a site\n")
    (home / "sites-enabled/shop").symlink_to("../shop.site")
    (home / "tls").mkdir()
    (home / "tls/shop.pem").write_text(PRIVATE)
    (home / "odd name.conf").write_text("x")
    (home / "auth.conf").write_text(
        '# proxy_set_header Authorization "Basic eA==";\nproxy_set_header Authorization "Basic dXNlcjpwYXNz";\n'
    )
    os.truncate(os.open(home / "dump.bin", os.O_CREAT | os.O_WRONLY), 300 * 1024 * 1024)
    (home / "nowhere").symlink_to("not-there")
    (pair.home("web2") / "old.conf").write_text("# forgotten\n")
    before = sorted((str(p), p.lstat().st_mtime_ns) for p in home.rglob("*"))
    code, body, err = pair.deploy("init", "--from", "web1")
    assert code == 0, err
    files = pair.sandbox.config / "playbooks/nginx/files"
    assert (files / "sites-enabled/shop").read_text() == "# a site\n"
    assert not (files / "sites-enabled/shop").is_symlink()
    assert sorted(body["left_out"]) == ["dump.bin", "nowhere", "odd name.conf", "tls/shop.pem"]
    assert body["secrets"] == [{"file": "auth.conf", "line": 2, "variable": "nginx_secret_1"}]
    assert "{{ nginx_secret_1 }}" in (files / "auth.conf.j2").read_text()
    assert not [
        path for path in pair.sandbox.config.rglob("*") if path.is_file() and b"dXNlcjpwYXNz" in path.read_bytes()
    ]
    assert body["only"] == {"old.conf": ["web2"]}
    assert body["missing"]["sites-enabled/shop"] == ["web2"]
    assert body["changed"]["conf.d/shop.conf"] == ["web2"]
    assert body["traffic"].endswith("/access.log")
    assert body["next"][-1] == "deploy push nginx"
    playbook = (pair.sandbox.config / "playbooks/nginx/playbook.yml").read_text()
    assert playbook.endswith(
        'needs:  # init left these out; a push without them is refused\n  - "dump.bin"\n  - "tls/shop.pem"\n'
    )
    assert "a push is refused until there is a place for dump.bin and 1 more" in body["todo"][0]
    assert sorted((str(p), p.lstat().st_mtime_ns) for p in home.rglob("*")) == before
    assert not (pair.host("web1").prefix / "var/lib/deployer").exists()


def test_hosts_that_cannot_be_read(pair: Beginner) -> None:
    """One of the others is named and the rest is done; the one itself is refused; nothing is written."""
    os.kill(int((pair.host("web2").prefix / "ssh/sshd.pid").read_text()), signal.SIGTERM)
    code, body, _ = pair.deploy("init", "--from", "web2")
    assert code == 1
    assert "cannot read web2" in body["error"]["message"]
    assert pair.written() == []
    code, body, err = pair.deploy("init", "--from", "web1")
    assert code == 0, err
    assert list(body["unseen"]) == ["web2"]


def test_no_server_runs(single: Beginner) -> None:
    """Refused by name; with --service what lies there is taken."""
    pid = int((single.host("web1").prefix / "run/nginx.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), 10, "nginx is gone")
    code, body, _ = single.deploy("init", "--from", "web1")
    assert (code, single.written()) == (1, [])
    assert "no cache server runs on web1" in body["error"]["message"]
    code, body, err = single.deploy("init", "--from", "web1", "--service", "nginx")
    assert code == 0, err
    assert "does not answer" not in err
    assert body["page"] == 0
    code, body, _ = single.deploy("init", "elsewhere", "-i", "inventory.yml", "--from", "web1", "--service", "squid")
    assert code == 1
    assert "/etc/squid on web1: it is not there" in body["error"]["message"]


def test_interrupted(single: Beginner) -> None:
    """While a host is asked: nothing is written, exit 130."""
    host = single.host("web1")
    sshd = int((host.prefix / "ssh/sshd.pid").read_text())
    os.kill(sshd, signal.SIGSTOP)  # it accepts, and says nothing
    try:
        child = single.start("init", "--from", "web1")
        connected = f"/proc/{child.pid}/net/tcp"
        port = f":{host.ssh_port:04X}"
        eventually(
            lambda: any(line.split()[2].endswith(port) for line in Path(connected).read_text().splitlines()[1:]),
            30,
            "it connects",
        )
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=60)
    finally:
        os.kill(sshd, signal.SIGCONT)
    assert child.returncode == 130, err
    assert "nothing was written" in err
    assert "Traceback" not in err
    assert single.written() == []


def first_push(fleet: Fleet, service: str) -> None:
    """init has run: commit, check, adopt, push."""
    config = fleet.sandbox.config
    repository.git(config, "init", "-q")
    repository.git(config, "add", "-A")
    repository.git(config, "commit", "-q", "-m", "the configuration as it is")
    code, _, err = fleet.deploy("adopt", service, "--yes")
    assert code == 0, err
    code, body, err = fleet.deploy("push", service, "--yes")
    assert (code, body["result"]) == (0, "deployed"), (body, err)
    assert {host["state"] for host in body["hosts"].values()} == {"confirmed"}


def test_the_first_safe_push(single: Beginner) -> None:
    """From an inventory to a verified push of what is there; what init fetches from an adopted host is the same."""
    single.sandbox.start_traffic()
    code, body, err = single.deploy("init", "--from", "web1")
    assert code == 0, err
    single.playbook(bake="2s", confirm_timeout="20s")
    first_push(single, "nginx")
    before = {name: (single.sandbox.config / name).read_bytes() for name in body["written"] if "/files/" in name}
    code, body, err = single.deploy("init", "again", "-i", "inventory.yml", "--from", "web1")
    assert code == 0, err
    assert {
        name: (single.sandbox.config / "again" / name).read_bytes() for name in body["written"] if "/files/" in name
    } == before
