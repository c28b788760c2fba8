"""What a command and all its children do to this machine, as the kernel sees it: the programs that are started, with
their words and their environment, and the files that are written.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

STRACE = shutil.which("strace")
WRITING = (
    "creat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "unlink",
    "unlinkat", "rmdir", "truncate", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "mknod", "mknodat",
    "setxattr", "lsetxattr", "utimensat",
)  # fmt: skip
OPENING = ("open", "openat", "openat2")
CALLS = ",".join(f"?{name}" for name in ("execve", "execveat", "chdir", *OPENING, *WRITING))
CALL = re.compile(r"(\w+)\((.*)\)\s+= (\d+)(?:<(.*?)>)?(?: .*)?")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
# What may be started: we ourselves, git with its parts, and the readers of ssh's files; the shell by git alone, which
# starts the other side of a remote on this machine by one. docs/SECURITY.md says the same.
PROGRAMS = ("deploy", "python", "git", "ssh", "ssh-keygen")
REMOTE_SHELL = re.compile(r"git-(?:upload|receive)-pack '[^']*'")


def unescaped(text: str) -> str:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape")


@dataclass(frozen=True)
class Program:
    """path: what was started. words: with the first. environ: as NAME=value."""

    path: str
    words: tuple[str, ...]
    environ: tuple[str, ...]

    @property
    def stated(self) -> bool:
        """Is it one of the list?"""
        name = Path(self.path).name
        if name in ("sh", "dash"):
            return len(self.words) >= 3 and bool(REMOTE_SHELL.fullmatch(self.words[2]))
        return re.sub(r"[0-9.]+$", "", name) in PROGRAMS or name.startswith("git-")


@dataclass
class Traced:
    """One run. folder: empty, for the logs, one a process. cwd: where it runs."""

    folder: Path
    cwd: Path
    programs: list[Program] = field(default_factory=list)
    written: set[str] = field(default_factory=set)

    def words(self) -> list[str]:
        """What to put before the command."""
        return [str(STRACE), "-ff", "-qq", "-v", "-y", "-s", "8192", "-e", f"trace={CALLS}", "-e", "signal=none", "-o",
                str(self.folder / "log")]  # fmt: skip

    def read(self) -> Traced:
        """When it is over."""
        for log in self.folder.iterdir():
            cwd = str(self.cwd)
            for line in log.read_text(errors="replace").splitlines():
                if (found := CALL.fullmatch(line)) is None:
                    continue
                name, given, _, opened = found.groups()
                if name == "chdir":
                    cwd = os.path.join(cwd, unescaped(TEXT.findall(given)[0]))
                elif name.startswith("execve"):
                    self._started(given)
                elif name in OPENING:
                    if re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", given):
                        self.written.add(unescaped(opened or ""))
                else:
                    places = (
                        os.path.join(cwd, unescaped(below), unescaped(path)) for below, path in PLACE.findall(given)
                    )
                    self.written |= {real(place) for place in places}
        return self

    def _started(self, given: str) -> None:
        parts = [[unescaped(text) for text in TEXT.findall(part)] for part in re.split(r", \[|\], \[", given)]
        self.programs.append(Program(parts[0][0], tuple(parts[1]), tuple(parts[2])))

    def outside(self, *allowed: Path) -> list[str]:
        """What was written elsewhere."""
        tops = [f"{real(str(top))}/" for top in allowed]
        elsewhere = (path for path in self.written if path not in ("/dev/null", "/dev/tty"))
        return sorted(path for path in elsewhere if not f"{path}/".startswith(tuple(tops)))


def real(path: str) -> str:
    """Where it lies; a link itself, not what it leads to."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)
