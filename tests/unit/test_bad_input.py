"""Every row of the bad input table (FAULTS, section 6): its clear error, its exit code; nothing contacted, nothing
written. Rows that need a host, or that this product cannot have, say where they are tested or why not."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from deployer.adapters.reading.inventory import load_inventory
from deployer.adapters.ssh.known_hosts import read_known_hosts
from deployer.cli import run
from deployer.model.secret import SECRETS
from tests.needs import need
from tests.unit.test_git import git

INVENTORY = """\
all:
  children:
    edge: {hosts: {"web[1:3]": {}}}
    production: {children: {edge: {}}}
    staging: {hosts: {stage1: {}}}
"""
PLAYBOOK = "service: nginx\nhosts: edge\ndest: /etc/nginx\nhealth_checks: [shop]\n"
CHECK = "probes: [{name: home, url: /, rate: 5/s}]\n"
PLACE = r":\d+:\d+: "


@dataclass
class Row:
    """number: of the table. files: what differs from a good repository. says: a regular expression on stderr. place: the
    error names file:line:column with a caret."""

    number: int
    says: str
    files: dict[str, str | bytes] = field(default_factory=dict)
    words: tuple[str, ...] = ("plan",)
    code: int = 1
    place: bool = True
    before: Callable[[Path], object] | None = None
    environ: dict[str, str] = field(default_factory=dict)
    committed: bool = True


def inv(number: int, says: str, text: str | bytes, **more: object) -> Row:
    return Row(number, says, {"inventory.yml": text}, **more)  # type: ignore[arg-type]


def book(number: int, says: str, text: str, **more: object) -> Row:
    return Row(number, says, {"playbooks/nginx/playbook.yml": text}, **more)  # type: ignore[arg-type]


def check(number: int, says: str, text: str, **more: object) -> Row:
    return Row(number, says, {"health_checks/shop.yml": text}, words=("check",), **more)  # type: ignore[arg-type]


def conf(number: int, says: str, path: str, content: str | bytes = "x\n", **more: object) -> Row:
    return Row(number, says, {f"playbooks/nginx/files/{path}": content}, place=False, **more)  # type: ignore[arg-type]


def cli(number: int, says: str, *words: str, code: int = 64, **more: object) -> Row:
    return Row(number, says, words=words, code=code, place=False, **more)  # type: ignore[arg-type]


def hosts(text: str) -> str:
    return INVENTORY.replace('"web[1:3]": {}', text)


def special(mode: str, path: str) -> Callable[[Path], object]:
    """Put an entry that no work tree need hold into the index."""

    def add(root: Path) -> None:
        words = ["git", "hash-object", "-w", "--stdin"]
        done = subprocess.run(words, cwd=root, input="/etc/passwd", capture_output=True, text=True, check=True)
        sha = git(root, "rev-parse", "HEAD") if mode == "160000" else done.stdout.strip()
        git(root, "update-index", "--add", "--cacheinfo", f"{mode},{sha},playbooks/nginx/files/{path}")
        git(root, "commit", "-q", "-m", "special")

    return add


def hostile_tree(entry: str) -> Callable[[Path], object]:
    """A commit whose tree of files/ has an entry that no index would hold."""

    def add(root: Path) -> None:
        def tree(text: str) -> str:
            done = subprocess.run(["git", "mktree"], cwd=root, input=text, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        blob = git(root, "rev-parse", "HEAD:playbooks/nginx/files/nginx.conf")
        inner = tree(f"100644 blob {blob}\t{entry}\n") if entry != ".." else tree(f"100644 blob {blob}\tx.conf\n")
        files = tree(f"040000 tree {inner}\t..\n") if entry == ".." else inner
        nginx = tree(f"040000 tree {files}\tfiles\n")
        top = tree(f"040000 tree {tree(f'040000 tree {nginx}' + chr(9) + 'nginx' + chr(10))}\tplaybooks\n")
        git(root, "reset", "-q", "--soft", git(root, "commit-tree", "-m", "hostile", top))

    return add


def two_objects(root: Path) -> None:
    """Commits until two of them begin with the same four digits: short names are ambiguous."""
    tree, seen = git(root, "rev-parse", "HEAD^{tree}"), dict[str, str]()
    stream = "".join(
        f"commit refs/heads/many\ncommitter t <t@t> {n} +0000\ndata 1\n{n % 10}\n" for n in range(1000, 3500)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream, text=True, check=True)
    assert tree
    for sha in git(root, "rev-list", "many").split():
        if sha[:4] in seen:
            (root / ".git/ambiguous").write_text(sha[:4])
            return
        seen[sha[:4]] = sha
    raise AssertionError("no two of them")


def shallow(root: Path) -> None:
    for n in range(2):
        git(root, "commit", "-q", "--allow-empty", "-m", str(n))
    shutil.move(root, root.with_name("full"))
    git(root.parent, "clone", "-q", "--depth", "1", f"file://{root.with_name('full')}", root.name)


def no_path(root: Path) -> None:
    """A PATH with nothing on it is set by the row's environ; the folder must be there."""
    (root.parent / "empty").mkdir()


