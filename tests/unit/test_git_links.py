"""Symbolic links in a playbook's files: what stays inside lands as what it leads to, all else is refused by name."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from deployer.adapters.git.releases import Repository, unified_diff
from deployer.adapters.local.rendering import render_packages
from deployer.model.errors import InputError
from deployer.remote.tree import LIST, listing
from tests.unit.test_git import HOSTS, checkout, commit, git, release

__all__ = ["checkout"]
FILES = Path("playbooks/nginx/files")


def link(checkout: Path, **targets: str) -> None:
    """`a__b="../c"`: the link a/b to ../c, committed."""
    for name, target in targets.items():
        place = checkout / FILES / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "links")


def landed(checkout: Path) -> dict[str, bytes]:
    repository = Repository(checkout)
    found = repository.release(repository.resolve("HEAD"), "nginx", HOSTS, render_packages)
    return {path: content for path, (content, _) in found.packages["web1"].files.items()}


def on_disk(folder: Path) -> dict[str, bytes]:
    """As the kernel follows them."""
    found = (Path(top) / name for top, _, names in os.walk(folder, followlinks=True) for name in names)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_links_that_stay_inside(checkout: Path) -> None:
    """Files, folders, chains, links by way of links: what the kernel makes of the work tree, from the commit alone."""
    git(checkout, "rm", "-q", str(FILES / "nginx.conf.j2"))
    commit(checkout, {"sites-available/shop": "shop\n", "mods/x/y/deep.conf": "deep\n"})
    (checkout / FILES / "mods/x/run").write_text("#!/bin/sh\n")
    (checkout / FILES / "mods/x/run").chmod(0o755)
    link(
        checkout,
        sites_enabled__shop="../sites-available/shop",
        sites_enabled__again="shop",
        folder="mods/x",
        chain="folder",
        deep__er__still="../../chain/y/../y/./deep.conf",
        through__them="../sites_enabled/again",
    )
    wanted = on_disk(checkout / FILES)
    assert {"folder/y/deep.conf", "chain/run", "deep/er/still", "through/them"} <= wanted.keys()
    said = subprocess.run(["sh", "-c", LIST, "sh", checkout / FILES, "99999"], capture_output=True, check=True)
    on_a_host = listing(said.stdout, "deploy").files
    assert on_a_host == {path: hashlib.sha256(content).hexdigest() for path, content in wanted.items()}  # init, adopt
    for path in (checkout / FILES).rglob("*"):  # nothing of the work tree is looked at
        if path.is_symlink() or path.is_file():
            path.unlink()
    assert landed(checkout) == wanted
    files = Repository(checkout).sources(git(checkout, "rev-parse", "HEAD"), "nginx")
    assert {f.path for f in files if f.executable} == {"mods/x/run", "folder/run", "chain/run"}


def test_a_link_to_a_template_is_rendered(checkout: Path) -> None:
    """By whatever name: with the suffix, without it, and by the name that the file has on a host."""
    link(checkout, a__one="../nginx.conf.j2", a__two="../nginx.conf", a__three_j2="../nginx.conf.j2")
    git(checkout, "mv", str(FILES / "a/three_j2"), str(FILES / "a/three.j2"))
    git(checkout, "commit", "-qm", "x")
    found = landed(checkout)
    assert found["nginx.conf"] == found["a/one"] == found["a/two"] == found["a/three"] == b"listen 81;\n"
    assert {"a/three.j2", "nginx.conf.j2"}.isdisjoint(found)
    commit(checkout, {"nginx.conf.j2": "\n{{ htp_port }}\n"})
    with pytest.raises(InputError, match=r"^nginx\.conf\.j2:2: 'htp_port' is undefined"):
        landed(checkout)


def test_a_link_is_part_of_the_release(checkout: Path) -> None:
    """Its name, its diff; a link that leads elsewhere is another release, and one that becomes a file is the same."""
    commit(checkout, {"conf.d/b.conf": "two\n"})
    before = Repository(checkout).sources(git(checkout, "rev-parse", "HEAD"), "nginx")
    without = release(checkout)
    link(checkout, enabled__site="../conf.d/a.conf")
    there = Repository(checkout).sources(git(checkout, "rev-parse", "HEAD"), "nginx")
    to_a = release(checkout)
    assert to_a != without
    assert "+++ b/enabled/site\n@@ -0,0 +1 @@\n+one" in unified_diff(before, there)
    (checkout / FILES / "enabled/site").unlink()
    link(checkout, enabled__site="../conf.d/b.conf")
    assert release(checkout).partition("-")[2] != to_a.partition("-")[2]
    assert "-one\n+two" in unified_diff(
        there, Repository(checkout).sources(git(checkout, "rev-parse", "HEAD"), "nginx")
    )
    (checkout / FILES / "enabled/site").unlink()
    commit(checkout, {"enabled/site": "one\n"})
    assert release(checkout).partition("-")[2] == to_a.partition("-")[2]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc/passwd", "which is absolute"),
        ("../../playbook.yml", "which leads out of files/"),
        ("../../files/nginx.conf.j2", "which leads out of files/"),
        ("nowhere", "where there is nothing"),
        ("a.conf/", "where there is nothing"),
        ("a.conf/../a.conf", "where there is nothing"),
        ("link", "goes in a circle"),
        ("..", "a link to the folder it lies in"),
        (".", "a link to the folder it lies in"),
        ("\x1b[2Jx", "where there is nothing"),
        ("../" + "x/" * 300, "a link with too long a target"),
    ],
)
def test_links_that_are_refused(checkout: Path, target: str, why: str) -> None:
    """By name, with the target; the terminal gets no control characters of it."""
    link(checkout, conf_d__fine="../nginx.conf.j2")
    place = checkout / FILES / "conf.d/link"
    place.symlink_to(target)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "x")
    with pytest.raises(InputError, match=r"conf\.d/link") as caught:
        release(checkout)
    assert why in caught.value.message
    assert caught.value.message.isprintable()
    assert len(target) > 100 or repr(target) in caught.value.message or why.startswith("a link to the folder")


def test_all_bad_links_and_all_bad_names_at_once(checkout: Path) -> None:
    """Ten by name, the others by number; the hint says which characters are possible."""
    link(checkout, a="/etc/passwd", b="../x", c="nowhere")
    with pytest.raises(InputError, match=r"^3 files in .*: a: a link.*absolute; b: a link.*out of.*; c: a link"):
        release(checkout)
    names = {"my notes.txt": "", "größe.conf": "", "-x": "", "old.conf~": "", "#auto#": "", "tab\there": ""}
    commit(checkout, names | {f"x {n}": "" for n in range(9)})
    with pytest.raises(InputError, match=r"^15 files in .*; and 5 more$") as caught:
        release(checkout)
    assert caught.value.message.isprintable()
    assert "A-Z a-z 0-9 . _ @ + # -" in caught.value.hint


def chain(rows: int, target: str) -> str:
    """Links l0 -> l1 -> ... -> target."""
    return "".join(f"l{n} " + (f"l{n + 1}" if n < rows - 1 else target) + "\n" for n in range(rows))


def tree_of(checkout: Path, links: str, extra: str = "") -> str:
    """A commit whose files/ are these links (`name target` a line), made without a work tree."""
    targets = list(dict.fromkeys(line.split()[1] for line in links.splitlines()))
    for number, target in enumerate(targets):
        (checkout / f".git/target{number}").write_text(target)
    places = "".join(f".git/target{number}\n" for number in range(len(targets)))
    words = ["git", "hash-object", "-w", "--no-filters", "--stdin-paths"]
    said = subprocess.run(words, cwd=checkout, input=places, capture_output=True, text=True, check=True)
    blobs = dict(zip(targets, said.stdout.split(), strict=True))
    rows = extra + "".join(f"120000 blob {blobs[t]}\t{n}\n" for n, t in (line.split() for line in links.splitlines()))
    for name in ("files", "nginx", "playbooks", ""):
        sha = subprocess.run(
            ["git", "mktree"], cwd=checkout, input=rows, capture_output=True, text=True, check=True
        ).stdout.strip()
        rows = f"040000 tree {sha}\t{name}\n"
    return git(checkout, "commit-tree", "-m", "x", sha)


def test_hostile_links_are_bounded(checkout: Path) -> None:
    """Fifty thousand to one file, long chains, folders that double: refused before anything of that size is made."""
    big = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=checkout, input=b"x" * (1 << 20), capture_output=True, check=True
    ).stdout.decode().strip()  # fmt: skip
    file = f"100644 blob {big}\tbig\n"
    for count, why in ((50_000, "more than 5000 files"), (100, "64 MiB")):
        sha = tree_of(checkout, "".join(f"l{n} big\n" for n in range(count)), file)
        with pytest.raises(InputError, match=why):
            release(checkout, sha)
    assert Repository(checkout).sources(tree_of(checkout, chain(40, "big"), file), "nginx")
    with pytest.raises(InputError, match="over more than 40 links"):
        release(checkout, tree_of(checkout, chain(41, "big"), file))
    with pytest.raises(InputError, match="over more than 40 links"):
        release(checkout, tree_of(checkout, chain(60, "big"), file))


def test_folders_that_double(checkout: Path) -> None:
    """Two links in each of thirty folders to the next: 2^30 files."""
    for n in range(30):
        (checkout / FILES / f"d{n}").mkdir()
        for name in "ab":
            (checkout / FILES / f"d{n}/{name}").symlink_to(f"../d{n + 1}" if n < 29 else "../conf.d")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "x")
    with pytest.raises(InputError, match="more than 5000 files"):
        release(checkout)


def test_files_that_are_a_link_themselves(checkout: Path) -> None:
    """`files -> ../common` and a playbook that is a link to another: said, and not taken for a folder without files."""
    commit(checkout, {"../../common/files/x": "x\n"})
    (checkout / "playbooks/varnish").mkdir()
    (checkout / "playbooks/varnish/files").symlink_to("../common/files")
    (checkout / "playbooks/squid").symlink_to("common")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "x")
    sha = git(checkout, "rev-parse", "HEAD")
    for playbook, where in (("varnish", "playbooks/varnish/files"), ("squid", "playbooks/squid")):
        with pytest.raises(InputError, match=f"{where} is a link, and no folder"):
            Repository(checkout).sources(sha, playbook)


@pytest.mark.parametrize("other", ["conf.d.j2", "CONF.D", "nginx.conf"])
def test_a_file_where_a_folder_or_a_file_is(checkout: Path, other: str) -> None:
    """Once `.j2` is gone, or on a disk that knows no case, they are one."""
    commit(checkout, {other: "x\n"})
    with pytest.raises(InputError, match="collides with"):
        release(checkout)
