"""What `deploy init` saw on hosts, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Page:
    """What `/` answers. status: 0 where nothing did, and `why`. hit: the second time it came from the cache. via: from
    this machine (http) or only from the host itself (ssh)."""

    status: int = 0
    hit: bool | None = None
    via: str = "http"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """How visitors' requests are seen. path: of the log, or "the shared log". fields: what its lines tell. lacking: why
    it cannot be used yet, and what to do; "" where it can."""

    path: str = ""
    fields: frozenset[str] = frozenset()
    note: str = ""
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Differences:
    """Between the host whose files were taken and the others. changed: path -> hosts where it is another; only: path ->
    hosts that have it beside the rest; missing: path -> hosts that lack it. unseen: host -> why."""

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)


def compare(
    source: Mapping[str, str], others: Mapping[str, Mapping[str, str]], unseen: Mapping[str, str]
) -> Differences:
    """path -> digest, of one host and of the others."""
    every = sorted({path for files in others.values() for path in files} | set(source))
    changed, only, missing = dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]]()
    for path in every:
        if path in source:
            other = tuple(name for name, files in others.items() if files.get(path, source[path]) != source[path])
            lacking = tuple(name for name, files in others.items() if path not in files)
            changed |= {path: other} if other else {}
            missing |= {path: lacking} if lacking else {}
        else:
            only[path] = tuple(name for name, files in others.items() if path in files)
    return Differences(changed, only, missing, unseen)
