"""A configuration repository by somebody who wants more than to configure: everything in it is a file that a commit can
hold, or text that a commit can carry. What it would like to run writes a line to the canary.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions
from pathlib import Path

ODD = "\x1b[2K\x1b[1G\x1b]0;owned\x07\x9b8m\u202egnp.exe\u2066\x7f\x08"  # erases, names the window, hides, turns round
# Of these names, for a PATH that begins with the working folder.
PROGRAMS = (
    "git",
    "ssh",
    "ssh-keygen",
    "sh",
    "bash",
    "python",
    "python3",
    "env",
    "less",
    "pager",
    "tput",
    "stty",
    "gpg",
)
INVENTORY = """all:
  vars: {ansible_user: deploy, ansible_port: 9, http_port: 9, origin: "127.0.0.1:9", greeting: hunter2-not-for-eyes}
  children:
    edge: {hosts: {web1: {ansible_host: 127.0.0.1}, web2: {ansible_host: 127.0.0.2}}}
    production: {children: {edge: {}}}
"""
PLAYBOOK = """service: nginx
hosts: edge
dest: /etc/nginx
serial: [1, 100%]
bake: 10s
confirm_timeout: 20s
health_checks: [storefront]
no_log: [greeting]
warm: {urls: warm.txt}
"""
CHECK = """probes:
  - {name: home, url: /, expect: 200, rate: 5/s, level: required}
"""


def modules() -> list[str]:
    """Everything that could be imported by name: the standard library and all that is installed."""
    return sorted({*sys.stdlib_module_names, *packages_distributions()} - {"deployer", "__future__"})


def git(folder: Path, *words: str, text: bytes | None = None) -> str:
    """One git call of the stranger's own."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, input=text)
    return done.stdout.decode().strip()


