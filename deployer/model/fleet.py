"""Host, Group, Fleet: what `inventory.yml` says, after ranges, children and variables are worked out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Host:
    """One machine. `name` is the inventory name; `address`, `port`, `user` and `key_file` are what the
    inventory says and are empty (port 0) where it is silent: ~/.ssh/config and ssh's defaults then decide.
    `ssh_options` are the inventory's own for ssh, each `Keyword=value`. groups: of the whole inventory, as in Fleet.

    vars: the merged Ansible variables (text, numbers, booleans, lists, maps). Three are ours:
    `deploy_prefix` (everything of the service on this host lies below it; default ""), `deploy_root`
    (default PREFIX/var/lib/deployer) and `http_port` (where probes go; default 80).
    """

    name: str
    address: str = ""
    port: int = 0
    user: str = ""
    key_file: str = ""
    become: bool = False
    ssh_options: tuple[str, ...] = ()
    vars: Mapping[str, object] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def http_port(self) -> int:
        """TCP port on which the service answers clients."""
        return int(str(self.vars.get("http_port", 80)))

    @property
    def prefix(self) -> str:
        """Directory below which this host's service lives; "" for the machine's root."""
        return str(self.vars.get("deploy_prefix", "")).rstrip("/")


@dataclass(frozen=True, slots=True)
class Fleet:
    """hosts: by name, in inventory order. groups: name -> host names in inventory order (children resolved;
    `all` is always there). environments: the groups that `-e` accepts."""

    hosts: Mapping[str, Host]
    groups: Mapping[str, tuple[str, ...]]
    environments: tuple[str, ...] = ()
