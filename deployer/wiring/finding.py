"""What `deploy init --from HOST` finds: the service of a host, its files, and where other hosts differ from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from deployer.adapters.ssh.finder import Finder
from deployer.engine.fanout import failures, guarded, successes
from deployer.engine.scaffold import Found, group_for, needed, take
from deployer.model.dest import own_directory
from deployer.model.errors import DeployError, HostError, InputError, UsageError
from deployer.model.findings import Differences, Page, Watched, compare
from deployer.model.fleet import Fleet, Host
from deployer.model.pattern import select
from deployer.model.remedy import remedy
from deployer.remote.layout import layout_for
from deployer.remote.recognise import Process, Seen
from deployer.remote.tree import Listing
from deployer.services import SERVICES
from deployer.services.running import Running, running
from deployer.wiring.site import Site

T = TypeVar("T")
ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][\w.@\\-]*)@)?(?P<name>[A-Za-z0-9_][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
)
ENCRYPTED = {443, 8443}
NOTHING = "nothing was written"


@dataclass
class Search:
    """fleet: None where no inventory says anything. wanted: --service, "" for what runs."""

    finder: Finder
    executor: ThreadPoolExecutor
    fleet: Fleet | None
    words: tuple[str, ...]
    wanted: str = ""

    def run(self) -> Found:
        """Raises DeployError naming the host."""
        named = self.named()
        first = named[0]
        seen = self.ask(first, self.finder.look)
        runs = self.recognised(first, seen)
        first = replace(first, vars=with_port(first, seen, runs))
        tree = self.ask(first, lambda h: self.finder.listing(h, runs.folder, seen.user))
        dest = self.folder(first, runs, tree, seen)
        files = self.ask(first, lambda h: self.finder.files(h, runs.folder, tree))
        taken = take(files, tree.left_out, runs.service)
        group, others = self.others(named, runs.service)
        differences = self.compared(first, others, dest, tree)
        watched = self.watched(first, runs, dest, {path: content for path, (content, _) in files.items()})
        # another's page on that port is none of its pages
        there = any(process.service == runs.service for process in on_host(first, seen))
        page = self.finder.page(first) if there else Page(why=f"{runs.service} does not run there")
        found = Found(first.name, runs.service, dest, group, taken, watched, page, differences)
        self.conclude(found, first, named, seen, runs)
        return found

    def ask(self, host: Host, call: Callable[[Host], T]) -> T:
        """Of the host whose files are taken: without it there is nothing to write."""
        try:
            return call(host)
        except HostError as error:
            raise DeployError(
                f"cannot read {host.name}: {error}", hint="ssh to it by hand, as the same user", consequence=NOTHING
            ) from None

    def each(self, hosts: Iterable[Host], call: Callable[[Host], T]) -> dict[str, T | HostError]:
        futures = {host.name: self.executor.submit(guarded, call, host) for host in hosts}
        return {name: future.result() for name, future in futures.items()}

    def named(self) -> tuple[Host, ...]:
        """The hosts that --from names: a pattern of the inventory, or addresses as ssh takes them."""
        if self.fleet is not None:
            return tuple(self.fleet.hosts[name] for name in select(self.fleet, ",".join(self.words)))
        hosts = [addressed(word) for given in self.words for word in given.split(",")]
        twice = {host.name for host in hosts if [h.name for h in hosts].count(host.name) > 1}
        if twice:
            raise UsageError(f"--from names {min(twice)} twice", consequence=NOTHING)
        rooted = self.each(hosts, self.finder.rooted)
        return tuple(found if isinstance(found := rooted[host.name], Host) else host for host in hosts)

    def recognised(self, host: Host, seen: Seen) -> Running:
        """The one cache server that runs there, or the one that was asked for."""
        prefix, here = host.prefix, on_host(host, seen)
        pids = {(p.service, p.pid) for p in here}
        mains = [p for p in here if (p.service, p.parent) not in pids and not p.words[0].startswith(("(", "nginx: w"))]
        kinds = {p.service: running(p.service, p.words, prefix, seen.built.get(p.service, "")) for p in reversed(mains)}
        if self.wanted:
            known = kinds.get(self.wanted)
            return known or running(self.wanted, [self.wanted], prefix, seen.built.get(self.wanted, ""))
        if len(kinds) == 1:
            return next(iter(kinds.values()))
        if kinds:
            names = ", ".join(sorted(kinds))
            raise DeployError(
                f"{host.name} runs {names}: a playbook is for one of them",
                hint=f"deploy init --service {min(kinds)}, then again for each other one",
                consequence=NOTHING,
            )
        raise DeployError(
            f"no cache server runs on {host.name} (looked for {', '.join(SERVICES)})",
            hint="start it, or say which one it will be: --service nginx",
            consequence=NOTHING,
        )

    def folder(self, host: Host, runs: Running, tree: Listing, seen: Seen) -> str:
        """dest of the playbook. Raises DeployError for a folder that cannot be one."""
        where = f"{runs.folder} on {host.name}"
        if tree.state != "open":
            why, hint = shut(runs.service, tree.state, seen)
            raise DeployError(f"cannot read {where}: {why}", hint=hint, consequence=NOTHING)
        if not tree.files:
            raise DeployError(f"cannot take {where}: no file in it can be read", consequence=NOTHING)
        entry = SERVICES[runs.service].entry
        if entry and entry not in tree.files and not runs.vars.get("haproxy_files"):
            why = f"{runs.service} there reads {runs.entry}, and a release must have {entry}"
            why = f"{tree.left_out[entry]}: {entry}" if entry in tree.left_out else why
            raise DeployError(f"cannot take {where}: {why}", hint=f"rename it to {entry} there", consequence=NOTHING)
        try:
            return own_directory(runs.folder.removeprefix(host.prefix))
        except ValueError as error:
            raise InputError(f"cannot take {where}: {error}", consequence=NOTHING) from None

    def others(self, named: tuple[Host, ...], service: str) -> tuple[str, tuple[Host, ...]]:
        """The group of the playbook, and its hosts but for the first that was named."""
        if self.fleet is None:
            return service, named[1:]
        group = group_for(self.fleet, [h.name for h in named], service, ",".join(self.words))
        return group, tuple(self.fleet.hosts[n] for n in self.fleet.groups[group] if n != named[0].name)

    def compared(self, first: Host, others: tuple[Host, ...], dest: str, tree: Listing) -> Differences:
        """By digests: no other host's files are fetched."""

        def look(host: Host) -> Listing:
            found = self.finder.listing(host, f"{host.prefix}{dest}", host.user or "who logs in")
            if found.state != "open":
                raise HostError(f"{host.prefix}{dest} {'is not there' if found.state == 'absent' else 'is closed'}")
            return found

        seen = self.each(others, look)
        unseen = {name: str(error) for name, error in failures(seen).items()}
        return compare(tree.files, {name: found.files for name, found in successes(seen).items()}, unseen)

    def watched(self, host: Host, runs: Running, dest: str, files: Mapping[str, bytes]) -> Watched:
        """How visitors are seen, as a push will read it."""
        there = replace(host, vars={**host.vars, **runs.vars})
        try:
            log = Site(there, layout_for(host, runs.service, dest), SERVICES[runs.service]).access_log(files)
        except InputError as error:
            return Watched(lacking=f"{error.message}; {error.hint}")
        if log is None:
            return Watched(lacking=f"{runs.service} logs no request to a file")
        try:
            lacking = self.finder.unreadable(host, log)
        except HostError as error:
            lacking = str(error)
        if lacking:
            lacking += f": let {host.user or 'the user who logs in'} read it (a group such as adm or varnish)"
        shown = "what it keeps in shared memory" if log.path.startswith("|") else log.path
        return Watched(shown, frozenset(log.pieces[1::2]), log.note, lacking)

    def conclude(self, found: Found, first: Host, named: tuple[Host, ...], seen: Seen, runs: Running) -> None:
        """What a new inventory says, or an old one lacks."""
        wanted: dict[str, object] = dict(runs.vars)
        if first.http_port != 80:
            wanted["http_port"] = first.http_port
        if self.fleet is None:
            found.hosts = {host.name: {**login(host), **wanted} for host in named}
        else:
            known = self.fleet.hosts[first.name].vars
            lacks = {name: value for name, value in wanted.items() if str(known.get(name, "")) != str(value)}
            found.todo += [f"{name}: {value} in the inventory, for {found.group}" for name, value in lacks.items()]
        if needs := needed(found.taken.left_out):
            more = f" and {len(needs) - 1} more" if len(needs) > 1 else ""
            settled = remedy(f"{found.service}/files/{needs[0]}", "and take it off needs: of the playbook")
            found.todo.append(f"a push is refused until there is a place for {needs[0]}{more}: {settled}")
        if not seen.root and not first.prefix:
            found.todo.append(f"root: {seen.user} is not root on {first.name}: a sudo rule and ansible_become: true")