@dataclass
class Stranger:
    """root: the checkout. canary: written by whatever of it was run. outside: a folder it must not touch or tell."""

    folder: Path
    root: Path = field(init=False)
    canary: Path = field(init=False)
    outside: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root, self.canary, self.outside = (self.folder / name for name in ("checkout", "canary", "outside"))
        self.outside.mkdir()
        (self.outside / "key.yml").write_text("- - not: {a: playbook, passphrase: hunter3-of-another-file\n")
        self.write(
            {
                "inventory.yml": INVENTORY,
                "playbooks/nginx/playbook.yml": PLAYBOOK,
                "playbooks/nginx/warm.txt": "/\n",
                "playbooks/nginx/files/nginx.conf.j2": "listen {{ http_port }};\n",
                "health_checks/storefront.yml": CHECK,
            }
        )
        git(self.root, "init", "-q")

    def write(self, files: dict[str, str]) -> None:
        """Into the checkout; executable where it is a program."""
        for name, text in files.items():
            path = self.root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)

    def commit(self, subject: str = "change", author: str = "t <t@t>") -> str:
        """Everything; the full sha."""
        git(self.root, "add", "-A", "-f")
        git(self.root, "commit", "-q", "--no-verify", "--allow-empty", "-m", subject, f"--author={author}")
        return git(self.root, "rev-parse", "HEAD")

    def program(self, name: str) -> str:
        """A script that tells of itself."""
        return f"#!/bin/sh\necho {name} >> {self.canary}\n"

    def ran(self) -> str:
        """What was run."""
        return self.canary.read_text() if self.canary.exists() else ""

    def plant_modules(self, *folders: str) -> None:
        """A module of every name beside the files that are read."""
        body = "open({!r}, 'a').write({!r})\nraise SystemExit(7)\n"
        for folder in folders or ("", "playbooks", "playbooks/nginx"):
            self.write({f"{folder}/{name}.py": body.format(str(self.canary), f"{name}\n") for name in modules()})

    def git_folder(self) -> dict[str, str]:
        """The files of a bare repository whose configuration runs programs: any commit can hold them."""
        run = self.root / "evil.sh"
        names = ("core.sshCommand", "core.fsmonitor", "core.gitProxy", "core.alternateRefsCommand", "diff.external")
        lines = [f"[{name.split('.')[0]}]\n\t{name.split('.')[1]} = {run}\n" for name in names]
        return {
            "HEAD": "ref: refs/heads/main\n",
            "objects/info/packs": "\n",
            "refs/heads/keep": f"{'0' * 40}\n",
            "hooks/reference-transaction": self.program("hook"),
            "hooks/pre-push": self.program("hook"),
            "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n" + "".join(lines) + f'[core]\n\thooksPath = {self.root}/hooks\n'
            f'[remote "origin"]\n\turl = ssh://nowhere.invalid/x\n[filter "evil"]\n\tclean = {run}\n\tsmudge = {run}\n'
            f'[credential]\n\thelper = {run}\n[diff "evil"]\n\ttextconv = {run}\n',
        }  # fmt: skip

    def plant_git(self) -> None:
        """Bare repositories at the root, beside the playbooks and in a folder with an inventory of its own; attributes,
        submodules, hooks and configuration that git might read of a checkout."""
        self.write({name: self.program(name) for name in ("evil.sh", *PROGRAMS)})
        for folder in ("", "playbooks/", "sub/"):
            self.write({f"{folder}{name}": text for name, text in self.git_folder().items()})
        self.write(
            {
                "sub/inventory.yml": INVENTORY,
                "sub/playbooks/nginx/playbook.yml": PLAYBOOK,
                "sub/playbooks/nginx/warm.txt": "/\n",
                "sub/playbooks/nginx/files/nginx.conf": "listen 9;\n",
                "sub/health_checks/storefront.yml": CHECK,
                ".gitattributes": "* filter=evil diff=evil merge=evil working-tree-encoding=UTF-8\n",
                ".gitmodules": f'[submodule "m"]\n\tpath = m\n\turl = ext::{self.root}/evil.sh\n\tupdate = !{self.root}/evil.sh\n',
                ".mailmap": f"{ODD} <t@t>\n",
                ".gitconfig": self.git_folder()["config"],
            }
        )

    def plant_links(self) -> None:
        """Links to what is not the stranger's."""
        for name in ("health_checks/link.yml", "playbooks/link/playbook.yml", "linked.yml", "sub/inventory.yml"):
            path = self.root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(self.outside / "key.yml")
        (self.root / ".deploy").symlink_to(self.outside)

    def environ(self, **more: str) -> dict[str, str]:
        """Of somebody with an empty home, who has a secret."""
        home, temporary = self.folder / "home", self.folder / "tmp"
        for folder in (home / ".local/state", temporary):
            folder.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **kept,
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "DEPLOY_BECOME_PASSWORD": "hunter4-of-the-operator",
            **more,
        }

    def deploy(
        self, *words: str, below: str = "", before: Sequence[str] = (), **more: str
    ) -> subprocess.CompletedProcess[str]:
        """The command as installed, in the checkout, without a terminal. before: words that start it."""
        line = [*before, str(Path(sys.executable).with_name("deploy")), *words]
        return subprocess.run(
            line, cwd=self.root / below, env=self.environ(**more), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=100,
        )  # fmt: skip


def control_characters(text: str) -> Iterator[str]:
    """What a terminal would obey, lines and tabs aside."""
    for character in text:
        odd = (
            ord(character) < 32
            or 127 <= ord(character) < 160
            or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029"
        )
        if odd and character not in "\n\t":
            yield character


def fast_import(root: Path, branch: str, files: list[tuple[str, bytes]], subject: str, author: str) -> None:
    """A commit on `branch` that no work tree has to hold: odd names, many files, deep folders, odd people."""
    stream = [
        f"commit refs/heads/{branch}\nauthor {author} 1764000000 +0000\ncommitter {author} 1764000000 +0000\n".encode()
    ]
    stream.append(b"data %d\n%s\nfrom refs/heads/main\n" % (len(subject.encode()), subject.encode()))
    for name, content in files:
        quoted = "".join(
            c if 32 < ord(c) < 127 and c not in '"\\' else "".join(f"\\{byte:03o}" for byte in c.encode()) for c in name
        )
        stream.append(f'M 100644 inline "{quoted}"\n'.encode() + b"data %d\n%s\n" % (len(content), content))
    git(
        root,
        "-c",
        "core.compression=1",
        "-c",
        "core.bigFileThreshold=1m",
        "fast-import",
        "--quiet",
        "--force",
        text=b"".join(stream),
    )
