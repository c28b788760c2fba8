"""The files of a playbook as a commit has them, read from the object database: what cannot land on a host is refused
by name, all of a kind at once, and links that stay inside are followed (git_links)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from deployer.adapters.git.links import LINK, LONGEST_TARGET, TEMPLATE, Linked, Row
from deployer.adapters.git.repository import read_blobs, run_git
from deployer.model.errors import InputError
from deployer.model.release import FILE_PATH, MAX_BYTES, MAX_FILES, MAX_PATH, SourceFile

if TYPE_CHECKING:
    from git import Repo

FILE, EXECUTABLE = "100644", "100755"
KINDS = {"160000": "a submodule", "40000": "a folder"}
LFS = b"version https://git-lfs.github.com/spec/"
SHOWN = 10  # of what is wrong, by name
NAMES = "possible are A-Z a-z 0-9 . _ @ + # -, no # or - first, 255 in all: git mv it"
STAY = "a link may lead to what lies below files/: put the file itself there, or write where it lies on the host"


def read_sources(repo: Repo, sha: str, folder: str) -> tuple[SourceFile, ...]:
    """Every file below `folder` at `sha`, sorted. Raises InputError naming commit, path and why."""
    where = f"{sha[:10]}:{folder}"
    rows = list(_rows(repo, sha, folder))
    if not rows:
        raise InputError(f"{sha[:10]}: nothing to deploy: {_nothing(repo, sha, folder)}")
    _bounded(where, ((row.path, row) for row in rows))
    refuse_all(where, _kinds(rows))
    refuse_all(where, _names(rows), NAMES)
    links = [row for row in rows if row.mode == LINK]
    refuse_all(where, ((row.path, "a link with too long a target") for row in links if row.size > LONGEST_TARGET))
    said = [text.decode("utf-8", "backslashreplace") for text in read_blobs(repo, [row.blob for row in links])]
    linked = Linked(rows, {row.path: target for row, target in zip(links, said, strict=True)})
    refuse_all(where, linked.wrong(), STAY)
    try:
        files = list(_bounded(where, linked.files()))
    except ValueError as error:
        raise InputError(f"{where}: {error}", hint=STAY) from None
    blobs = list(dict.fromkeys(row.blob for _, row in files))
    contents = dict(zip(blobs, read_blobs(repo, blobs), strict=True))
    found = [_source(path, row, contents[row.blob]) for path, row in files]
    pointers = dict.fromkeys(source.file for source in found if source.content.startswith(LFS))
    refuse_all(where, ((file, "a Git LFS pointer, not the file itself") for file in pointers), "commit the file itself")
    refuse_all(where, _twins(found))
    return tuple(sorted(found, key=lambda source: source.path))


def _rows(repo: Repo, sha: str, folder: str) -> Iterator[Row]:
    """Names come raw, separated by NUL, so none can pretend to be two."""
    words = ("ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", sha, "--", f"{folder}/")
    for entry in run_git(repo, *words).split(b"\0"):
        if entry:
            head, _, name = entry.partition(b"\t")
            mode, _, blob, length = head.decode().split()
            shown = name.decode("utf-8", "backslashreplace").removeprefix(f"{folder}/")
            yield Row(mode, blob, shown, int(length) if length.isdigit() else 0)


def _nothing(repo: Repo, sha: str, folder: str) -> str:
    """Why there are no files: the folder itself, or one above it, may be a link or a submodule."""
    parts = folder.split("/")
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        said = run_git(repo, "ls-tree", "-z", "--full-tree", "--end-of-options", sha, "--", path).decode(
            errors="replace"
        )
        kind = {LINK: "a link", **KINDS, "40000": ""}.get(said.split(" ")[0], "")
        if kind:
            return f"{path} is {kind}, and no folder of this repository"
    return f"{folder} has no files at this revision"


def _bounded(where: str, rows: Iterable[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """Before any content is read, and while links are still being followed."""
    found: list[tuple[str, Row]] = []
    size = 0
    for path, row in rows:
        found.append((path, row))
        size += row.size
        if size > MAX_BYTES or len(found) > MAX_FILES:
            raise InputError(f"{where}/{path}: more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB")
    return found


def _kinds(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    for mode, _, path, _ in rows:
        parts = path.removesuffix(TEMPLATE).split("/")
        if mode not in (FILE, EXECUTABLE, LINK):
            yield path, f"{KINDS.get(mode, 'an object')} (mode {mode}) cannot be deployed"
        elif {"..", "."} & set(parts):
            yield path, "the path leaves the tree"
        elif parts[0] in (".manifest", ".service"):
            yield path, "this name is used by the deployer"


def _names(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Paths that no manifest of a host can hold."""
    for _, _, name, _ in rows:
        path = name.removesuffix(TEMPLATE)
        if not FILE_PATH.fullmatch(path) or len(path) > MAX_PATH:
            yield name, "the file name is not allowed"


def _source(path: str, row: Row, content: bytes) -> SourceFile:
    """What is reached by `path`. A link to a template is one, whatever it is called itself."""
    template = path.endswith(TEMPLATE) or row.path.endswith(TEMPLATE)
    return SourceFile(path.removesuffix(TEMPLATE), content, row.mode == EXECUTABLE, template, row.path)


def _twins(found: Iterable[SourceFile]) -> Iterator[tuple[str, str]]:
    """Two that would be one file on a disk that knows no case, or once `.j2` is gone; a file where a folder must be."""
    there: dict[str, str] = {}
    for source in found:
        key = source.path.casefold()
        if key in there:
            yield source.path, f"collides with {there[key]}"
        there[key] = source.path
    for path in list(there.values()):
        parts = path.split("/")
        for end in range(1, len(parts)):
            if (above := "/".join(parts[:end])).casefold() in there:
                yield path, f"collides with {above}"


def refuse_all(where: str, wrong: Iterable[tuple[str, str]], hint: str = "") -> None:
    """One error for all of them. Raises InputError, or nothing where nothing is wrong."""
    found = list(wrong)
    if not found:
        return
    names = [f"{path!r}: {why}" if not path.isprintable() or " " in path else f"{path}: {why}" for path, why in found]
    if len(found) == 1:
        raise InputError(f"{where}/{names[0]}", hint=hint)
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise InputError(f"{len(found)} files in {where} cannot be deployed: {'; '.join(names[:SHOWN])}{more}", hint=hint)
