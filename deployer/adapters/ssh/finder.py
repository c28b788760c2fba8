"""`deploy init` over the wire: what runs on a host, what lies there, what its pages answer. The host is only read."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

from deployer.adapters.http import request as http
from deployer.adapters.http.over_ssh import ANSWER, SshProber
from deployer.adapters.ssh.hosts import Completed, Transport
from deployer.model.errors import HostError
from deployer.model.findings import Page
from deployer.model.fleet import Host
from deployer.model.schema.health import Probe
from deployer.model.sh import Sh, sh, within
from deployer.remote import examine, recognise, tree
from deployer.remote.recognise import Seen
from deployer.remote.tree import Listing
from deployer.remote.verbs import Command
from deployer.services.base import AccessLog

PAGE = Probe(name="home", url="/", timeout=5.0)


class Finder:
    """Asks hosts. Thread safe as far as `transport` is: it keeps nothing."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def rooted(self, host: Host) -> Host:
        """The same, becoming root where sudo lets its user; no inventory said yet whether it does."""
        if self.look(host).root:
            return host
        asked = replace(host, become=True)
        done = self._transport.run(asked, examine.try_sudo())
        return asked if done.stdout.strip().startswith(b"{") else host

    def look(self, host: Host) -> Seen:
        """Raises HostError, as all of these do."""
        return recognise.seen(self._read(host, recognise.recognise()))

    def listing(self, host: Host, folder: str, user: str) -> Listing:
        return tree.listing(self._read(host, tree.list_tree(folder)), user)

    def files(self, host: Host, folder: str, found: Listing) -> dict[str, tuple[bytes, bool]]:
        """The contents of all that `found` lists. Raises HostError where one of them did not come, or another one."""
        got = tree.unpack(self._read(host, tree.fetch(folder, found.files)))
        came = {path: hashlib.sha256(content).hexdigest() for path, (content, _) in got.items()}
        lost = sorted(path for path, digest in found.files.items() if came.get(path) != digest)
        if lost:
            why = "changed meanwhile" if lost[0] in came else "did not come along"
            raise HostError(f"{folder}/{lost[0]} {why} ({len(lost)} of {len(found.files)} files)")
        return {path: got[path] for path in found.files}

    def _read(self, host: Host, command: Command) -> bytes:
        """As root where the host says so; where sudo does not let us, as who logs in."""
        done = self._transport.run(host, command)
        if host.become and recognise.MARK not in done.stdout:
            done = self._transport.run(host, replace(command, elevated=None))
        return recognise.answer(done.stdout, done.exit, done.stderr)

    def unreadable(self, host: Host, log: AccessLog) -> str:
        """Why who logs in cannot follow this log; "" where it can. A push reads it without sudo."""
        if log.path.startswith("|"):
            line = sh("{} </dev/null >/dev/null 2>&1; echo $?", within(log.path[1:]))
            said = self._transport.run(host, Command(line, deadline=20.0)).stdout.split()
            return "" if said and said[-1] in (b"0", b"124", b"143") else "its log cannot be read"
        line = sh('p={}; if [ ! -e "$p" ]; then echo no; elif [ -r "$p" ]; then echo ok; fi', log.place)
        said = self._transport.run(host, Command(line, deadline=20.0)).stdout.split()
        where = "in the folder that the server names" if log.folder else ""
        if said and said[-1] == b"no":
            return f"{log.path} {where} is not there".replace("  ", " ")
        return "" if said and said[-1] == b"ok" else f"{log.path} {where} may not be read".replace("  ", " ")

    def page(self, host: Host) -> Page:
        """Asked twice from here; where that is not possible, from the host itself."""
        first, second = asyncio.run(self._from_here(host))
        if first.status:
            return Page(first.status, second.hit)
        prober = SshProber(self._run)
        try:
            inside, again = prober.ask(host, PAGE), prober.ask(host, PAGE)
        except http.Unsendable as error:
            return Page(why=f"{first.error}; {error}")
        if inside.status:
            return Page(inside.status, again.hit, "ssh")
        return Page(why=first.error or inside.error)

    async def _from_here(self, host: Host) -> tuple[http.Answer, http.Answer]:
        try:
            where = http.target(host, PAGE, await asyncio.to_thread(http.resolve, host.address or host.name))
        except http.Unsendable as error:
            return http.Answer(error=str(error)), http.Answer()
        client = http.make_client()
        try:
            return await http.fetch(client, where, PAGE), await http.fetch(client, where, PAGE)
        finally:
            await client.aclose()

    def _run(self, host: Host, line: Sh, deadline: float) -> Completed:
        return self._transport.run(host, Command(line, b"", deadline, most=ANSWER))
