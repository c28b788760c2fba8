"""Hosts as people have them, over real sshd: fish, tcsh, csh, zsh as login shell; login files that print, read their
input, or go on as another shell."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deployer.adapters.http.over_ssh import line
from deployer.adapters.http.request import target
from deployer.adapters.measuring.traffic import LogReader
from deployer.adapters.ssh.examiner import Examiner
from deployer.adapters.ssh.hosts import SshHosts
from deployer.adapters.ssh.transport import SshTransport
from deployer.engine.doctor import judge
from deployer.model.errors import Unreachable
from deployer.model.fleet import Host
from deployer.model.schema.health import Probe
from deployer.model.state import Order
from deployer.remote.layout import layout_for
from deployer.remote.toplog import parse_top, top_urls
from deployer.remote.verbs import Command
from deployer.sandbox.fleet import Sandbox
from tests.contract.real import toy_service
from tests.unit.test_read_logs import LOG
from tests.unit.test_words import shell

pytestmark = pytest.mark.xdist_group("shells")
KINDS = {
    "bash": ".bashrc",
    "zsh": ".zshenv",
    "fish": ".config/fish/config.fish",
    "tcsh": ".tcshrc",
    "bsd-csh": ".cshrc",
}
NOISE = 'echo "Welcome home"\necho "{\\"ok\\": true}"\n'


@dataclass
class There:
    """One host with sshd alone, its user's home, and the key that lets in."""

    sandbox: Sandbox
    wire: SshTransport

    @property
    def host(self) -> Host:
        one = self.sandbox.hosts[0]
        key = str(self.sandbox.folder / "user_key")
        return Host(
            "web1", "127.0.0.1", one.ssh_port, getpass.getuser(), key_file=key, vars=self.sandbox.variables(one)
        )

    def login(self, kind: str, text: str = "") -> None:
        """From now on logins get this shell, and its login file holds `text`."""
        home, public = self.sandbox.hosts[0].prefix / "home", self.sandbox.folder / "user_key.pub"
        for file in KINDS.values():
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            (home / file).write_text("")
        (home / KINDS[kind]).write_text(text)
        words = f'unset SHLVL; exec {" ".join(shell(kind))} \\"$SSH_ORIGINAL_COMMAND\\"'
        plain = public.read_text().rpartition('" ')[2]
        public.write_text(f'command="{words}" {plain}')


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    folder = Path(tempfile.mkdtemp(prefix="shells-"))
    with Sandbox(folder, 1, service="") as made:
        yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def there(sandbox: Sandbox) -> Iterator[There]:
    transport = SshTransport(str(sandbox.folder / "ssh_config"))
    yield There(sandbox, transport)
    transport.close()


@pytest.mark.needs("curl")
@pytest.mark.parametrize("noise", ["", NOISE], ids=["quiet", "prints"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_line_is_understood(there: There, kind: str, noise: str) -> None:
    """Verbs, the log that is followed, the most visited pages, a probe, doctor: all of them."""
    there.login(kind, noise)
    host, prefix = there.host, there.sandbox.hosts[0].prefix
    live = prefix / f"etc/{kind}{bool(noise)}/conf.d/app.conf"
    live.parent.mkdir(parents=True)
    live.write_bytes(b"as it was\n")
    name, dest = f"app-{kind}-{bool(noise)}".lower(), f"/etc/{kind}{bool(noise)}"
    hosts, layout = SshHosts(there.wire, name, dest, toy_service), layout_for(host, name, dest)
    assert not hosts.survey(host).adopted
    assert hosts.adopt(host, Order("1-abc", 1, "adopt", "")).adopted

    log = prefix / f"{name}.log"
    log.write_text("")
    told = replace(LOG, path=str(log))
    reader = LogReader(there.wire, host, layout, told, "", lambda files: told if "conf.d/app.conf" in files else None)
    reader.read()
    with log.open("a") as file:
        file.write("200 HIT 0.010\n" * 3)
    assert reader.read().counts.n == 3
    assert reader._old == told, "the release on the host was read, too"

    log.write_text('1.1.1.1 - - "GET /a HTTP/1.1" 200\n')
    assert parse_top(there.wire.run(host, top_urls(told, 5)).stdout, told) == ("/a",)
    probe = Probe(name="home", url="/")
    done = there.wire.run(host, Command(line(target(host, probe, "127.0.0.1"), probe)))
    assert (b"curl" in done.stderr, b"Welcome" in done.stdout) == (True, False), "nobody listens there"

    points = {point.what: point for point in judge(Examiner(there.wire, name, dest, "custom", False)(host))}
    assert points["agent"].said == "installed, adopted"
    assert ("Welcome home" in points["shell"].said) is bool(noise)
    assert ("[ -t 1 ]" in points["shell"].hint) is bool(noise)


def test_a_login_file_that_reads_gets_nothing(there: There, tmp_path: Path) -> None:
    """What is sent (a password may be in it) waits for our own sh: `read` in a login file, or another shell in the place
    of this one, would take it, or run it."""
    there.login("bash", f"timeout 0.5 cat > {tmp_path}/taken\n")
    assert there.wire.run(there.host, Command("cat", b"secret")).stdout == b"secret"
    assert (tmp_path / "taken").read_bytes() == b""
    there.login("bash", "exec sh\n")
    with pytest.raises(Unreachable, match="no answer within 2 s"):
        there.wire.run(there.host, Command("cat", f"touch {tmp_path}/ran\n".encode(), 2.0))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "echo 'This account is currently not available.'; exit 1\n",
            r"does not run sh \(exit 1\); it said: This account",
        ),
        ("head -c 100000 /dev/zero | tr '\\0' x\n", "its login files print more than 64 KiB"),
    ],
    ids=["no login", "endless"],
)
def test_what_is_no_shell_is_told(there: There, text: str, why: str) -> None:
    """In its own words, and nothing of ours has run."""
    there.login("bash", text)
    with pytest.raises(Unreachable, match=why) as caught:
        there.wire.run(there.host, Command("true"))
    assert not caught.value.sent
