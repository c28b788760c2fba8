"""`deploy init`: what is recognised, left out and written, without a host."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.local.new_files import DRAFT, already, write_new
from deployer.adapters.reading.inventory import environment_hosts, load_inventory
from deployer.adapters.reading.playbooks import load_health_checks, load_playbook
from deployer.cli import run
from deployer.commands.init import SERVICES
from deployer.engine import scaffold
from deployer.engine.deploy.first_check import health_check
from deployer.model.errors import DeployError, HostError, InputError, Unreachable, UsageError
from deployer.model.findings import Page, Watched, compare
from deployer.model.fleet import Fleet, Host
from deployer.model.release import Package, SourceFile
from deployer.model.remedy import named_in
from deployer.model.render import render, variables
from deployer.model.secret import SECRETS
from deployer.model.secret_file import as_template, secret_file
from deployer.remote import recognise, tree
from deployer.services.running import running
from deployer.wiring.finding import addressed, shut
from deployer.wiring.revision import refuse_lacking


@pytest.fixture(autouse=True)
def forget() -> None:
    SECRETS.forget()


# --- which server, and where


@pytest.mark.parametrize(
    ("service", "words", "folder", "entry"),
    [
        ("nginx", ("nginx: master process /usr/sbin/nginx -g daemon on; master_process on;",), "/etc/nginx", "nginx.conf"),
        ("nginx", ("nginx: master process nginx -p /opt/shop -c conf/nginx.conf",), "/opt/shop/conf", "nginx.conf"),
        ("varnish", ("/usr/sbin/varnishd", "-a", ":6081", "-f", "/etc/varnish/shop.vcl"), "/etc/varnish", "shop.vcl"),
        ("haproxy", ("/usr/sbin/haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg", "-p", "/run/x"), "/etc/haproxy", "haproxy.cfg"),
        ("squid", ("/usr/sbin/squid", "--foreground", "-sYC"), "/etc/squid", "squid.conf"),
        ("squid", ("squid", "-f/srv/squid/squid.conf"), "/srv/squid", "squid.conf"),
        ("apache", ("/usr/sbin/apache2", "-k", "start"), "/etc/apache2", "apache2.conf"),
        ("apache", ("/usr/sbin/httpd", "-DFOREGROUND"), "/etc/httpd", "conf/httpd.conf"),
        ("trafficserver", ("/usr/bin/traffic_manager",), "/etc/trafficserver", "records.config"),
    ],
)  # fmt: skip
def test_where_a_process_reads(service: str, words: tuple[str, ...], folder: str, entry: str) -> None:
    found = running(service, words)
    assert (found.folder, found.entry) == (folder, entry)


def test_what_a_phrasebook_must_be_told() -> None:
    assert running("varnish", ("varnishd", "-n", "/run/shop", "-f", "/etc/varnish/default.vcl")).vars == {
        "varnish_workdir": "/run/shop"
    }
    assert running("haproxy", ("haproxy", "-f", "/etc/haproxy/a.cfg", "-f", "/etc/haproxy/b.cfg")).vars == {
        "haproxy_files": "a.cfg b.cfg"
    }
    assert running("haproxy", ("haproxy", "-f", "/etc/haproxy/haproxy.cfg")).vars == {}
    assert running("apache", ("/usr/sbin/httpd",)).vars == {"apache_bin": "httpd", "apache_unit": "httpd"}
    assert (
        running("nginx", ("nginx: master process nginx",), built="/usr/local/nginx/conf/nginx.conf").folder
        == "/usr/local/nginx/conf"
    )


def test_what_a_host_says_of_its_processes() -> None:
    """Loopback after the ports for everybody; words of other answers are passed over."""
    said = (
        "user deploy 1000\nmotd: welcome\nprocess varnish 7 1 here\tvarnishd\t-a\t:80\t\n"
        "listens varnish 7 0100007F:1770\nlistens varnish 7 00000000:0050\nprocess nginx x\nbuilt nginx /etc/nginx/nginx.conf\n"
    )
    seen = recognise.seen(said.encode())
    assert (seen.user, seen.root, seen.built) == ("deploy", False, {"nginx": "/etc/nginx/nginx.conf"})
    assert [(p.service, p.words, p.ports) for p in seen.processes] == [
        ("varnish", ("varnishd", "-a", ":80"), (80, 6000))
    ]
    with pytest.raises(Unreachable):
        recognise.seen(b"\xff\x00 nothing of ours")
    with pytest.raises(Unreachable, match="may not log in"):
        recognise.answer(b"", 1, b"this account may not log in")


# --- what lies there


def test_a_folder_with_odd_things() -> None:
    """Each is named with its reason; what is left is what can be had."""
    digest = "0" * 64
    said = (
        f"folder open\nkind ssl/nowhere\nodd a b.conf\nclosed ssl/private\nbig dump.bin\n"
        f"file a b.conf\nfile nginx.conf\nfile secret.conf\nfile .manifest\nfile {'x' * 300}\n"
        f"sum {digest}  ./nginx.conf\nsum {digest}  ./a b.conf\nsum {digest}  ./.manifest\nsum {digest}  ./{'x' * 300}\nnoise\n"
    )
    found = tree.listing(said.encode(), "deploy")
    assert found.files == {"nginx.conf": digest}
    assert sorted(found.left_out) == ["a b.conf", "dump.bin", "secret.conf", "ssl/nowhere", "ssl/private/", "x" * 300]
    assert found.left_out["secret.conf"] == "deploy may not read it"
    assert "16 MiB" in found.left_out["dump.bin"]
    assert tree.listing(b"", "deploy").state == "absent"
    assert tree.listing(b"folder closed\n", "deploy").state == "closed"


@given(st.binary(max_size=2000))
def test_any_answer_is_an_answer(body: bytes) -> None:
    """Never anything but a HostError."""
    tree.listing(body, "deploy")
    for read in (tree.unpack, recognise.seen):
        with contextlib.suppress(HostError):
            read(body)


def test_several_archives_are_read_as_one() -> None:
    """A host without `tar -T` sends them so; what is no archive has no file."""
    made = []
    for name in ("./a.conf", "./b.conf"):
        with io.BytesIO() as out:
            with tarfile.open(fileobj=out, mode="w") as tar:
                member = tarfile.TarInfo(name)
                member.size = 2
                tar.addfile(member, io.BytesIO(b"x\n"))
            made.append(out.getvalue())
    assert tree.unpack(b"".join(made)) == {"a.conf": (b"x\n", False), "b.conf": (b"x\n", False)}


def test_a_server_that_nobody_knows_is_none() -> None:
    """Whatever a host calls it."""
    assert recognise.seen(b"user x 0\nprocess ftpd 7 1 here\tftpd\n").processes == ()


# --- secrets


def test_files_that_are_secrets() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\n"
    for path, content in {
        "ssl/shop.key": b"x", "ssl/both.pem": b"cert\n" + key, ".htpasswd": b"", "conf/shop.htpasswd": b"", "secret": b"x",
        "users": b"# people\nbob:$apr1$x$y\nann:{SHA}z\n", ".env": b"A=b", "id_ed25519": b"x",
    }.items():  # fmt: skip
        assert secret_file(path, content), path
    for path in ("ssl/shop.pem", "ssl/dhparam.pem", "conf.d/password.conf", "secret.conf", "mime.types"):
        assert not secret_file(path, b"-----BEGIN CERTIFICATE-----\n"), path


LINES = """\
  stats auth admin:hunter22
  user bob insecure-password s3cr3t!
  user al password $5$abc$def
