"""What `deploy init` writes: a repository from what lies on a host, or from the project's own example of a service."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deployer.adapters.local.new_files import already, write_new
from deployer.adapters.local.signals import SIGNALS
from deployer.adapters.reading.examples import example_files
from deployer.adapters.reading.inventory import load_inventory
from deployer.adapters.ssh.ask import refuse_unreadable_config
from deployer.console.say import say
from deployer.engine.deploy.first_check import health_check
from deployer.engine.scaffold import (
    ASKED,
    Example,
    File,
    Found,
    asked_by,
    group_for,
    group_vars,
    inventory,
    needed,
    playbook,
    steps,
)
from deployer.model.errors import DeployError, Interrupted
from deployer.model.fleet import Fleet
from deployer.wiring.options import Options

NAMES = (
    "inventory.yml",
    "inventory.yaml",
    "inventory.ini",
    "inventory",
    "hosts.yml",
    "hosts.yaml",
    "hosts.ini",
    "hosts",
)


class Scaffold(NamedTuple):
    """written: below the folder. steps: what to type next."""

    what: Found | Example
    written: Sequence[str]
    steps: Sequence[str]


def scaffolded(options: Options, folder: str, source: tuple[str, ...], service: str | None) -> Scaffold:
    """source: --from, () for an example. service: None for what runs there. Raises DeployError; nothing is written
    then."""
    target = Path(folder)
    given = known_inventory(options, target)
    fleet = read(given, target)
    try:
        what, files = wanted(options, target, source, service, given, fleet)
        SIGNALS.count_only()
        written = write(target, files)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted", hint="run it again when you are ready", consequence="nothing was written"
        ) from None
    named = [] if given == [target / "inventory.yml"] else given
    words = [word for one in named for word in ("-i", os.path.relpath(one, target))]
    versioned = (target / ".git").exists() or inside_checkout(target)
    return Scaffold(what, written, steps(folder, what.service, words, versioned))


def wanted(
    options: Options,
    target: Path,
    source: tuple[str, ...],
    service: str | None,
    given: list[Path],
    fleet: Fleet | None,
) -> tuple[Found | Example, dict[str, File]]:
    """What was found or chosen, and every file of it by path."""
    if source:
        found = search(options, fleet, source, service)
        return found, files_of(found, fleet)
    chosen = example(service or "nginx", fleet, target, given)
    return chosen, dict(chosen.files)


def known_inventory(options: Options, target: Path) -> list[Path]:
    """Those that are given, or the one that lies in the folder."""
    if options.inventory:
        return [Path(one) for one in options.inventory]
    return [target / name for name in NAMES if (target / name).exists()][:1]


def read(inventories: list[Path], target: Path) -> Fleet | None:
    """None where there is none: one is written."""
    refuse_unreadable_config()
    return load_inventory(*inventories, beside=target) if inventories else None


def search(options: Options, fleet: Fleet | None, source: tuple[str, ...], service: str | None) -> Found:
    """Over SSH; every connection is closed on the way out, and never waited for."""
    from deployer.adapters.local.threads import make_executor
    from deployer.adapters.ssh.finder import Finder
    from deployer.adapters.ssh.transport import SshTransport
    from deployer.wiring.finding import Search

    transport, executor = SshTransport(become_password=options.become_password()), make_executor(options.forks)
    try:
        return Search(Finder(transport), executor, fleet, source, service or "").run()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        transport.close()


def files_of(found: Found, fleet: Fleet | None) -> dict[str, File]:
    """Everything that a repository needs, by path."""
    top = f"playbooks/{found.service}"
    texts = {f"{top}/playbook.yml": playbook(found.service, found.group, found.dest, needed(found.taken.left_out))}
    texts[f"health_checks/{found.service}.yml"] = health_check(found.watched, found.page)
    if fleet is None:
        texts["inventory.yml"] = inventory(found.service, found.hosts)
    files: dict[str, File] = {path: (text.encode(), False) for path, text in texts.items()}
    return files | {f"{top}/files/{path}": file for path, file in found.taken.files.items()}


def example(service: str, fleet: Fleet | None, target: Path, given: list[Path]) -> Example:
    """The project's own example of a service, for a group of the inventory, with what its templates need."""
    if fleet is None:
        hosts = {f"{service}{number}.example.com": dict(ASKED) for number in (1, 2)}
        files = example_files(service, service) | {"inventory.yml": (inventory(service, hosts).encode(), False)}
        return Example(service, service, files)
    group = service if service in fleet.groups else group_for(fleet, fleet.hosts, service)
    files, said = example_files(service, group), ", ".join(one.name for one in given)
    asked, place = asked_by(files, fleet, group), f"group_vars/{group}"
    ends = ("", ".yml", ".yaml", ".json")
    if any((target / f"{place}{end}").exists() for end in ends) or not re.fullmatch(r"\w[\w.-]*", group):
        place = ""  # what is there is somebody's
    elif asked:
        place += ".yml"
        files[place] = (group_vars(asked, said).encode(), False)
    return Example(service, group, files, said, dict.fromkeys(asked, place))


def write(target: Path, files: dict[str, File]) -> list[str]:
    """Raises DeployError where a file is there with other content: the difference is shown, nothing is written."""

    def heed() -> None:
        if SIGNALS.asked():
            raise KeyboardInterrupt

    others, difference = already(target, files)
    if others:
        say(difference, err=True)
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise DeployError(
            f"{', '.join(others[:3])}{more} in {target}: there already, with other content",
            hint="move them away, or give another folder: deploy init FOLDER",
            consequence="nothing was written",
        )
    return write_new(target, files, heed)


def inside_checkout(target: Path) -> bool:
    """Is it a part of somebody's git repository already?"""
    return any((folder / ".git").exists() for folder in target.resolve().parents)