ROWS = [
    inv(1, "no hosts are defined", "", place=False),
    inv(1, "no hosts are defined", "# only a comment\n", place=False),
    inv(2, "not YAML", "all:\n\thosts: {}\n"),
    inv(2, "not YAML", "all: [\n"),
    inv(2, "mapping values are not allowed", "a: b: c\n"),
    inv(2, "not UTF-8", b"all: \xff\n", place=False),
    inv(3, "a second document begins here; one is expected", INVENTORY + "---\na: {}\n"),
    inv(4, r"`web1` is defined twice \(lines 3 and 4\)", "all:\n  hosts:\n    web1: {}\n    web1: {}\n"),
    inv(5, "merge keys are not allowed", "all: {hosts: {a: {<<: {b: c}}}}\n"),
    inv(5, "anchors and aliases are not allowed", "x: &a {hosts: {h: {}}}\ny: *a\n"),
    inv(6, "larger than 1 MiB", "#" * 5 * 1024 * 1024, place=False),
    inv(6, "nested deeper than 50", "{a: " * 20_000 + "1" + "}" * 20_000),
    inv(7, "python/object.* is not allowed here", "all: {hosts: {a: !!python/object:os.system {}}}\n"),
    inv(7, "!vault is not allowed here", "all: {hosts: {a: {p: !vault x}}}\n"),
    inv(8, "did you mean no\\?", hosts("'no': {}, 'on': {}, 1e3: {}, '0777': {}"), words=("plan", "-l", "noo"), code=64, place=False),
    *(
        inv(9, "`ansible_port` is .*; a whole number 1 to 65535 is allowed", hosts(f"web1: {{ansible_port: {bad}}}"))
        for bad in ("22:22", "0022", "22.0", "-1", "70000", "no")
    ),
    inv(8, "`no` is no text but of type bool in YAML.*put it in quotes", hosts("no: {}")),
    inv(10, r"unknown key `hots`.*did you mean `hosts`\?", "all: {hots: {a: {}}}\n"),
    *(
        inv(11, "is not a host name or address", hosts(f"{bad}: {{}}"))
        for bad in ("-oProxyCommand=x", "a b", "'web1;id'", '"web1\\nid"', '"web\\0"', "web☃", "x" * 300, "'$(id)'")
    ),
    inv(12, r"`tier` is 2 here and 1 elsewhere \(line 1\)", "a: {hosts: {h: {tier: 1}}}\nb: {hosts: {h: {tier: 2}}}\n"),
    inv(13, "groups go in a circle: a > b > a", "a: {children: {b: {children: {a: {hosts: {h: {}}}}}}}\n"),
    inv(14, r"group edgee is mentioned here and has no hosts.*did you mean `edge`\?", INVENTORY.replace("{children: {edge: {}}}", "{children: {edgee: {}}}")),
    Row(14, "group edgee is mentioned here", {"hosts": "[edge]\nweb1\n[production:children]\nedgee\n"}, ("plan", "-i", "hosts")),
    inv(15, r"web1 and web2 are the same machine \(10.0.0.1\)", hosts("web1: {ansible_host: 10.0.0.1}, web2: {ansible_host: 10.0.0.1}"), place=False),
    book(16, "'0' is not a wave size", PLAYBOOK + "serial: [0]\n"),
    inv(17, "secrets are not read from the inventory.*NOPASSWD rule", hosts("web1: {ansible_become_password: hunter2}")),
    inv(18, "templates in the inventory are not supported", hosts("web1: {origin: '{{ x }}'}")),
    inv(18, "dynamic inventory scripts are not run", "#!/bin/sh\necho {}\n", place=False),
    Row(18, "nginx.conf:1:1: .* is not key=value", words=("plan", "-i", "playbooks/nginx/files")),
    Row(18, "no inventory lies in this folder", {"empty/notes.txt": "x\n"}, words=("plan", "-i", "empty"), place=False),
    Row(19, "include cannot be honoured without an ssh client.*install", {".git/ssh": "Include other\n"}, place=False, before=no_path,
        environ={"PATH": "{root}/../empty", "DEPLOY_SSH_CONFIG": "{root}/.git/ssh"}, committed=False),
    book(21, "this is an Ansible playbook", "- hosts: edge\n  tasks: []\n"),
    book(21, r"unknown key `steps`", PLAYBOOK + "steps: [reload, check]\n"),
    book(22, r"'ngnix' is not one of nginx, varnish, .*did you mean `nginx`\?", PLAYBOOK.replace("nginx\nh", "ngnix\nh")),
    *(
        book(23, says, PLAYBOOK + text)
        for text, says in {
            "confirm_timeout: 5\n": "'5' is not a duration; write a number with ms, s, m or h",
            "confirm_timeout: 2s\n": "must be 5s to 1h",
            "bake: 0s\n": "must be longer than nothing",
            "bake: 3 days\n": "is not a duration",
            "bake: 10 minuts\n": "is not a duration",
        }.items()
    ),
    book(24, "24h at most", PLAYBOOK + "bake: 1000h\n"),
    book(24, "renewed every third of it", PLAYBOOK + "confirm_timeout: 100h\n"),
    *(
        book(25, "must be an absolute path|is not a path", PLAYBOOK.replace("/etc/nginx", bad))
        for bad in ("../x", "/etc/../x", "'~'", "~/nginx", "/", "/etc/nginx;id", "'/etc/$(id)'")
    ),
    book(25, "no health check is called '../../x'", PLAYBOOK.replace("[shop]", "[../../x]"), words=("check",), place=False),
    conf(26, r"a\.conf\.j2:2: 'http_prt' is undefined.*did you mean http_port\?", "a.conf.j2", "x\nlisten {{ http_prt }};\n"),
    conf(26, r"a\.conf\.j2: the template does not end", "a.conf.j2", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\n"),
    conf(26, r"a\.conf\.j2.*(MiB|too large)", "a.conf.j2", "{{ 'x' * 9999999999 }}\n"),
    conf(26, r"a\.conf\.j2.*unsafe", "a.conf.j2", "{{ ''.__class__.__mro__ }}\n"),
    book(27, "`custom.check`", "service: custom\nhosts: edge\ndest: /etc/x\ncustom: {check: [a, b], activate: a, verify: b}\n"),
    cli(28, "no host of 'edge' is in staging", "plan", "-e", "staging"),
    *(
        check(29, "neither a path nor http", f"probes: [{{name: a, url: '{bad}'}}]\n")
        for bad in ("www.example.com/", "file:///etc/passwd", "gopher://x/")
    ),
    check(30, "link-local", "probes: [{name: a, url: 'http://169.254.169.254/latest/meta-data/'}]\n"),
    check(30, "link-local", "probes: [{name: a, url: 'http://[::ffff:169.254.169.254]/'}]\n"),
    *(
        check(31, says, f"limit: {{{text}}}\n")
        for text, says in {
            "error_rate: 5": "is not a percentage; write 0% to 100%",
            "error_rate: nan": "is not a percentage",
            "error_rate: inf": "is not a percentage",
            "error_rate: 500%": "is not a percentage",
            "latency_p99: -1ms": "is not a duration",
        }.items()
    ),
    cli(34, "not a regular expression", "plan", "-l", f"~{'(' * 3000}x{')' * 3000}"),
    cli(34, "not a regular expression", "plan", "-l", "~a{99999999999999999999}"),
    Row(36, "is not in a git repository.*git init", before=lambda root: shutil.rmtree(root / ".git"), place=False),
    Row(36, "no inventory.yml and no playbooks", before=lambda root: git(root.parent, "clone", "-q", "--bare", "work", "bare"),
        words=("plan",), code=64, place=False, environ={"CHDIR": "{root}/../bare"}),
    Row(36, "the history of this clone ends.*git fetch --unshallow", before=shallow, place=False),
    Row(36, "git cannot be run.*install git", before=no_path, place=False, environ={"PATH": "{root}/../empty"}),
    cli(37, r"cannot find the revision 'mian'.*did you mean `main`\?", "plan", "-r", "mian", code=1),
    cli(37, "is not a revision", "plan", "-r", "--output=x", code=1),
    cli(37, "is ambiguous: commit", "plan", "-r", "@ambiguous", code=1, before=two_objects),
    cli(38, "it is not a commit", "plan", "-r", "tree", code=1, before=lambda root: git(root, "tag", "tree", "HEAD^{tree}")),
    *(
        book(number, says, PLAYBOOK + text, place=False, before=lambda root: (root / "empty").write_text("# none\n"), committed=False)
        for number, text, says in [
            (41, "require_signed: true\nallowed_signers: s\n", "is not signed"),
            (42, "require_signed: true\n", "one allowed_signers file is needed, none is named"),
            (42, "require_signed: true\nallowed_signers: nowhere\n", "nowhere: No such file"),
            (42, "require_signed: true\nallowed_signers: empty\n", "lists no key"),
        ]
    ),
    conf(43, r"files/conf.d/link: a link to '/etc/passwd', which is absolute", "a", before=special("120000", "conf.d/link")),
    conf(43, r"files/sub: a submodule \(mode 160000\)", "a", before=special("160000", "sub")),
    conf(43, "big.conf: a Git LFS pointer", "big.conf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    *(
        conf(44, "the file name is not allowed", bad)
        for bad in ("a b.conf", "-x.conf", "a\nb.conf", "a'b.conf", 'a"b.conf', "é.conf", "d" * 200 + "/" + "x" * 100, "a;b", "$(id)")
    ),
    conf(44, "the path leaves the tree", "a", before=hostile_tree("..")),
    conf(44, "a.conf: collides with A.conf", "A.conf", before=special("100644", "a.conf")),
    conf(44, "this name is used by the deployer", ".manifest"),
    Row(45, "nothing to deploy", before=lambda root: (git(root, "rm", "-rq", "playbooks/nginx/files"), git(root, "commit", "-qm", "x")), place=False),
    conf(45, "more than 5000 files or 64 MiB", "big", b"0" * (65 << 20)),
    cli(48, r"no command is called 'pusk'.*did you mean push\?", "pusk"),
    cli(48, "No such option.*--limit", "plan", "--limt", "x"),
    cli(51, "no host or group is called 'web9'.*did you mean web3", "plan", "-l", "web9"),
    cli(51, "matches no host.*groups: all, edge", "plan", "-l", "edge:!edge"),
    cli(51, "leaves no host of edge in production", "plan", "-l", "stage1", code=1),
    *(
        cli(52, "without a terminal.*pass --yes", *words)
        for words in (("push",), ("rollback",), ("adopt",), ("confirm",), ("abort",), ("lock", "release"))
    ),
    inv(53, "which environment.*production, canary", INVENTORY.replace("    staging", "    canary: {children: {edge: {}}}\n    staging"), code=64, place=False),
    cli(54, "plan.json and --revision contradict each other", "push", "--yes", "plan.json", "-r", "main"),
    cli(54, "plan.json and --environment contradict each other", "push", "--yes", "plan.json", "-e", "staging"),
    cli(54, "0 is not in the range", "plan", "-f", "0"),
]  # fmt: skip

ELSEWHERE = {
    20: "accepted, not refused: tests/fleet/test_host_keys.py logs in with @cert-authority; the reader is tested below",
    32: "the query needs a Prometheus: tests of the sources; a query that gives no series is `no data`, never healthy",
    33: "cannot be: every bake ends by itself (a watch past three times its length is inconclusive), tests/unit/test_watch.py",
    35: "needs hosts: `ill before any change`, tests/unit/test_push.py",
    39: "a warning by design: a release is read from the revision, never from the work tree (test_git.py: dirty)",
    40: "not a rule of this product: what may be deployed is said by signatures (row 41) and by who may push the branch",
    46: "needs hosts: exit 0 and `unchanged`, tests/unit/test_push.py",
    47: "not a rule of this product: an old release is a release; plan shows the change, and what was reverted is quarantined",
    49: "needs hosts: tests/unit/test_rollback.py",
    50: "needs hosts: tests/unit/test_rollback.py",
    55: "Python: requires-python of the package and script/setup; git: row 36 here; ssh: row 19 here",
    56: "known at the first key only: `host key ... is unknown; connect once with ssh`, tests/fleet/test_ssh.py",
    57: "needs hosts: a missing agent is installed, another protocol names both versions, tests/unit/test_verbs.py",
    58: "cannot be: the proof is in the server's own process, not in a marker of the configuration (services/base.py)",
}


def test_every_row_is_here() -> None:
    """58 rows, each once tested or once explained."""
    assert sorted({row.number for row in ROWS} | set(ELSEWHERE)) == list(range(1, 59))
    assert not {row.number for row in ROWS} & set(ELSEWHERE)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with nothing wrong."""
    root = tmp_path_factory.mktemp("good") / "work"
    files = {"inventory.yml": INVENTORY, "playbooks/nginx/playbook.yml": PLAYBOOK, "health_checks/shop.yml": CHECK,
             "playbooks/nginx/files/nginx.conf": "events {}\n", "plan.json": '{"playbook": "nginx", "environment": "production", "revision": "HEAD", "release": "", "waves": [], "hosts": {}}',
             "s": "alice ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJOZ\n"}  # fmt: skip
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "good")
    return root


@pytest.fixture(autouse=True)
def sealed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """No socket may be used; what tries is written down, whatever becomes of the error."""
    tried: list[str] = []

    def refuse(*words: object, **more: object) -> NoReturn:
        tried.append(repr(words))
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in [name for name in os.environ if name.startswith("DEPLOY_")]:
        monkeypatch.delenv(name)
    yield tried
    SECRETS.forget()


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Everything below it, git's own files too."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        found[str(path)] = f"{stat.st_mtime_ns} {stat.st_size} {stat.st_mode}"
    return found


def show(row: Row) -> str:
    return re.sub(r"\W+", "-", f"{row.number} {row.says}")[:50]


@pytest.mark.parametrize("row", ROWS, ids=show)
def test_row(row: Row, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: list[str],
             capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Exit 1 or 64, the text, the place; 0 connections, 0 writes, no traceback."""
    monkeypatch.setattr("deployer.adapters.local.rendering.SECONDS", 3.0)
    if row.number == 41:  # signatures
        need("ssh-keygen")
    root = tmp_path / "work"
    shutil.copytree(good, root, symlinks=True)
    for name, text in row.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    if row.files and row.committed:
        git(root, "add", "-A")
        git(root, "commit", "-qm", "bad")
    if row.before:
        row.before(root)
    words = [(root / ".git/ambiguous").read_text() if word == "@ambiguous" else word for word in row.words]
    environ = {name: value.format(root=root) for name, value in row.environ.items()}
    monkeypatch.chdir(environ.pop("CHDIR", str(root)))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    before = snapshot(tmp_path)
    code = run(words)
    said = capsys.readouterr()
    text = " ".join(said.err.split("\n"))
    assert re.search(row.says, text), said.err
    assert code == row.code, said.err
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert "hunter2" not in said.err
    if row.place:
        assert re.search(PLACE, said.err), said.err
        assert re.search(r"^ +\| +\^+$", said.err, re.MULTILINE), said.err
    assert sealed == []
    assert snapshot(tmp_path) == before


def test_row_20_is_read(tmp_path: Path) -> None:
    """Markers are lines like others; what is malformed is skipped as ssh skips it."""
    (tmp_path / "known").write_text(
        "@cert-authority *.x ssh-ed25519 AAAA\n@revoked * ssh-rsa AAAA c\n@odd\n# c\nx y z!\n\n"
    )
    found = read_known_hosts([str(tmp_path / "known"), str(tmp_path / "nowhere")])
    assert [(line.marker, line.names) for line in found] == [("@cert-authority", "*.x"), ("@revoked", "*")]


def test_row_8_names_are_text(tmp_path: Path) -> None:
    """`no` is a host where it is text."""
    (tmp_path / "i.yml").write_text(hosts("'no': {}, 1e3: {}"))
    assert list(load_inventory(tmp_path / "i.yml").hosts)[:2] == ["no", "1e3"]
