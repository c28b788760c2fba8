"""The host agent given arguments and streams of any kind: nothing is run, nothing is written outside ROOT.

Everything happens as a user who owns nothing but the one folder, so that a hole shows as a hole and harms nobody.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.remote.layout import agent_source
from deployer.sandbox.binaries import find
from deployer.sandbox.processes import reap

CASES = int(os.environ.get("FUZZ_CASES", "60"))
BATCH = 250
THEM = 61235 if os.geteuid() == 0 else os.geteuid()
RELEASE = "aaaaaaaaaa-11111111"
SERVICE = "service_check() { :; }\nservice_running() { :; }\nservice_reload() { :; }\nservice_start() { :; }\n" + (
    'service_loaded() { readlink "$ROOT/current" | sed "s|releases/||"; }\nservice_change() { echo reload; }\nservice_adopted() { :; }\n'
)
VERBS = ["survey", "stage", "check", "activate", "extend", "confirm", "revert", "prune", "adopt", "tick", "boot", "watch"]  # fmt: skip
GOOD = [
    "1-abcd",
    "2-beef",
    "3-0000",
    "1",
    "2",
    "3",
    "60",
    "7200",
    "0",
    "5",
    "push",
    "rollback",
    "adopt",
    "restart",
    RELEASE,
    "0000000000-00000000",
]
BAD = ["", "-", "--", "-rf", "/", "..", "../..", "../outside", "*", "?", "[!a]", "~", "$(touch @)", "`touch @`", ";touch @", "|touch @", "&touch @", "\n touch @\n",
       "$IFS", "${x:-$(touch @)}", "a b", "'", '"', "\\", "%s%n", "9" * 40, "08", "1-", "-1", "1 -o 1", "é", "\x01", "a" * 5000, "/etc/passwd", "> @", "releases/../../outside",
       "x[$(touch @)]", "a[0`touch @`]", "$((1))", "0x10", "1e3", "+5", "\t5"]  # fmt: skip


class Place:
    """A folder of the other user: ROOT, things around it that must stay as they are, and a canary nobody may touch."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder, self.root, self.canary = folder, folder / "base/app", folder / "canary"
        self.cases = folder / "cases"
        self.bin = folder / "bin"
        self.bin.mkdir()
        if shell:
            for name in (
                "sh",
                "tar",
                "find",
                "sed",
                "awk",
                "xargs",
                "cp",
                "mv",
                "ln",
                "readlink",
                "sync",
                "timeout",
                "sha256sum",
                "cat",
            ):
                (self.bin / name).symlink_to(os.path.realpath(find("busybox")))
        (folder / "agent").write_bytes(agent_source())
        (folder / "service").write_text(f"ROOT={self.root}\n{SERVICE}")
        for name in ("outside/file", "etc/app/app.conf", "base/neighbour/file"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("as it was\n")
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, THEM, THEM)
        self.run(f"sh {folder}/agent adopt {self.root} 1-abcd 1 {folder}/etc/app < {folder}/service")
        assert (self.root / "current").is_symlink()

    def run(self, script: str, timeout: float = 600) -> subprocess.CompletedProcess[bytes]:
        """sh as the other user."""
        become = (
            ["setpriv", "--reuid", str(THEM), "--regid", str(THEM), "--clear-groups", "--no-new-privs"]
            if os.geteuid() == 0
            else []
        )
        env = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.folder)}
        return subprocess.run([*become, "sh", "-c", script], capture_output=True, timeout=timeout, env=env, cwd=self.folder / "outside", check=False)  # fmt: skip

    def answers(self, calls: list[tuple[list[str], bytes]]) -> list[bytes]:
        """The last line that each call of the agent (arguments, stdin) says. One shell runs them all: the agent's
        functions are read once, each call is a subshell."""
        text = agent_source().decode().replace("SELF=$0", f"SELF={self.folder}/agent")
        head = re.sub(r'main "\$@"\nexit \$\?\n$', "", text.replace("T_PROVE=10", "T_PROVE=1"))
        assert head != text
        shutil.rmtree(self.cases, ignore_errors=True)
        self.cases.mkdir()
        for number, (_, stdin) in enumerate(calls):
            (self.cases / str(number)).write_bytes(stdin)
        lines = [
            f"( main {shlex.join(words)} ) <{self.cases}/{number} 2>/dev/null | tail -n 1\n"
            for number, (words, _) in enumerate(calls)
        ]
        (self.cases / "all").write_text(head + "".join(lines), encoding="utf-8", errors="surrogateescape")
        said = self.run(f". {self.cases}/all").stdout.splitlines()
        assert len(said) == len(calls), said[-3:]
        return said

    def around(self) -> dict[str, str]:
        """All that is not ROOT, nor the other one that a call may name and `adopt` then makes: names, kinds, contents."""
        found, roots = {}, {self.root, self.folder / "base/none", self.cases}
        for path in sorted(self.folder.rglob("*")):
            if roots & {path, *path.parents}:
                continue
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
            found[str(path)] = f"{oct(path.lstat().st_mode)} {os.readlink(path) if path.is_symlink() else ''} {content}"
        return found


@pytest.fixture(params=["dash", "busybox"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="agent-"))
    folder.chmod(0o755)
    try:
        yield Place(folder, request.param if request.param == "busybox" else "")
    finally:
        reap(folder)
        shutil.rmtree(folder, ignore_errors=True)


