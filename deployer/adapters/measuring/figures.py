"""Figures of the user's own that count for the whole fleet: commands and Prometheus queries, asked every tick."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from deployer.adapters.local.children import ANY, environment
from deployer.adapters.measuring.poll import Poll, Reader
from deployer.adapters.measuring.prometheus import QueryReader
from deployer.adapters.ssh.hosts import Transport
from deployer.model.errors import HostError
from deployer.model.fleet import Host
from deployer.model.schema.sources import Exec, Sources
from deployer.model.sh import Sh
from deployer.remote.verbs import Command

TIMEOUT = 5.0  # seconds of one command
SEPARATOR = "\0"  # between the name of a figure and that of a host


def number(stdout: bytes) -> float:
    """What a command printed. Raises HostError for anything but one finite number, not negative."""
    text = stdout.decode("utf-8", "replace").strip()
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found < 0:
        raise HostError(f"the command printed {text[:40]!r} instead of a number")
    return found


@dataclass(frozen=True)
class HereReader:
    """Runs a command on this machine."""

    command: str
    follows: bool = False
    slow: bool = False

    def read(self) -> float:
        """Its number. Raises HostError."""
        child = subprocess.Popen(
            ["/bin/sh", "-c", self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(ANY),
            start_new_session=True,  # all of it is ended with it, and a Ctrl-C is not meant for it
        )
        try:
            out, _ = child.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise HostError(f"the command took longer than {TIMEOUT:.0f} s") from None
        if child.returncode != 0:
            raise HostError(f"the command ended with exit {child.returncode}")
        return number(out)


@dataclass(frozen=True)
class ThereReader:
    """Runs a command on one host: the user's own line of sh, as it was written."""

    transport: Transport
    host: Host
    command: str
    follows: bool = False
    slow: bool = False

    def read(self) -> float:
        """Its number. Raises HostError."""
        done = self.transport.run(self.host, Command(Sh(self.command), deadline=TIMEOUT))
        if done.exit != 0:
            raise HostError(f"the command ended with exit {done.exit}")
        return number(done.stdout)


class Figures:
    """names: what they are called."""

    def __init__(self, executor: Executor, sources: Sources, hosts: Sequence[Host], transport: Transport) -> None:
        self.names = tuple(sources.figures)
        self._hosts = {name: [h.name for h in hosts] for name, one in sources.exec.items() if one.on == "host"}
        readers = figure_readers(sources, hosts, transport)
        self._keys = tuple(readers)
        self._poll = Poll(executor, readers, lambda old, new: new)

    def ask(self) -> None:
        """All of them; never blocks."""
        self._poll.ask(self._keys)

    def restart(self) -> None:
        """Forget what came in."""
        self._poll.restart()

    def take(self) -> tuple[dict[str, float], dict[str, str]]:
        """name -> value of what answered, name -> why of what did not. A figure of all hosts is the sum of theirs."""
        answers = self._poll.take(self._keys, 0.0)
        values: dict[str, float] = {}
        reasons: dict[str, str] = {}
        for name in self.names:
            keys = [name + SEPARATOR + host for host in self._hosts[name]] if name in self._hosts else [name]
            given = [answers[key][0] for key in keys]
            known = [one for one in given if one is not None]
            if len(known) == len(keys):
                values[name] = sum(known)
                continue
            key = next(key for key in keys if answers[key][0] is None)
            where = f" on {key.partition(SEPARATOR)[2]}" if SEPARATOR in key else ""
            reasons[name] = (answers[key][1] or "no answer yet") + where
        return values, reasons


def figure_readers(sources: Sources, hosts: Sequence[Host], transport: Transport) -> dict[str, Reader[float]]:
    """By the name of the figure, or by that, SEPARATOR and the name of a host."""
    readers: dict[str, Reader[float]] = {}
    if sources.prometheus:
        url = sources.prometheus.url
        readers |= {name: QueryReader(url, one.query) for name, one in sources.prometheus.queries.items()}
    for name, one in sources.exec.items():
        readers |= command_readers(name, one, hosts, transport)
    return readers


def command_readers(
    name: str, one: Exec, hosts: Sequence[Host], transport: Transport
) -> Mapping[str, HereReader | ThereReader]:
    """One reader here, or one for every host."""
    if one.on == "deployer":
        return {name: HereReader(one.command)}
    return {name + SEPARATOR + host.name: ThereReader(transport, host, one.command) for host in hosts}