proxy_set_header Authorization "Basic dXNlcjpwYXNz";
set req.http.Authorization = "Bearer abc.def";
if (req.http.X-Purge-Token != "tok123") {
cache_peer a parent 80 0 login=u:passw0rd
proxy_pass http://u:pw123@origin/;
fastcgi_param DB_PASSWORD hunterx9;
secure_link_secret foobar;
"""
HARMLESS = """\
ssl_password_file /etc/x;
auth_basic_user_file conf/htpasswd;
limit_req_zone $binary_remote_addr zone=token:10m rate=1r/s;
set $token $http_x_token;
log_format main '{{ x }} {% y $http_x_token';
SSLPassPhraseDialog exec:/usr/share/apache2/ask-for-passphrase
# stats auth admin:example
AuthBasicProvider file
"""


@pytest.mark.parametrize("line", LINES.splitlines())
def test_secrets_in_lines(line: str) -> None:
    """Each becomes a variable; the template renders to the same bytes and has the value no more."""
    text, hidden = as_template(f"a\n{line}\nlog '{{{{ x }}}} {{%'\n".encode(), 3, "nginx")
    (one,) = hidden
    assert (one.line, one.name) == (2, "nginx_secret_3")
    assert one.value.encode() not in text
    assert (
        render(SourceFile("a", text, template=True), {one.name: one.value}).decode()
        == f"a\n{line}\nlog '{{{{ x }}}} {{%'\n"
    )


@pytest.mark.parametrize("line", HARMLESS.splitlines())
def test_lines_without_a_secret(line: str) -> None:
    assert as_template(f"{line}\n".encode(), 1, "nginx") == (f"{line}\n".encode(), ())


@given(st.text(alphabet="ab {}%#\n'\"$;:", max_size=60), st.text(alphabet="ab {}%#\n'\";", max_size=60))
def test_a_template_gives_back_what_it_was_made_of(before: str, after: str) -> None:
    """Whatever signs of a template the file has itself."""
    content = f"{before}\nstats auth admin:hunter22\n{after}".encode()
    text, hidden = as_template(content, 1, "haproxy")
    assert render(SourceFile("a", text, template=True), {one.name: one.value for one in hidden}) == content


def test_what_is_taken() -> None:
    """Without secrets, templates of others, and twins; a file with a secret in a line is a template."""
    files = {
        "haproxy.cfg": (b"  stats auth admin:hunter22\n", False), "x.j2": (b"", False), "a.conf": (b"", True), "A.conf": (b"", False),
        "dos.cfg": (b"stats auth admin:hunter22\r\n", False), "shop.key": (b"", False), ".service": (b"", False),
    }  # fmt: skip
    taken = scaffold.take(files, {"odd name": "why"}, "haproxy")
    assert sorted(taken.files) == ["A.conf", "haproxy.cfg.j2"]
    assert sorted(taken.left_out) == [".service", "a.conf", "dos.cfg", "odd name", "shop.key", "x.j2"]
    assert [one.name for one in taken.hidden["haproxy.cfg"]] == ["haproxy_secret_1"]
    assert SECRETS.hide("hunter22") == "***"


def test_what_was_left_out_is_needed(tmp_path: Path) -> None:
    """But for what adopt itself refuses; a folder that may not be looked into is needed by whatever lies below it."""
    left_out = {"shop.key": "a key", "private/": "x may not look into it", "a b": tree.WHY["odd"], "nowhere": tree.WHY["kind"],
                "dump": tree.WHY["big"], ".service": scaffold.OURS}  # fmt: skip
    needs = scaffold.needed(left_out)
    assert needs == ["dump", "private/", "shop.key"]
    (tmp_path / "playbooks/nginx").mkdir(parents=True)
    file = tmp_path / "playbooks/nginx/playbook.yml"
    file.write_text(scaffold.playbook("nginx", "edge", "/etc/nginx", needs))
    book = load_playbook(tmp_path, "nginx")
    assert list(book.needs) == needs

    def push(*paths: str) -> None:
        packages = {"web1": Package("r", dict.fromkeys(paths, (b"", False)))}
        release = SimpleNamespace(packages=packages, id="r")
        refuse_lacking(SimpleNamespace(playbook=book), release)  # type: ignore[arg-type]

    push("dump", "private/any.pem", "shop.key")
    with pytest.raises(InputError, match=r"playbook.yml: needs private/: not in release r") as caught:
        push("dump", "shop.key", "privately")
    assert ".j2" not in caught.value.hint
    with pytest.raises(InputError, match=r"needs dump, private/, shop.key: not") as caught:
        push("nginx.conf")
    assert "playbooks/nginx/files/dump.j2" in caught.value.hint
    file.write_text("service: nginx\nhosts: edge\ndest: /etc/nginx\nneeds: [../shadow]\n")
    with pytest.raises(InputError, match=r"playbook.yml:4:\d+.*no file below dest"):
        load_playbook(tmp_path, "nginx")


def test_a_file_that_a_server_names() -> None:
    """Whole, and not as a part of another name."""
    said = 'cannot load certificate key "ssl/shop.key": BIO_new_file() failed, see ssl/old.pem.'
    assert named_in(said, ["key", "shop.key", "l/shop.key", "ssl/shop.key"]) == "ssl/shop.key"
    assert named_in(said, ["ssl/old.pem"]) == "ssl/old.pem"
    assert named_in(said, ["ssl/shop", "ssl/old", "old.pem.bak"]) == ""


def test_too_much_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaffold, "MAX_BYTES", 4 << 20)  # all of it is looked through for passwords
    with pytest.raises(InputError, match=r"5 MiB lie there.*4 MiB at most; the largest are d0, d1, d2"):
        scaffold.take({f"d{n}": (bytes(1 << 20), False) for n in range(5)}, {}, "nginx")


# --- where hosts differ, and which group it is for


def test_differences_are_said_by_file() -> None:
    found = compare(
        {"a": "1", "b": "1"}, {"web2": {"a": "1", "b": "2"}, "web3": {"a": "1", "c": "1"}}, {"web4": "gone"}
    )
    assert (found.changed, found.only, found.missing) == ({"b": ("web2",)}, {"c": ("web3",)}, {"b": ("web3",)})
    assert found.unseen == {"web4": "gone"}


def test_the_group() -> None:
    hosts = {name: Host(name) for name in ("web1", "web2", "db1")}
    groups = {
        "all": tuple(hosts),
        "production": ("web1", "web2"),
        "web": ("web1", "web2"),
        "canary": ("web1",),
        "varnish": ("web2", "db1"),
    }
    fleet = Fleet(hosts, groups, ("production",))
    assert scaffold.group_for(fleet, ["web1"], "nginx") == "web"
    assert scaffold.group_for(fleet, ["web2"], "varnish") == "varnish"
    assert scaffold.group_for(fleet, ["web1"], "nginx", "canary") == "canary"
    assert scaffold.group_for(fleet, ["web1", "db1"], "nginx") == "all"


def test_hosts_as_ssh_takes_them() -> None:
    assert addressed("deploy@web1.example.com:2222") == Host("web1.example.com", port=2222, user="deploy")
    assert addressed("[fe00::1]:22") == Host("fe00::1", port=22)
    for odd in ("", "web 1", "-oProxyCommand=x", "a@b@c d", "web1:99999", "web1:", "../x", "web\n1"):
        with pytest.raises(UsageError, match="is no host"):
            addressed(odd)


# --- the health check


@pytest.mark.parametrize(
    ("seen", "page", "has", "lacks"),
    [
        (Watched("/var/log/a.log", frozenset(("status", "cache", "time"))), Page(200, True), ("traffic: access_log", "hit_ratio", "cacheable: true"), ("auto",)),
        (Watched("/var/log/a.log", frozenset(("status", "time"))), Page(301), ("traffic: access_log", "expect: 301"), ("hit_ratio", "origin_ratio", "cacheable")),
        (Watched(lacking="nginx.conf:3: too little; add $request_time"), Page(), ("traffic: auto", "# nginx.conf:3: too little; add $request_time", "10/s"), ("hit_ratio",)),
        (Watched(lacking="x"), Page(200, None, "ssh"), ("via: ssh",), ("access_log",)),
    ],
)  # fmt: skip
def test_the_health_check(
    tmp_path: Path, seen: Watched, page: Page, has: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    """It is one that can be loaded."""
    text = health_check(seen, page)
    (tmp_path / "health_checks").mkdir()
    (tmp_path / "health_checks/a.yml").write_text(text)
    assert load_health_checks(tmp_path, ("a",)).probes
    assert all(word in text for word in has)
    assert not [word for word in lacks if word in text]


# --- writing


FILES = {
    "playbooks/nginx/files/a.conf": (b"a\n", True),
    "health_checks/nginx.yml": (b"b\n", False),
    "inventory.yml": (b"c\n", False),
}


def nothing() -> None:
    return


def tree_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("there", [False, True])
def test_all_is_written(tmp_path: Path, there: bool) -> None:
    """Into a new folder and into one that has other things; a second time there is nothing to do."""
    folder = tmp_path / "deep/shop"
    if there:
        (folder / "playbooks").mkdir(parents=True)
        (folder / "README").write_text("mine")
    assert write_new(folder, FILES, nothing) == sorted(FILES)
    assert (folder / "playbooks/nginx/files/a.conf").stat().st_mode & 0o777 == 0o755
    assert already(folder, FILES) == ([], "")
    assert write_new(folder, FILES, nothing) == []
    assert not [name for name in tree_of(tmp_path) if DRAFT in name]


@pytest.mark.parametrize("when", range(4))
def test_interrupted_nothing_is_half_written(tmp_path: Path, when: int) -> None:
    """At every step."""
    left = [None] * when

    def heed() -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()

    (tmp_path / "README").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        write_new(tmp_path, FILES, heed)
    assert tree_of(tmp_path) == ["README"]


def test_what_cannot_be_moved_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "inventory.yml":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(DeployError, match="No space left"):
        write_new(tmp_path, FILES, nothing)
    assert tree_of(tmp_path) == []


def test_others_files_are_never_replaced(tmp_path: Path) -> None:
    """The difference is shown; links and folders in the way are named."""
    (tmp_path / "inventory.yml").write_text("mine\n")
    names, difference = already(tmp_path, FILES)
    assert names == ["inventory.yml"]
    assert "-mine" in difference
    assert "+c" in difference
    (tmp_path / "health_checks").symlink_to("/etc")
    with pytest.raises(InputError, match="health_checks is in the way"):
        already(tmp_path, FILES)


# --- the command


@pytest.mark.parametrize("service", ["nginx", "varnish", "haproxy", "squid", "apache", "trafficserver"])
def test_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], service: str) -> None:
    """What is written can be loaded."""
    assert run(["init", str(tmp_path / "shop"), "--service", service]) == 0
    assert "deploy push" in capsys.readouterr().out.splitlines()[-1]
    book = load_playbook(tmp_path / "shop", service)
    fleet = load_inventory(tmp_path / "shop/inventory.yml")
    assert environment_hosts(fleet, book.hosts, None)[0] == "production"
    assert load_health_checks(tmp_path / "shop", book.health_checks).probes


def test_for_an_inventory_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stays as it is; every later command is told about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.ini").write_text("[web]\nweb1\nweb2\n[db]\ndb1\n")
    assert run(["init", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["next"][-1] == "deploy push nginx -i hosts.ini"
    assert not (tmp_path / "inventory.yml").exists()
    assert load_playbook(tmp_path, "nginx").hosts == "all"


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_written_beside_an_inventory_can_be_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    """A plan begins with it: the variables that the example needs are there, in a file of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.ini").write_text("[edge]\nweb1\nweb2\n[db]\ndb1\n[production:children]\nedge\n")
    assert run(["init", "--service", service]) == 0
    out = capsys.readouterr().out
    assert "inventory.yml" not in out
    assert f"{service}: an example, for the group" in out
    fleet = load_inventory(tmp_path / "hosts.ini", beside=tmp_path)
    top = tmp_path / "playbooks" / service / "files"
    names = fleet.groups[load_playbook(tmp_path, service).hosts]
    for path in top.rglob("*.j2"):
        for name in names:
            assert render(SourceFile(path.name, path.read_bytes(), template=True), variables(fleet.hosts[name]))
    asked = tmp_path / "group_vars/all.yml"
    assert asked.exists()
    assert "origin: the one in group_vars/all.yml is an example" in " ".join(out.split())
    before = tree_of(tmp_path)
    assert run(["init", "--service", service]) == 0
    assert tree_of(tmp_path) == before


def test_variables_of_a_group_that_are_there_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said what they lack."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.ini").write_text("[nginx]\nweb1\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/nginx.yaml").write_text("a: b\n")
    assert run(["init"]) == 0
    assert "origin: define it in hosts.ini for nginx" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "group_vars").iterdir()] == ["nginx.yaml"]
    (tmp_path / "group_vars/nginx.yaml").write_text("origin: shop:80\n")
    assert run(["init"]) == 0
    assert "origin" not in capsys.readouterr().out