def shut(service: str, state: str, seen: Seen) -> tuple[str, str]:
    """(why, hint) of a folder that gives nothing. state: of its listing."""
    if state != "absent":
        return "it may not be entered", "see what is mounted there" if seen.root else "log in as root, or with sudo"
    here = sorted({one.service for one in seen.processes if not one.nested})
    if service in here:
        return f"it is not there, though {service} runs", "put it back, or name a host that has it"
    why = f"it is not there, and {service} does not run there"
    if here:
        runs = f"{' and '.join(here)} run{'s' * (len(here) == 1)} there"
        return why, f"install it there, or leave --service out: {runs}"
    return why, f"install it there, or begin with an example: deploy init --service {service}"


def addressed(word: str) -> Host:
    """`[user@]name[:port]`."""
    match = ADDRESS.fullmatch(word.strip())
    if not match or int(match["port"] or 1) > 65535:
        raise UsageError(
            f"--from {word!r:.80} is no host", hint="write [user@]name[:port], as ssh takes it", consequence=NOTHING
        )
    return Host(match["name"].strip("[]"), port=int(match["port"] or 0), user=match["user"] or "")


def login(host: Host) -> dict[str, object]:
    """The variables that say how to log in."""
    said: dict[str, object] = {"ansible_user": host.user, "ansible_port": host.port, "ansible_become": host.become}
    return {name: value for name, value in said.items() if value}


def on_host(host: Host, seen: Seen) -> list[Process]:
    """Its own servers: none of a container, none of another host that shares the machine."""
    prefix = host.prefix
    return [p for p in seen.processes if not p.nested and (not prefix or any(f"{prefix}/" in w for w in p.words))]


def with_port(host: Host, seen: Seen, runs: Running) -> dict[str, object]:
    """The host's variables, with the port where its service answers if the inventory's is none of those."""
    open_ = [port for p in seen.processes if p.service == runs.service for port in p.ports]
    plain = [port for port in open_ if port not in ENCRYPTED]
    right = not plain or host.http_port in plain
    return {**host.vars, **runs.vars, **({} if right else {"http_port": plain[0]})}
