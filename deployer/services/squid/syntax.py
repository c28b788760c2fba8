"""The syntax of Squid: one directive a line, continued by a backslash; includes in their place."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping

from deployer.services.base import ServiceSettings
from deployer.services.includes import Includes


def directives(
    files: Mapping[str, bytes], name: str, settings: ServiceSettings, includes: Includes
) -> Iterator[tuple[str, str, str]]:
    """(file:line, directive, the rest of its line), includes in their place; those of other files are left out. Raises
    InputError for a circle."""
    source = files.get(name, b"").decode("utf-8", "surrogateescape")
    held, begun = "", 0
    for number, line in enumerate(source.splitlines(), 1):
        begun = begun if held else number
        held += line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        words = held.strip().split(None, 1)
        held = ""
        if not words or words[0].startswith("#"):
            continue
        rest = words[1] if len(words) > 1 else ""
        if words[0] == "include":
            for pattern in rest.split():
                inside = posixpath.relpath(pattern, settings.dest) if pattern.startswith("/") else pattern
                for found in sorted(n for n in files if fnmatch.fnmatchcase(n, inside)):
                    with includes.reading(found, f"{name}:{begun}"):
                        yield from directives(files, found, settings, includes)
        else:
            yield f"{name}:{begun}", words[0], rest
