"""What `deploy init` writes: a configuration repository as files in memory. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.model.errors import InputError
from deployer.model.findings import Differences, Page, Watched
from deployer.model.fleet import Fleet
from deployer.model.release import FILE_PATH, MAX_BYTES, MAX_FILES
from deployer.model.secret import learn
from deployer.model.secret_file import Hidden, as_template, secret_file
from deployer.model.sh import EMPTY, sh
from deployer.remote.tree import WHY

File = tuple[bytes, bool]  # content, executable
STAGES = frozenset(("production", "prod", "live", "staging", "stage", "test", "testing", "development", "dev"))
OURS = "deployer uses this name itself"
INVENTORY = "# An ordinary Ansible inventory. ~/.ssh/config, ssh-agent, known_hosts and bastions work as with ssh.\n"


ASKED = {"origin": "shop.internal.example.com:8080"}  # variables of the examples that nobody can know -> an example


@dataclass(frozen=True)
class Example:
    """What is written from nothing. group: of the inventory; given: that one's name, "" where one is written, too.
    asked: variables that its hosts lack -> the file where an example of each is written, "" where none may be."""

    service: str
    group: str
    files: Mapping[str, File]
    given: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Taken:
    """The files of a host as they go into the repository. left_out: path -> why. hidden: path -> its secrets."""

    files: dict[str, File] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, tuple[Hidden, ...]] = field(default_factory=dict)


@dataclass
class Found:
    """dest: as the playbook says it, without a deploy_prefix. hosts: those of a new inventory, by name, with variables.
    todo: sentences about what the inventory or the servers lack."""

    source: str
    service: str
    dest: str
    group: str
    taken: Taken
    watched: Watched
    page: Page
    differences: Differences
    hosts: dict[str, dict[str, object]] = field(default_factory=dict)
    todo: list[str] = field(default_factory=list)


def take(files: Mapping[str, File], left_out: Mapping[str, str], service: str) -> Taken:
    """Without what is a secret, and what a release cannot hold."""
    taken, lower = Taken(left_out=dict(left_out)), dict[str, str]()
    count = 1
    for path, (content, executable) in sorted(files.items()):
        why = secret_file(path, content)
        if not why and path.endswith(".j2"):
            why = "its name ends in .j2, which here means a template"
        if not why and path.split("/")[0] in (".manifest", ".service"):
            why = OURS
        if not why and path.casefold() in lower:
            why = f"{lower[path.casefold()]} differs from it in capitals only"
        if why:
            taken.left_out[path] = why
            continue
        try:
            text, hidden = as_template(content, count, service)
        except ValueError as error:
            taken.left_out[path] = str(error)
            continue
        lower[path.casefold()] = path
        count += len({one.name for one in hidden})
        for one in hidden:
            learn(one.value)
            taken.hidden[path] = hidden
        taken.files[f"{path}.j2" if hidden else path] = (text, executable)
    refuse_too_much(taken.files)
    return taken


def refuse_too_much(files: Mapping[str, File]) -> None:
    """Raises InputError for more than a release can hold, naming what is largest."""
    size = sum(len(content) for content, _ in files.values())
    if size > MAX_BYTES or len(files) > MAX_FILES:
        largest = sorted(files, key=lambda path: -len(files[path][0]))[:3]
        raise InputError(
            f"{len(files)} files of {size >> 20} MiB lie there: a release has {MAX_FILES} files and "
            f"{MAX_BYTES >> 20} MiB at most; the largest are {', '.join(largest)}",
            hint="move what is no configuration out of that folder",
            consequence="nothing was written",
        )


def group_for(fleet: Fleet, names: Iterable[str], service: str, said: str = "") -> str:
    """The group of the inventory that the playbook is for: the one that was asked for by name, else the smallest that
    has all of these hosts, rather one called like the service, and rather none that is a stage of all services."""
    wanted = set(names)
    if said in fleet.groups:
        return said
    found = [name for name, hosts in fleet.groups.items() if wanted <= set(hosts) and name not in ("all", "ungrouped")]

    def order(name: str) -> tuple[object, ...]:
        many = len(fleet.groups[name])
        return name != service, name in STAGES, many < 2, many, name

    return min(found, key=order) if found else "all"


def asked_by(files: Mapping[str, File], fleet: Fleet, group: str) -> dict[str, str]:
    """Variables that the templates among `files` name and a host of the group lacks -> an example of each."""
    templates = "\n".join(content.decode() for path, (content, _) in files.items() if path.endswith(".j2"))
    hosts = [fleet.hosts[name].vars for name in fleet.groups[group]]
    named = {name: value for name, value in ASKED.items() if re.search(rf"\b{name}\b", templates)}
    return {name: value for name, value in named.items() if not all(name in known for known in hosts)}


def group_vars(asked: Mapping[str, str], given: str) -> str:
    """`group_vars/GROUP.yml`, beside an inventory that stays as it is."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in asked.items()]
    return "\n".join([f"# The example needs it and {given} does not say it: let it be yours.", *lines]) + "\n"


def inventory(service: str, hosts: Mapping[str, Mapping[str, object]]) -> str:
    """For hosts that no inventory names yet: name -> variables."""
    lines = [f"        {json.dumps(name) if ':' in name else name}: {json.dumps(dict(v))}" for name, v in hosts.items()]
    body = [f"    {service}:", "      hosts:", *lines, "    production:", f"      children: {{{service}: {{}}}}"]
    return INVENTORY + "\n".join(["all:", "  children:", *body]) + "\n"


def needed(left_out: Mapping[str, str]) -> list[str]:
    """What of it a release could have after all, so that somebody has to decide. The rest adopt itself refuses."""
    never = (OURS, *(why for word, why in WHY.items() if word != "big"))
    return sorted(p for p, why in left_out.items() if FILE_PATH.fullmatch(p.removesuffix("/")) and why not in never)


def playbook(service: str, group: str, dest: str, needs: Iterable[str] = ()) -> str:
    """`playbooks/SERVICE/playbook.yml`."""
    lines = "".join(f"  - {json.dumps(path)}\n" for path in needs)
    lines = f"needs:  # init left these out; a push without them is refused\n{lines}" if lines else ""
    return f"""\
service: {service}
hosts: {group}
dest: {dest}
serial: [1, 25%, 100%]  # waves: one host, then a quarter, then all
bake: 2m  # how long each wave is watched
confirm_timeout: 60s  # a host that has not heard from the deployer for so long puts itself back
health_checks: [{service}]
{lines}"""


def steps(folder: str, service: str, given: Sequence[str], checkout: bool) -> tuple[str, ...]:
    """What to type next. given: options that every later command needs."""
    options = sh(" {}", given) if given else EMPTY
    start: list[str] = [] if folder == "." else [sh("cd {}", folder)]
    start += [] if checkout else ["git init"]
    return (
        *start,
        "git add -A && git commit -m 'the configuration as it is'",
        *(f"deploy {verb} {service}{options}" for verb in ("check", "adopt", "push")),
    )
