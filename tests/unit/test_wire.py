"""The host verbs over a wire that breaks: what is asked again, and what is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from deployer.adapters.ssh.hosts import SshHosts
from deployer.model.errors import HostError, Unreachable
from deployer.model.fleet import Host
from deployer.remote.verbs import Command
from tests.contract.real import Ran

ANSWER = json.dumps({"ok": True, "proto": 1, "adopted": True, "fence": 7}).encode()


@dataclass
class Wire:
    """Answers with each of `says` in turn."""

    says: list[Ran | HostError]
    asked: list[bool] = field(default_factory=list)

    def run(self, host: Host, command: Command, fresh: bool = False) -> Ran:
        self.asked.append(fresh)
        said = self.says.pop(0)
        if isinstance(said, HostError):
            raise said
        return said


def hosts(wire: Wire) -> SshHosts:
    return SshHosts(wire, "nginx", "/etc/nginx", lambda host, layout: "")


@pytest.mark.parametrize("first", [Unreachable("the connection broke: reset", cut=True), Ran(None, b"", b"")])
def test_a_connection_that_broke_is_replaced_once(first: Ran | HostError) -> None:
    """Every verb may be repeated; the second time over a new connection."""
    wire = Wire([first, Ran(0, ANSWER, b"")])
    assert hosts(wire).survey(Host("web1")).fence == 7
    assert wire.asked == [False, True]


def test_one_that_breaks_again_is_that_hosts_result() -> None:
    wire = Wire([Ran(None, b"", b""), Ran(None, b"", b"")])
    with pytest.raises(Unreachable):
        hosts(wire).survey(Host("web1"))
    assert len(wire.asked) == 2


@pytest.mark.parametrize("silence", [Unreachable("no answer within 15 s"), Ran(255, b"", b"out of memory")])
def test_silence_and_nonsense_are_not_asked_again(silence: Ran | HostError) -> None:
    """Waiting twice would double every deadline."""
    wire = Wire([silence, Ran(0, ANSWER, b"")])
    with pytest.raises(Unreachable):
        hosts(wire).survey(Host("web1"))
    assert len(wire.asked) == 1
