"""Files that a host sends: `deploy init` writes them here, a push reads of them how its server logs. A host lies about
them as it likes: nothing of it leads out of the folder, is run by git here, or costs more than what was sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployer.adapters.local.new_files import already
from deployer.adapters.ssh.exchange import Completed
from deployer.adapters.ssh.finder import Finder
from deployer.engine.deploy.first_check import health_check
from deployer.model.errors import HostError, InputError
from deployer.model.findings import Page, Watched
from deployer.model.fleet import Host
from deployer.model.release import FILE_PATH
from deployer.model.secret_file import as_template
from deployer.remote import counters, tree
from deployer.remote.untar import untar
from deployer.remote.verbs import Command
from deployer.wiring.scaffolding import write

OUT = ("../x", "../../../../.bashrc", "a/../b", "a/..", "..", ".", "./a", "a/./b")
GIT = ("e/.git/config", ".git/hooks/pre-commit", "E/.GIT/config", ".git")


class Liar:
    """A host that says what it likes. files: what it lists and sends."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        lines = ["folder open", *(f"file {path}" for path in files)]
        lines += [f"sum {hashlib.sha256(content).hexdigest()}  ./{path}" for path, content in files.items()]
        self._answers = [("\n".join(lines) + "\n").encode(), tar_of(files)]

    def run(self, host: Host, command: Command, fresh: bool = False) -> Completed:
        return Completed(0, b"--deployer--\n" + self._answers.pop(0), b"")


