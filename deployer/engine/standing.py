"""How the hosts of a playbook stand now: what each said, and which of them miss what the ledger says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.engine.deploy.repair import lagging
from deployer.model.desired import desired
from deployer.model.errors import HostError
from deployer.model.ledger import Entry
from deployer.model.release import one_name
from deployer.model.state import HostState


@dataclass(frozen=True, slots=True)
class Standing:
    """hosts: what each host said, or why it said nothing. lagging: host -> the release it should run and is not
    verified on."""

    hosts: Mapping[str, HostState | HostError]
    lagging: Mapping[str, str]

    @property
    def releases(self) -> list[str]:
        """Those that the hosts have, each once."""
        return sorted({one_name(state.current) for state in self.hosts.values() if isinstance(state, HostState)})

    @property
    def verified(self) -> bool:
        """Is every host verified on one release?"""
        return len(self.releases) == 1 and all(map(verified, self.hosts.values()))


def standing(
    hosts: Mapping[str, HostState | HostError], chain: tuple[Entry, ...], playbook: str, busy: bool
) -> Standing:
    """chain: the ledger's. busy: somebody is changing the hosts right now, so nobody lags."""
    return Standing(hosts, {} if busy else lagging(desired(chain, playbook), hosts))


def verified(state: HostState | HostError) -> bool:
    """Adopted, idle, undrifted, and the process has what the links say."""
    if isinstance(state, HostError):
        return False
    return state.adopted and state.verified_on(state.current) and not state.drift
