"""Where in the health checks something is written, for what is said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from deployer.adapters.reading.bounded import checkout_of
from deployer.adapters.reading.yaml_source import Document, Path_, read_yaml
from deployer.model.errors import InputError
from deployer.model.schema.playbook import Playbook


def places(root: Path, playbook: Playbook) -> Callable[[str], str]:
    """`probe NAME`, `figure NAME` or `traffic` -> file:line of where it is written, "" for nowhere. The files are read
    when the first one is asked for; where several say it, the last one counts, as in model.health.merge."""

    @cache
    def read() -> dict[str, str]:
        found: dict[str, str] = {}
        documents = []
        for name in playbook.health_checks:
            file = f"health_checks/{name}.yml"
            try:
                documents.append((name, read_yaml(root / file, file, checkout_of(root / file) or root)))
            except InputError:  # it was read before; who changed it since gets no place
                continue
        names = Counter(word for _, document in documents for word in probes(document))
        for name, document in documents:
            for word, path in written(document).items():
                twice = word.startswith("probe ") and names[word.removeprefix("probe ")] > 1
                known = f"probe {name}/{word.removeprefix('probe ')}" if twice else word
                found[known] = f"{document.file}:{document.place(path)[0]}"
        return found

    return lambda what: read().get(what, "")


def probes(document: Document) -> list[str]:
    """Names, in the order of the file."""
    given = document.value.get("probes") if isinstance(document.value, dict) else None
    return [str(one.get("name", "")) for one in given or () if isinstance(one, dict)]


def written(document: Document) -> dict[str, Path_]:
    """What is written -> where."""
    found: dict[str, Path_] = {f"probe {name}": ("probes", place) for place, name in enumerate(probes(document))}
    for path in document.marks:
        match path:
            case ("sources", "traffic"):
                found["traffic"] = path
            case ("sources", "prometheus" | "exec", str(name)) if name != "url":
                found[f"figure {name}"] = path
    return found
