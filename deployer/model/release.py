"""Revision and Release: the configuration of one playbook at a git commit, named by its content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

RELEASE_ID = re.compile(r"[0-9a-f]{10}-[0-9a-f]{8}")
PART = r"(?!\.\.?(?:/|\Z))[A-Za-z0-9_@+.][A-Za-z0-9._@+#-]*"  # `.` and `..` are no names: nothing leads out
FILE_PATH = re.compile(f"{PART}(/{PART})*")
MAX_PATH, MAX_FILES, MAX_BYTES = 255, 5000, 64 * 1024 * 1024


class ReleaseId(str):
    """`<commit10>-<digest8>`; of what `adopt` made of what lay on a host the commit is all zeros."""

    __slots__ = ()

    @property
    def commit(self) -> str:
        """The first ten digits of the commit that it names."""
        return self.partition("-")[0]

    @property
    def adopted(self) -> bool:
        """It is, or stands for, what lay on a host."""
        return self.startswith(ADOPTED)

    @property
    def whole(self) -> bool:
        """It names one release."""
        return RELEASE_ID.fullmatch(self) is not None


ADOPTED = ReleaseId("0000000000-")  # each host's own


def one_name(release: str) -> ReleaseId:
    """The name under which the fleet knows a release: what was adopted differs from host to host and counts as one."""
    own = ReleaseId(release)
    return ADOPTED if own.adopted else own


def shown(release: str) -> str:
    """How a person reads it."""
    return "the configuration as it was found" if ReleaseId(release).adopted else release


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file under `files/` as git has it. path: as it lands, without `.j2`; template: render per host. file: what
    it is called in git; of a link what it leads to."""

    path: str
    content: bytes
    executable: bool = False
    template: bool = False
    file: str = ""

    @property
    def name(self) -> str:
        """By which a person finds it in git."""
        return self.file or (f"{self.path}.j2" if self.template else self.path)


@dataclass(frozen=True, slots=True)
class Package:
    """A release rendered for one host: path -> (bytes, executable). Its manifest is what the host verifies."""

    release: str
    files: Mapping[str, tuple[bytes, bool]]

    def manifest(self) -> str:
        """`sha256  path` lines, sorted by path: the form `sha256sum -c` reads."""
        lines = (f"{hashlib.sha256(self.files[p][0]).hexdigest()}  {p}\n" for p in sorted(self.files))
        return "".join(lines)


@dataclass(frozen=True, slots=True)
class Release:
    """id: `<commit10>-<digest8>`. commit10 names the oldest ancestor of `revision` that already had this very
    content, so reverting a commit gives back the old id. revision: the full sha asked for.
    author: as git says; where signatures are asked for, the signer. packages: host name -> what lands there (every host
    of the playbook in the environment)."""

    id: ReleaseId
    playbook: str
    revision: str
    subject: str
    author: str
    packages: Mapping[str, Package]


def release_id(commit: str, sources: tuple[SourceFile, ...], packages: Mapping[str, Package]) -> ReleaseId:
    """Name a release by content: the first ten hex digits of `commit`, then eight of a SHA-256 over the files as git
    has them and over what templates become. Where they become the same on every host, that one manifest counts, and
    another host with the same rendering is no new release; where they differ, which host has which counts, so that two
    hosts that exchange their contents are a new release."""
    digest = hashlib.sha256()
    for source in sorted(sources, key=lambda s: s.path):
        head = f"{source.path}\0{int(source.executable)}{int(source.template)}\0{len(source.content)}\0"
        digest.update(head.encode() + source.content)
    if any(source.template for source in sources):
        rendered = {name: package.manifest() for name, package in packages.items()}
        alike = len(set(rendered.values())) == 1
        for name, manifest in [("", min(rendered.values()))] if alike else sorted(rendered.items()):
            digest.update(name.encode() + b"\0rendered\0" + manifest.encode())
    return ReleaseId(f"{commit[:10]}-{digest.hexdigest()[:8]}")
