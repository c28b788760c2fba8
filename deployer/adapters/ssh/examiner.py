"""`deploy doctor` over the wire. It installs nothing: an agent that is not there is told, not put there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from deployer.adapters.ssh.hosts import Completed, Transport
from deployer.model.errors import HostError, Refused
from deployer.model.examination import Examination
from deployer.model.fleet import Host
from deployer.model.sh import Sh
from deployer.remote import answer, examine, verbs
from deployer.remote.layout import Layout, agent_source, layout_for


class Examiner:
    """Looks at the hosts of one playbook. password: is there one for sudo?"""

    def __init__(
        self,
        transport: Transport,
        playbook: str,
        dest: str,
        service: str,
        password: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport, self._playbook, self._dest = transport, playbook, dest
        self._service, self._password, self._now = service, password, now

    def __call__(self, host: Host) -> Examination:
        """Raises HostError when it cannot be reached."""
        layout = layout_for(host, self._playbook, self._dest)
        tools = examine.agent_tools(agent_source())
        self._run(host, verbs.Command(Sh("true")))  # the connection is there before the clock is read
        sent = self._now()
        done = self._run(host, examine.look(layout, self._service, host.vars, tools))
        middle = (sent + self._now()) / 2
        found = examine.seen(done.stdout, done.exit, done.stderr)
        name, _, uid = found["user"][0].rpartition(" ")
        versions = {n: said for n, _, said in (line.partition(" ") for line in found.get("binary", []))}
        looked = Examination(
            user=name,
            missing=tuple(found.get("missing", ())),
            versions=versions,
            clock=round(float(found["clock"][0]) + 0.5 - middle, 1),  # it tells whole seconds
            free_kb=int(found["free"][0]),
            real=not host.prefix,
            shell=found.get("shell", [""])[0],
            noise=answer.one_line(done.noise.decode("utf-8", "replace")),
        )
        return self._surveyed(host, layout, self._rooted(host, looked, uid == "0"))

    def _run(self, host: Host, command: verbs.Command) -> Completed:
        return self._transport.run(host, command)

    def _rooted(self, host: Host, looked: Examination, is_root: bool) -> Examination:
        if is_root:
            return replace(looked, how="root")
        if host.prefix and not host.become:
            return replace(looked, how="an ordinary user")
        if not host.become:
            return replace(looked, root=f"{looked.user} is not root, and ansible_become is not set")
        return replace(looked, how="sudo with a password" if self._password else "sudo")

    def _surveyed(self, host: Host, layout: Layout, looked: Examination) -> Examination:
        """The survey goes the way every verb goes: it proves that sudo runs the agent."""
        done = self._run(host, verbs.survey(layout))
        try:
            state = answer.parse(done.stdout, done.exit, done.stderr)
        except Refused as refused:
            if refused.code != verbs.ABSENT:
                raise
            return self._without_agent(host, looked)
        except HostError as error:
            return replace(looked, agent=True, root=looked.root or str(error))
        return replace(looked, agent=True, adopted=state.adopted, alarm=state.alarm, layers=state.layers)

    def _without_agent(self, host: Host, looked: Examination) -> Examination:
        """Could it be installed?"""
        if looked.root or not looked.how.startswith("sudo"):
            return looked
        done = self._run(host, examine.try_sudo())
        if done.stdout.strip().startswith(b"{"):
            return looked
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:200] or "nothing"
        return replace(looked, root=f"the agent is not installed, and sudo does not let {looked.user} do it: {said}")
