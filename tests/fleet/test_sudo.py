"""Real sudo, real PAM, an ordinary user over real sshd. The machine keeps its own users and rules: sshd runs in a mount
namespace in which /usr has the distribution's sudo and /etc one more user, and all of it is gone with sshd."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.adapters.ssh.examiner import Examiner
from deployer.adapters.ssh.transport import SshTransport
from deployer.engine.doctor import judge
from deployer.model.errors import Refused, Unreachable
from deployer.model.fleet import Host
from deployer.remote.layout import Layout, agent_source, layout_for
from deployer.remote.sudoers import rules
from deployer.remote.verbs import Command
from deployer.sandbox import binaries, servers
from deployer.sandbox.fleet import Sandbox, wait_for
from deployer.sandbox.ports import free_port, listening
from tests.contract.real import RealRig
from tests.contract.rig import order, package

pytestmark = [
    pytest.mark.xdist_group("sudo"),
    pytest.mark.needs("root"),
]
USER, PASSWORD = "rdep", "correct horse"
HASHED = (  # crypt(3), SHA-512
    "$6$abcdefgh$yIZAF3gQPvtKZO/9qOJKffAKKbtS3ef3qmwyugk4uWVjX8YZf/GV3A8SkFxEPY0T56CcilGrHKLffBsp6dLMG."
)
PAM = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n"
ONE, TWO = package(b"one\n"), package(b"two\n")


@dataclass
class Machine:
    """One sshd whose users go through sudo. number: of the hosts made so far."""

    folder: Path
    sandbox: Sandbox
    port: int
    number: int = 0

    def rig(self, password: str | None = None) -> tuple[RealRig, SshTransport, Layout]:
        """A fresh host directory of root's, reached as the ordinary user."""
        self.number += 1
        prefix = self.folder / f"host{self.number}"
        names = {"deploy_prefix": str(prefix)}
        key = str(self.sandbox.folder / "user_key")
        host = Host("web1", "127.0.0.1", self.port, USER, key, become=True, vars=names)
        transport = SshTransport(str(self.folder / "ssh_config"), become_password=password)
        return RealRig(prefix, transport, host), transport, layout_for(host, "app", "/etc/app")

    def allow(self, text: str) -> None:
        """What sudoers says from now on; visudo must accept it."""
        new = self.folder / "rules.new"
        new.write_text(text)
        new.chmod(0o440)
        subprocess.run([binaries.find("visudo"), "-cf", str(new)], check=True, capture_output=True)
        new.rename(self.folder / "rules")