def arguments(chance: random.Random, place: Place) -> list[str]:
    """Words for one call: the verb is mostly one, ROOT is mostly right, the rest is anything."""
    words = [chance.choice(VERBS) if chance.random() < 0.95 else chance.choice(BAD)]
    roots = [str(place.root)] * 8 + [
        f"{place.folder}/base/none",
        "relative",
        f"{place.root}/../app",
        f"{place.root}/releases",
    ]
    words.append(chance.choice(roots))
    for _ in range(chance.randint(0, 8)):
        kind = chance.random()
        word = chance.choice(GOOD) if kind < 0.6 else chance.choice(BAD)
        if kind > 0.95:
            word = "".join(chr(chance.randint(1, 255)) for _ in range(chance.randint(1, 30)))
        words.append(word.replace("@", str(place.canary)))
    if words[0] == "adopt":  # DEST is a path of ours, not of the fuzzer: it may be any other argument
        words[4:5] = [f"{place.folder}/etc/app"]
    if words[0] == "watch":
        words[0] = "tick"  # a watchdog does not end by itself
    return words


@pytest.mark.timeout(0)
@pytest.mark.needs("root's setpriv")
def test_arguments(place: Place) -> None:
    """Whatever is asked: one answer, and nothing outside ROOT."""
    chance = random.Random(20)
    before, done = place.around(), 0
    while done < CASES:
        count = min(BATCH, CASES - done)
        said = place.answers([(arguments(chance, place), b"") for _ in range(count)])
        assert all(line.startswith(b'{"ok":') for line in said), said
        assert not place.canary.exists()
        assert place.around() == before
        done += count
    assert (place.root / "good").is_symlink()


def stream(chance: random.Random, place: Place) -> bytes:
    """A tar with members that a person of ill will would choose, and a manifest to match or not."""
    out = str(place.folder / "outside")
    names = ["app.conf", "conf.d/a.conf", "../x", "../../../outside/file", f"{out}/file", "./app.conf", "a//b", "-rf", "a b", "a\nb", "é", ".manifest", ".service", "link",
             "link/file", "hard", "..", "a/../../x", "releases", "$(touch x)", "d" * 90 + "/" + "x" * 90, "conf.d"]  # fmt: skip
    buffer = io.BytesIO()
    manifest = ""
    with tarfile.open(
        fileobj=buffer, mode="w", format=chance.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    ) as tar:
        for _ in range(chance.randint(0, 5)):
            info = tarfile.TarInfo(chance.choice(names))
            kinds = [tarfile.REGTYPE] * 6 + [
                tarfile.SYMTYPE,
                tarfile.SYMTYPE,
                tarfile.LNKTYPE,
                tarfile.DIRTYPE,
                tarfile.FIFOTYPE,
                tarfile.CHRTYPE,
            ]
            info.type = chance.choice(kinds)
            info.mode = chance.choice([0o644, 0o755, 0o4755, 0o666, 0])
            content = b"x" * chance.randint(0, 9) if info.type == tarfile.REGTYPE else b""
            info.size = len(content)
            if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = chance.choice(
                    [out, f"{out}/file", "../../outside", "..", "/etc/passwd", "app.conf", "/"]
                )
            tar.addfile(info, io.BytesIO(content))
            if chance.random() < 0.8:
                manifest += f"{hashlib.sha256(content).hexdigest()}  {info.name}\n"
        extra = [
            f"{'0' * 64}  ../../../outside/file\n",
            f"{'0' * 64}  /etc/passwd\n",
            "x\n",
            f"{'0' * 64} *a\n",
            "\\" + "0" * 64 + "  a\n",
        ]
        manifest += chance.choice(extra) if chance.random() < 0.1 else ""
        for name, text in ((".manifest", manifest), (".service", SERVICE)):
            if chance.random() < 0.95:
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
    raw = buffer.getvalue()
    if chance.random() < 0.1:
        at = chance.randint(0, len(raw) - 1)
        raw = raw[:at] + bytes([chance.randint(0, 255)]) + raw[at + 1 :]
    return raw


@pytest.mark.timeout(0)
@pytest.mark.needs("root's setpriv")
def test_streams(place: Place) -> None:
    """Whatever is unpacked: nothing outside ROOT, and a staged release is regular files that its manifest names."""
    chance = random.Random(21)
    before, done, staged, all_of_them = place.around(), 0, 0, max(10, CASES // 20)
    while done < all_of_them:
        count = min(BATCH, all_of_them - done)
        releases = [f"{number:010x}-11111111" for number in range(done, done + count)]
        said = place.answers([(["stage", str(place.root), name], stream(chance, place)) for name in releases])
        assert place.around() == before, done
        for release, line in zip(releases, said, strict=True):
            assert line.startswith(b'{"ok":'), line
            tree = place.root / "releases" / release
            assert tree.exists() == line.startswith(b'{"ok":true'), line
            if tree.exists():
                staged += 1
                files = {str(p.relative_to(tree)) for p in tree.rglob("*") if not p.is_dir()}
                assert not [p for p in tree.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir())]
                listed = {line[66:] for line in (tree / ".manifest").read_text().splitlines()}
                assert files == listed | {".manifest"}
                shutil.rmtree(tree)
        done += count
    assert CASES < 1000 or staged
