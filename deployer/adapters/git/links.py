"""Symbolic links below `files/` are taken as what they lead to, as `adopt` takes those on a host: the host's release
holds regular files only. They are followed in the commit, by name; nothing of any work tree is looked at. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from deployer.model.release import MAX_PATH

LINK, TEMPLATE = "120000", ".j2"
MOST_LINKS = 40  # on the way to one file, as the kernel
LONGEST_TARGET = 2 * MAX_PATH


class Row(NamedTuple):
    """One entry of a commit. path: below `files/`."""

    mode: str
    blob: str
    path: str
    size: int


class Linked:
    """The entries of one folder. targets: what its links say, by the link's path."""

    def __init__(self, rows: Sequence[Row], targets: Mapping[str, str]) -> None:
        self.rows, self.targets = {row.path: row for row in rows}, targets
        self.inside: dict[str, dict[str, None]] = {"": {}}  # folder -> what lies in it
        for path in self.rows:
            parts = path.split("/")
            for end in range(len(parts)):
                self.inside.setdefault("/".join(parts[:end]), {})["/".join(parts[: end + 1])] = None
        self._ends: dict[str, tuple[str, int]] = {}

    def wrong(self) -> list[tuple[str, str]]:
        """(link, why it cannot be followed)."""
        found = []
        for link, target in self.targets.items():
            try:
                self.end(link)
            except ValueError as error:
                found.append((link, f"a link to {target!r:.80}, {error}"))
        return found

    def end(self, link: str, above: int = 0) -> tuple[str, int]:
        """The file or folder that `link` leads to, and over how many links; of a template its name without the suffix
        will do, for so it is called on the host. Raises ValueError."""
        if link in self._ends:
            return self._ends[link]
        if above >= MOST_LINKS:
            raise ValueError(f"which goes in a circle, or over more than {MOST_LINKS} links")
        target, at, links = self.targets[link], link.rpartition("/")[0], 1
        if target.startswith("/"):
            raise ValueError("which is absolute")
        for part in target.split("/"):
            if at in self.rows:  # a file has nothing below it
                raise ValueError("where there is nothing")
            if part == ".." and not at:
                raise ValueError("which leads out of files/")
            if part == "..":
                at = at.rpartition("/")[0]
            elif part not in ("", "."):
                at, more = self._below(f"{at}/{part}" if at else part, above)
                links += more
        if links > MOST_LINKS:
            raise ValueError(f"which goes over more than {MOST_LINKS} links")
        self._ends[link] = at, links
        return at, links

    def _below(self, path: str, above: int) -> tuple[str, int]:
        for name in (path, path + TEMPLATE):
            if name in self.targets:
                return self.end(name, above + 1)
            if name in self.rows or (name in self.inside and name == path):
                return name, 0
        raise ValueError("where there is nothing")

    def files(self, folder: str = "", shown: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, Row]]:
        """(path by which it is reached, the file); a folder is there once for each link to it. Whoever counts may stop:
        nothing is made before it is asked for. Raises ValueError."""
        for child in self.inside[folder]:
            path = shown + child.rpartition("/")[2]
            end = self.end(child)[0] if child in self.targets else child
            if len(path) > MAX_PATH:
                raise ValueError(f"{path!r:.80}: too long a path, by way of links")
            if end in self.rows:
                yield path, self.rows[end]
            elif end == folder or end in above:
                raise ValueError(f"{path!r:.80}: a link to the folder it lies in")
            else:
                yield from self.files(end, f"{path}/", (*above, folder))
