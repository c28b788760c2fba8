"""Playbooks and health checks, from the checkout in hand. The types in model/ are the schema."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError

from deployer.adapters.reading.bounded import checkout_of, read_input
from deployer.adapters.reading.yaml_source import Document, Path_, did_you_mean, read_yaml, without_extensions
from deployer.model.errors import InputError, UsageError
from deployer.model.schema.health import HealthCheck, merge
from deployer.model.schema.playbook import Playbook

M = TypeVar("M", bound=BaseModel)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start`, up to that of its git repository, that has an inventory or playbooks."""
    for folder in (start, *start.parents):
        if (folder / "inventory.yml").is_file() or (folder / "playbooks").is_dir():
            return folder
        if os.path.lexists(folder / ".git"):
            break  # what lies above is another's
    raise UsageError(
        f"no inventory.yml and no playbooks/ in {start} or above", hint="cd into your configuration repository"
    )


def choose_playbook(root: Path, name: str | None) -> str:
    """`name`, or the only playbook there is."""
    folder = root / "playbooks"
    found = sorted(p.parent.name for p in folder.glob("*/playbook.yml")) if folder.is_dir() else []
    names = [each for each in found if NAME.fullmatch(each)]
    if name in found and name not in names:
        raise InputError(
            f"{name!r} cannot be the name of a playbook", hint="letters, digits and . _ - only: it names files on hosts"
        )
    if name is None:
        if len(names) == 1:
            return names[0]
        raise UsageError("which playbook?", hint=f"there are: {', '.join(names) or 'none in playbooks/'}")
    if name not in names:
        raise InputError(
            f"no playbook is called {name!r}: {folder / name / 'playbook.yml'} does not exist",
            hint=did_you_mean(name, names),
        )
    return name


def load_playbook(root: Path, name: str) -> Playbook:
    """Raises InputError with file:line:column."""
    name = choose_playbook(root, name)
    file = f"playbooks/{name}/playbook.yml"
    document = read_yaml(root / file, file, checkout_of(root / file) or root)
    if isinstance(document.value, list) and len(document.value) == 1:  # an Ansible habit
        document.value = document.value[0]
        document.marks = {path[1:]: place for path, place in document.marks.items() if path[:1] == (0,)}
    if isinstance(document.value, dict) and "tasks" in document.value:
        raise document.fail(("tasks",), "this is an Ansible playbook", "run it with ansible-playbook")
    playbook = validate(document, Playbook).model_copy(update={"name": name})
    if playbook.service == "custom" and playbook.custom is None:
        raise document.fail(("service",), "service custom needs `custom:` with check, activate and verify")
    return playbook


def load_health_checks(root: Path, names: tuple[str, ...]) -> HealthCheck:
    """All the health checks of a playbook as one. Raises InputError."""
    folder = root / "health_checks"
    known = sorted(p.stem for p in folder.glob("*.yml")) if folder.is_dir() else []
    checks = []
    for name in names:
        if name not in known:
            raise InputError(
                f"no health check is called {name!r}: health_checks/{name}.yml does not exist",
                hint=did_you_mean(name, known),
            )
        file = f"health_checks/{name}.yml"
        checks.append(validate(read_yaml(root / file, file, checkout_of(root / file) or root), HealthCheck))
    return merge(checks)


def load_urls(root: Path, playbook: str, name: str) -> tuple[str, ...]:
    """The paths of `warm: {urls: NAME}`, one a line; empty lines and those that begin with # are skipped. Raises
    InputError with the place."""
    shown = f"playbooks/{playbook}/{name}"
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(f"{shown}: the path leaves the playbook", hint="put the list beside playbook.yml")
    text = read_input(root / shown, shown, top=checkout_of(root / shown) or root)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        if not url.startswith("/") or any(ord(c) <= 32 or ord(c) == 127 for c in url):
            raise InputError(f"{shown}:{number}: {url[:60]!r} is not a path", hint="write /product/1, one a line")
        found.append(url)
    if not found:
        raise InputError(f"{shown}: no URLs")
    return tuple(found)


def validate(document: Document, model: type[M]) -> M:
    """Types from the schema, places from the file; the first error, and how many more there are."""
    value = document.value
    if not isinstance(value, dict):
        raise document.fail((), "a map of keys is expected")
    try:
        return model.model_validate(without_extensions(value))
    except ValidationError as error:
        found = error.errors(include_url=False)
        places = {id(e): document.marks.get(_known(document, e["loc"]), (0, 0)) for e in found}
        first = min(found, key=lambda e: (e["type"] == "missing", places[id(e)]))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        path = _known(document, first["loc"])
        if first["type"] == "extra_forbidden":
            word = str(first["loc"][-1])
            raise document.fail(
                path, f"unknown key `{word}`{more}", did_you_mean(word, _siblings(model, first["loc"]))
            ) from None
        if first["type"] == "missing":
            raise document.fail(path, f"`{first['loc'][-1]}` is missing{more}") from None
        text = first["msg"].removeprefix("Value error, ")
        if first["type"] == "literal_error":
            allowed = re.findall(r"'([^']*)'", first["ctx"]["expected"])
            hint = did_you_mean(str(first["input"]), allowed)
            text = f"{first['input']!r:.80} is not one of {', '.join(allowed)}"
            raise document.fail(path, f"`{'.'.join(map(str, first['loc']))}`: {text}{more}", hint) from None
        raise document.fail(path, f"`{'.'.join(map(str, first['loc']))}`: {text}{more}") from None


def _known(document: Document, path: Path_) -> Path_:
    while path and path not in document.marks:
        path = path[:-1]
    return path


def _siblings(model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that are allowed where `path` ends, as far as the schema can be followed."""
    current: object = model
    for step in path[:-1]:
        if isinstance(step, int) or not (isinstance(current, type) and issubclass(current, BaseModel)):
            continue
        if step in current.model_fields:
            current = _model_in(current.model_fields[step].annotation)
        elif current.model_config.get("extra") == "allow":  # the user names it
            current = _model_in(get_type_hints(current)["__pydantic_extra__"])
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: object) -> object:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := _model_in(inner):
            return found
    return None