def test_a_second_service_is_for_a_group_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The hosts of the first are not silently the second's."""
    assert run(["init", str(tmp_path / "x")]) == 0
    capsys.readouterr()
    assert run(["init", str(tmp_path / "x"), "--service", "haproxy"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    group = load_playbook(tmp_path / "x", "haproxy").hosts
    assert (
        f"haproxy: an example, for the group {group} of inventory.yml; none is called haproxy: see that `hosts:`" in out
    )


@pytest.mark.parametrize(
    ("state", "root", "runs", "why", "hint"),
    [
        ("absent", True, "nginx", "haproxy does not run there", "leave --service out: nginx runs there"),
        ("absent", True, "", "haproxy does not run there", "begin with an example"),
        ("absent", False, "haproxy", "though haproxy runs", "put it back"),
        ("closed", False, "", "may not be entered", "log in as root"),
        ("closed", True, "", "may not be entered", "what is mounted there"),
    ],
)
def test_why_a_folder_gives_nothing(state: str, root: bool, runs: str, why: str, hint: str) -> None:
    """The hint is of use to who is root already, too."""
    processes = (recognise.Process(runs, 7, 1, False, (runs,)),) if runs else ()
    said = shut("haproxy", state, recognise.Seen("root" if root else "deploy", root, processes, {}))
    assert why in said[0]
    assert hint in said[1]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--inventory", "nowhere.yml"], "no such file", 1),
        (["--inventory", ""], "given and empty", 64),
        (["--from", "nobody", "-i", "hosts.ini"], "no host or group is called", 64),
        (["--from", "a b"], "is no host", 64),
        (["--from", "web1,web1"], "names web1 twice", 64),
        (["--service", "iis"], "is not one of", 64),
        (["--from", "127.0.0.1:1"], "cannot read 127.0.0.1", 1),
        (["file"], "cannot write in file: Not a directory", 1),
        (["/proc/nothing"], "cannot write in /proc/nothing", 1),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
    code: int,
) -> None:
    """By name, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts.ini").write_text("[web]\nweb1\n")
    (tmp_path / "file").write_text("")
    if words[0] == "--from" and "-i" not in words:
        (tmp_path / "hosts.ini").unlink()
    before = tree_of(tmp_path)
    assert run(["init", *words]) == code
    out = capsys.readouterr()
    assert said in out.err
    assert "Traceback" not in out.err
    assert tree_of(tmp_path) == before


def test_what_is_there_is_shown_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    (tmp_path / "health_checks/nginx.yml").write_text("mine\n")
    before = tree_of(tmp_path)
    assert run(["init"]) == 1
    out = capsys.readouterr()
    assert "health_checks/nginx.yml in .: there already" in out.err
    assert "-mine" in out.err
    assert tree_of(tmp_path) == before
    assert (tmp_path / "health_checks/nginx.yml").read_text() == "mine\n"
