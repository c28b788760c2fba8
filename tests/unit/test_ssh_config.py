"""ssh_config as ssh reads it: every keyword of `ssh -G` and of ssh_config(5) is honoured, without effect, or refused by
name; tokens are what ssh makes of them."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from pathlib import Path

import pytest

from deployer.adapters.ssh.ask import defaults, tokens
from deployer.adapters.ssh.config import Target, resolve
from deployer.adapters.ssh.keywords import KEYWORDS, REFUSED
from deployer.adapters.ssh.known_hosts import files_of, read_known_hosts
from deployer.model.errors import InputError
from deployer.model.fleet import Host

pytestmark = pytest.mark.needs("ssh")  # which is asked what it makes of every line

MANUAL = Path("/usr/share/man/man5/ssh_config.5.gz")
ODD = {  # values of keywords that take neither yes nor a number nor a name
    "AddKeysToAgent": "confirm", "AddressFamily": "inet", "BindAddress": "127.0.0.1", "CanonicalDomains": "example.com",
    "CanonicalizeHostname": "no", "CASignatureAlgorithms": "ssh-ed25519", "Ciphers": "aes256-ctr",
    "ConnectTimeout": "7", "DynamicForward": "1080", "EscapeChar": "none", "FingerprintHash": "md5",
    "ForwardX11Timeout": "60", "GatewayPorts": "yes", "HostKeyAlgorithms": "ssh-ed25519", "IPQoS": "none none",
    "HostbasedAcceptedAlgorithms": "ssh-ed25519", "KexAlgorithms": "curve25519-sha256", "LocalForward": "1 a:2",
    "LogLevel": "DEBUG", "LogVerbose": "kex.c:*:1000", "MACs": "hmac-sha2-256", "Match": "all", "Port": "2222",
    "PermitRemoteOpen": "any", "PreferredAuthentications": "publickey,password", "ProxyCommand": "nc %h %p",
    "ProxyJump": "gate", "PubkeyAcceptedAlgorithms": "ssh-ed25519", "RekeyLimit": "1G", "RemoteForward": "1 a:2",
    "RequestTTY": "force", "RequiredRSASize": "3000", "SendEnv": "LANG", "SessionType": "none", "SetEnv": "A=b",
    "StreamLocalBindMask": "0077", "SyslogFacility": "DAEMON", "Tunnel": "point-to-point", "TunnelDevice": "1:1",
    "CanonicalizeMaxDots": "2", "CanonicalizePermittedCNAMEs": "none", "UpdateHostKeys": "ask", "ForkAfterAuthentication": "no", "ConnectionAttempts": "3", "Include": "/none",
    "NumberOfPasswordPrompts": "2", "ServerAliveCountMax": "4", "ServerAliveInterval": "5", "IgnoreUnknown": "Foo",
    "BindInterface": "lo", "GSSAPIKexAlgorithms": "gss-gex-sha1-",
}  # fmt: skip
NAMED = re.compile(
    r"File|Agent$|Provider|Location|KnownHostsCommand|^LocalCommand|RemoteCommand|Alias|Path$|Identity$|HostKeys|User$|Hostname|Devices"
)


def write(folder: Path, text: str) -> str:
    (folder / "config").write_text(text)
    return str(folder / "config")


def manual() -> set[str]:
    text = gzip.decompress(MANUAL.read_bytes()).decode()
    return {line.split()[2] for line in text.splitlines() if re.match(r"\.It Cm [A-Z]", line)}


def test_every_keyword_has_a_meaning_here() -> None:
    """Of the ssh that is installed: what its manual lists and what it prints."""
    assert set(defaults()) <= set(KEYWORDS)
    assert len(defaults()) > 60
    if MANUAL.is_file():
        assert {name.lower() for name in manual()} <= set(KEYWORDS)


@pytest.mark.parametrize("keyword", [name for name, _, _ in KEYWORDS.values()])
def test_what_is_set_is_honoured_or_refused_by_name(keyword: str, tmp_path: Path) -> None:
    """Against `ssh -G`: one keyword is set; what is refused names host, keyword and file, and everything else goes."""
    value = ODD.get(keyword, "/a/file" if NAMED.search(keyword) else "yes")
    path = write(tmp_path, f"Host other\n  Port 1\nMatch host web1\n  {keyword} {value}\n")
    said = subprocess.run(["ssh", "-G", "-F", path, "web1"], capture_output=True, text=True, check=False)
    if "Bad configuration option" in said.stderr:
        pytest.skip(f"{keyword} is not known to the ssh that is here")
    assert said.returncode == 0
    if keyword not in REFUSED:
        assert resolve(Host("web1"), path)
        return
    with pytest.raises(InputError) as caught:
        resolve(Host("web1"), path)
    assert (
        f"cannot connect to web1: {keyword} is not supported here ({path}:4): {REFUSED[keyword]}"
        == caught.value.message
    )
    assert resolve(Host("web2"), path), "another host is not concerned"


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("PreferredAuthentications publickey", True),
        ("PreferredAuthentications password,keyboard-interactive", False),
        ("PubkeyAuthentication no", False),
        ("PubkeyAuthentication unbound", True),
    ],
)
def test_public_keys_are_the_only_way(line: str, good: bool, tmp_path: Path) -> None:
    """A configuration that leaves them out is not overruled."""
    path = write(tmp_path, line + "\n")
    if good:
        assert resolve(Host("web1"), path)
        return
    with pytest.raises(
        InputError, match=f"{line.partition(' ')[0]} is not supported here .*config:1.: public keys are"
    ):
        resolve(Host("web1"), path)


def test_a_keyword_that_nobody_knows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer ssh than this table."""
    monkeypatch.setattr("deployer.adapters.ssh.config.ask_ssh", lambda *_: {**defaults(), "postquantumonly": "yes"})
    with pytest.raises(InputError, match=r"postquantumonly is not supported here .*not known to this version"):
        resolve(Host("web1"), write(tmp_path, ""))