def tar_of(files: Mapping[str, bytes]) -> bytes:
    with io.BytesIO() as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path, content in files.items():
                member = tarfile.TarInfo(f"./{path}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return out.getvalue()


def written(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """What init writes of them into a folder that is there already, and its own playbook beside."""
    host, finder = Host("web1"), Finder(Liar(files))
    found = finder.files(host, "/etc/nginx", finder.listing(host, "/etc/nginx", "root"))
    top = "playbooks/nginx"
    return write(folder, {f"{top}/playbook.yml": (b"\n", False), **{f"{top}/files/{p}": f for p, f in found.items()}})


@pytest.mark.parametrize("path", OUT)
def test_a_path_that_leads_out_is_none(path: str) -> None:
    """For every reader of paths: of a host, of git, of a playbook."""
    assert not FILE_PATH.fullmatch(path)


@pytest.mark.parametrize("made", [True, False], ids=["new folder", "folder there"])
@pytest.mark.parametrize("deep", range(1, 7))
def test_nothing_is_written_outside(tmp_path: Path, deep: int, made: bool) -> None:
    """What a host names `../../../.bashrc` overwrote that of whoever ran init, or made it."""
    folder = tmp_path / "home/me/work/shop"
    (folder.parent if made else folder).mkdir(parents=True)
    mine = [place / ".bashrc" for place in (folder.parent, folder.parent.parent, tmp_path / "home")]
    for file in mine[:2]:
        file.write_text("mine\n")
    written(folder, {"nginx.conf": b"events {}\n", f"{'../' * deep}.bashrc": b"theirs\n"})
    assert [file.read_text() for file in mine[:2]] == ["mine\n"] * 2
    assert not mine[2].exists()
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert [name for name in names if "bashrc" in name] == ["home/me/.bashrc", "home/me/work/.bashrc"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x"])
def test_whoever_asks_for_it(tmp_path: Path, path: str) -> None:
    """The writer itself refuses."""
    with pytest.raises(InputError, match="leads out of"):
        already(tmp_path, {path: (b"", False)})


def test_no_repository_of_a_host_is_written(tmp_path: Path) -> None:
    """`git status` in what init wrote ran the program that the host's own .git/config names."""
    theirs, canary, shop = tmp_path / "theirs", tmp_path / "canary", tmp_path / "shop"
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@t", "-C")
    subprocess.run([*git, tmp_path, "init", "-q", theirs], check=True)
    (theirs / "a.conf").write_text("x\n")
    for words in (["add", "-A"], ["commit", "-qm", "x"], ["config", "core.fsmonitor", f"touch {canary}; false"]):
        subprocess.run([*git, theirs, *words], check=True)
    canary.unlink(missing_ok=True)
    files = {f"e/{p.relative_to(theirs)}": p.read_bytes() for p in theirs.rglob("*") if p.is_file()}
    names = written(shop, {path: content for path, content in files.items() if FILE_PATH.fullmatch(path)})
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"], ["status"]):
        subprocess.run([*git, shop, *words], check=True, capture_output=True)
    assert not canary.exists()
    assert names == ["playbooks/nginx/files/e/a.conf", "playbooks/nginx/playbook.yml"]


def test_a_repository_is_named_once() -> None:
    """Not file by file, and by why."""
    said = "".join(f"file {path}\nsum {'0' * 64}  ./{path}\n" for path in (*GIT, ".gitignore", "a.git/b"))
    found = tree.listing(f"folder open\n{said}".encode(), "root")
    assert sorted(found.left_out) == [".git", ".git/", "E/.GIT/", "e/.git/"]
    assert sorted(found.files) == [".gitignore", "a.git/b"]
    assert {*found.left_out.values()} == {tree.WHY["git"]}


def head(kind: bytes = b"0", size: bytes = b"00000000000\0", name: str = "./a", more: bytes = b"") -> bytes:
    """One header, of a checksum that is right. more: from byte 386 on (of a sparse file)."""
    made = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    made[124:136], made[156:157], made[386 : 386 + len(more)] = size, kind, more
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


SPARSE = b"%011o\0%011o\0" % (0, 0) + bytes(72) + b"\0" + b"\x80\0\0\0" + struct.pack(">Q", 200 << 30)
TARS = {
    "a sparse file of 200 GB": head(b"S", more=SPARSE),
    "a size that leads back": head() + head(size=b"\xff" * 10 + struct.pack(">h", -512)),
    "names within names": (head(b"L", b"00000000002\0") + b"a\0" + bytes(510)) * 3000 + head(),
    "fields within fields": (head(b"x", b"00000000012\0") + b"10 path=a\n" + bytes(502)) * 3000 + head(),
    "a name of 8 GB": head(b"L", b"77777777777\0"),
    "a file of 8 GB": head(size=b"77777777777\0"),
    "20,000 links to one": head() + head(b"1") * 20_000,
}


@pytest.mark.parametrize("read", [tree.unpack, lambda body: counters.unpack(f"\n{counters.BEGIN}\n".encode() + body)])
@pytest.mark.parametrize("how", TARS)
@pytest.mark.timeout(60)
def test_an_archive_costs_what_was_sent(how: str, read: Callable[[bytes], Mapping[str, object]]) -> None:
    """It ended the deployer (memory), or never ended, or was a crash of ours; it is read, or refused as its host's."""
    with contextlib.suppress(HostError):
        assert set(read(TARS[how] + bytes(1024))) <= {"a"}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@given(data=st.data())
def test_what_tarfile_writes_is_read(form: int, data: st.DataObject) -> None:
    """Long names, links, programs, in every format."""
    part = st.from_regex(r"[a-z_][a-z._#-]{0,60}", fullmatch=True)
    paths = st.lists(part, min_size=1, max_size=3).map("/".join)
    files = data.draw(st.dictionaries(paths, st.tuples(st.binary(max_size=1500), st.booleans()), max_size=5))
    with io.BytesIO() as out:
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            for path, (content, executable) in files.items():
                member = tarfile.TarInfo(f"./{path}")
                member.size, member.mode = len(content), 0o755 if executable else 0o644
                tar.addfile(member, io.BytesIO(content))
            for path in files:
                member = tarfile.TarInfo(f"./{path}.twin")
                member.type, member.linkname = tarfile.LNKTYPE, f"./{path}"
                if len(member.linkname) <= 100 or form != tarfile.USTAR_FORMAT:
                    tar.addfile(member)
                    files = {**files, f"{path}.twin": files[path]}
        assert untar(out.getvalue()) == files


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\u2029", "\r\n"])
@pytest.mark.parametrize("said", ["path", "lacking"])
def test_what_a_host_says_is_no_line_of_a_health_check(said: str, end: str) -> None:
    """A path of a log with a line's end in it put `exec:` into the file: a command that check runs on every host."""
    text = f"/var/log/a{end}  exec: {{a: {{on: host, command: id}}}}{end}exec: {{}}{end}#\x07"
    made = health_check(Watched(path=text) if said == "path" else Watched(lacking=text), Page(200))
    plain = health_check(Watched(path="/x") if said == "path" else Watched(lacking="x"), Page(200))
    assert yaml.safe_load(made) == yaml.safe_load(plain)


@pytest.mark.parametrize("text", ["a", "a.", "a-", "password", "password-", "login=", "stats auth ", "://a", "_param "])
@pytest.mark.timeout(120)
def test_a_long_line_is_searched_for_secrets(text: str) -> None:
    """A line of 40 KB took 12 s, and four times as long for every twice as long; a file may be one of 16 MiB."""
    content = (text * (400_000 // len(text))).encode()
    assert as_template(content, 1, "nginx") == (content, ())