def stage(folder: Path) -> list[str]:
    """lowerdirs of /usr and /etc for the namespace: "usr etc"."""
    etc, usr = folder / "etc", folder / "usr"
    (etc / "pam.d").mkdir(parents=True)
    usr.mkdir()
    lines = {
        "passwd": f"{USER}:x:4711:4711::/tmp:/bin/sh\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n",
        "group": f"{USER}:x:4711:\n",
        "shadow": f"{USER}:{HASHED}:19000:0:99999:7:::\n",
    }
    for name, more in lines.items():
        (etc / name).write_text(Path("/etc", name).read_text() + more)
    (etc / "shadow").chmod(0o640)
    (etc / "pam.d/sudo").write_text(PAM)
    (etc / "sudoers").write_text(f"Defaults env_reset, use_pty, passwd_tries=1\n@include {folder}/rules\n")
    (etc / "sudoers").chmod(0o440)
    lower = ["/usr"]
    if Path(binaries.find("sudo")).is_relative_to(binaries.cache_folder()):
        root = binaries.cache_folder() / "packages/root"
        shutil.copytree(root / "lib", usr / "lib", symlinks=True)
        lower = [str(usr), str(root / "usr"), "/usr"]
    return [":".join(lower), f"{etc}:/etc"]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """sshd in a namespace of its own."""
    folder = Path(tempfile.mkdtemp(prefix="sudo-"))
    folder.chmod(0o755)
    try:
        with Sandbox(folder / "box", 1, service="") as sandbox:
            usr, etc = stage(folder)
            port = free_port()
            config = sandbox.hosts[0].prefix / "ssh/sshd_config"
            mine = config.with_name("sudo_config")
            mine.write_text(config.read_text().replace(f"Port {sandbox.hosts[0].ssh_port}", f"Port {port}"))
            mine.write_text(mine.read_text().replace("sshd.pid", "sudo.pid"))
            shell = (
                "mount --make-rprivate / && mount -t overlay overlay -o lowerdir=$1 /usr && "
                'mount -t overlay overlay -o lowerdir=$2 /etc && shift 2 && exec "$@"'
            )
            (folder / "rules").write_text("")
            (folder / "rules").chmod(0o440)
            words = [binaries.find("sshd"), "-f", str(mine), "-E", f"{config.parent}/sudo.log"]
            servers.privilege_separation(config.parent)
            subprocess.run(["unshare", "-m", "sh", "-c", shell, "sh", usr, etc, *words], check=True)
            known = (sandbox.folder / "known_hosts").read_text().replace(f":{sandbox.hosts[0].ssh_port}", f":{port}")
            (folder / "known_hosts").write_text(known)
            text = (sandbox.folder / "ssh_config").read_text()
            (folder / "ssh_config").write_text(text.replace(f"{sandbox.folder}/known_hosts", f"{folder}/known_hosts"))
            wait_for(lambda: listening(port), "sshd in the namespace")
            yield Machine(folder, sandbox, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(layout: Layout) -> None:
    """As `deploy doctor --sudoers` says: by root, by hand."""
    agent = Path(layout.agent)
    agent.parent.mkdir(parents=True)
    agent.write_bytes(agent_source())
    agent.chmod(0o755)


def whole_story(rig: RealRig) -> None:
    """Adopt, stage, activate, confirm; then one that nobody confirms."""
    rig.hosts.adopt(rig.host, order(ONE, 1))
    for pack, number in ((ONE, 2), (TWO, 3)):
        rig.hosts.stage(rig.host, pack)
        state = rig.hosts.activate(rig.host, order(pack, number, lease=30 if number == 2 else 4))
        assert (state.phase, state.watchdog, state.loaded) == ("pending", "alive", pack.release)
        if number == 2:
            assert rig.hosts.confirm(rig.host, order(pack, number)).verified_on(ONE.release)
    state = rig.until(lambda s: s.verified_on(ONE.release), 30)
    assert (state.outcome, state.loaded) == ("reverted", ONE.release)
    assert (rig.prefix / "var/lib/deployer/app/good").lstat().st_uid == 0


def test_the_rules_of_doctor_are_enough_and_allow_nothing_else(machine: Machine) -> None:
    """The whole story with the agent's rule alone; no shell, no other path, no variable of the caller."""
    rig, transport, layout = machine.rig()
    machine.allow(rules([USER], [layout]))
    with pytest.raises(Unreachable, match="sudo refuses"):
        rig.hosts.survey(rig.host)  # not installed, and the rule does not allow to install
    found = judge(Examiner(transport, "app", "/etc/app", "custom", password=False)(rig.host))
    assert [(point.what, point.fine) for point in found if not point.fine] == [("root", False)]
    install(layout)
    whole_story(rig)
    assert all(point.fine for point in judge(Examiner(transport, "app", "/etc/app", "custom", False)(rig.host)))

    def said(line: str) -> str:
        done = transport.run(rig.host, Command(line))
        return (done.stdout + done.stderr).decode()

    agent = layout.agent
    for line in (
        "sudo -n id",
        "sudo -n sh -c id",
        f"sudo -n sh {agent}",
        f"sudo -n {agent}x",
        f"sudo -n -u bin {agent}",
    ):
        assert "uid=" not in said(line)
        assert '"proto"' not in said(line), line
    assert '"proto"' in said(f"sudo -n {agent}")
    assert "not allowed to set" in said(f"sudo -n LD_PRELOAD=/x {agent}")
    transport.close()


def test_an_agent_of_the_users_own_is_not_run_as_root(machine: Machine) -> None:
    """They could put anything there."""
    rig, transport, layout = machine.rig()
    machine.allow(rules([USER], [layout]))
    install(layout)
    os.chown(Path(layout.agent).parent, 4711, 4711)
    with pytest.raises(Refused) as caught:
        rig.hosts.survey(rig.host)
    assert caught.value.code == "unsafe"
    transport.close()


def test_a_password_goes_to_sudo_and_nowhere_else(machine: Machine) -> None:
    """First adopt with the right to run sh: installs the agent, too. In no command line, in no file."""
    rig, transport, layout = machine.rig(PASSWORD)
    machine.allow(f"{USER} ALL = (root:root) ALL\n")
    whole_story(rig)
    left = [p for p in rig.prefix.rglob("*") if p.is_file() and PASSWORD.encode() in p.read_bytes()]
    assert left == []
    transport.close()
    assert PASSWORD not in repr(transport)
    log = machine.sandbox.hosts[0].prefix / "ssh/sudo.log"
    assert PASSWORD not in log.read_text()
    assert layout.agent.startswith(str(rig.prefix))


def test_a_password_that_sudo_does_not_want_is_not_part_of_the_payload(machine: Machine) -> None:
    """NOPASSWD and a password given all the same: the functions of the service arrive as they were sent."""
    rig, transport, layout = machine.rig(PASSWORD)
    machine.allow(f"{USER} ALL = (root:root) NOPASSWD: ALL\n")
    whole_story(rig)
    assert PASSWORD not in Path(layout.root, "service").read_text()
    transport.close()


@pytest.mark.parametrize(("password", "because"), [("wrong", "password"), (None, "a password is required")])
def test_without_the_right_password_nothing_runs(machine: Machine, password: str | None, because: str) -> None:
    """Said as what it is, and nothing was sent to the agent."""
    rig, transport, layout = machine.rig(password)
    machine.allow(f"{USER} ALL = (root:root) ALL\n")
    install(layout)
    with pytest.raises(Unreachable, match=f"sudo refuses.*{because}") as caught:
        rig.hosts.adopt(rig.host, order(ONE, 1))
    assert not caught.value.sent
    assert not Path(layout.root).exists()
    transport.close()