def test_tokens_are_what_ssh_makes_of_them(tmp_path: Path) -> None:
    """`Match exec` is given them by ssh itself."""
    letters, out = "CdiLlnpru", tmp_path / "out"
    asked = "|".join(f"%{letter}" for letter in letters)
    path = write(
        tmp_path,
        f"Host web1\n HostName 127.0.0.1\n Port 22\nMatch exec \"printf '%%s' '{asked}' > {out}\"\n User bob\n",
    )
    ours = tokens("web1", "deploy", 2200, path)
    subprocess.run(["ssh", "-G", "-F", path, "-l", "deploy", "-p", "2200", "web1"], check=True, capture_output=True)
    theirs = dict(zip(letters, out.read_text().split("|"), strict=True))
    assert {letter: ours[letter] for letter in letters} == theirs


def test_tokens_in_every_keyword(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ssh -G` gives some expanded and some as they were written."""
    monkeypatch.setenv("KEYS", str(tmp_path))
    for name in ("id-10.0.0.1-2222", "cert-deploy-web1.pub"):
        (tmp_path / name).write_text("")
    path = write(
        tmp_path,
        "Host web1\n  HostName 10.0.0.1\n  Port 2222\n  User deploy\n  IdentityFile ${KEYS}/id-%h-%p\n"
        f"  CertificateFile {tmp_path}/cert-%r-%n.pub\n  IdentityAgent /run/%n-%r.sock\n"
        f"  UserKnownHostsFile {tmp_path}/known-%h\n  ProxyJump %r@gate-%n,second\n"
        "Host other\n  User deploy\n  ProxyCommand nc -x %r.proxy %h %p %% %n\n",
    )
    found = resolve(Host("web1"), path)
    assert found.identities == (f"{tmp_path}/id-10.0.0.1-2222",)
    assert found.certificates == (f"{tmp_path}/cert-deploy-web1.pub",)
    assert (found.agent, found.known_hosts[0]) == ("/run/web1-deploy.sock", f"{tmp_path}/known-10.0.0.1")
    assert [hop.hostname for hop in found.jumps] == ["gate-web1", "second"]
    assert found.jumps[0].user == "deploy"
    assert resolve(Host("other"), path).command == "nc -x deploy.proxy other 22 % other"


def test_a_token_or_a_variable_that_is_not_there(tmp_path: Path) -> None:
    """As with ssh: an error that names it."""
    with pytest.raises(InputError, match=r"cannot expand \$\{NOT_SET\} in IdentityFile .*it is not set"):
        resolve(Host("web1"), write(tmp_path, "IdentityFile ${NOT_SET}/key\n"))
    with pytest.raises(InputError, match="cannot expand %z in IdentityFile"):
        resolve(Host("web1"), write(tmp_path, "IdentityFile /keys/%z\n"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("none", ""),
        ("SSH_AUTH_SOCK", "/run/usual"),
        ("$MINE", "/run/mine"),
        ("${MINE}", "/run/mine"),
        ("~/agent.sock", "HOME/agent.sock"),
        ("", "/run/usual"),
    ],
)
def test_which_agent(value: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IdentityAgent in all its forms."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/usual")
    monkeypatch.setenv("MINE", "/run/mine")
    monkeypatch.setenv("SSH_MINE", "/run/mine")
    path = write(tmp_path, f"IdentityAgent {value}\n" if value else "")
    assert resolve(Host("web1"), path).agent == found.replace("HOME", os.path.expanduser("~"))


def test_a_list_of_jumps_is_one_way(tmp_path: Path) -> None:
    """`ProxyJump a,b`: a by its own configuration, b through a, as `ssh -J a,b` goes."""
    path = write(
        tmp_path,
        "Host web1\n  ProxyJump a,b\nHost a\n  ProxyJump first\nHost b\n  ProxyCommand false\nHost first\n"
        "  ProxyCommand nc %h %p\n",
    )
    jumps: tuple[Target, ...] = resolve(Host("web1"), path).jumps
    assert [(hop.hostname, hop.command) for hop in jumps] == [("first", "nc first 22"), ("a", ""), ("b", "")]


def test_a_user_that_would_be_a_command(tmp_path: Path) -> None:
    """What the inventory gives never becomes words of a ProxyCommand's shell."""
    with pytest.raises(InputError, match=r"cannot be in a ProxyCommand|invalid characters"):
        resolve(Host("web1", user="$(touch x)"), write(tmp_path, "ProxyCommand nc %r %h\n"))


def test_the_page_says_what_every_keyword_means() -> None:
    """docs/SSH_AND_GIT.md, one row for each meaning."""
    page = (Path(__file__).parents[2] / "docs/SSH_AND_GIT.md").read_text().splitlines()
    for name, what, why in KEYWORDS.values():
        assert any(f"`{name}`" in row and row.endswith(f"| {what} | {why} |") for row in page), name


def test_known_hosts_in_folders_with_spaces(tmp_path: Path) -> None:
    """Quoted, several, global and of the user: what is read are the files that ssh reads. `none` is no file, and above
    all not one of that name in the checkout."""
    folder = tmp_path / "my hosts  here"
    folder.mkdir()
    for name in ("known", "known 2"):
        (folder / name).write_text(f"{name.replace(' ', '-')} ssh-ed25519 AAAA\n")
    (tmp_path / "plain").write_text("plain ssh-ed25519 AAAA\n")
    (tmp_path / "none").write_text("evil ssh-ed25519 AAAA\n")
    config = write(
        tmp_path,
        f'Host web1\n  UserKnownHostsFile "{folder}/known" {tmp_path}/plain /nowhere "{folder}/known 2"\n'
        f'  GlobalKnownHostsFile "{folder}/known"\nHost web2\n  UserKnownHostsFile none\n  GlobalKnownHostsFile none\n',
    )
    found = resolve(Host("web1"), config).known_hosts
    assert found == (f"{folder}/known", f"{tmp_path}/plain", "/nowhere", f"{folder}/known 2", f"{folder}/known")
    assert [line.names for line in read_known_hosts(found)] == ["known", "plain", "known-2", "known"]
    assert resolve(Host("web2"), config).known_hosts == ()
    assert files_of('"/a b" ~/c') == ("/a b", "~/c")  # as the reader without an ssh client gives it
