"""ansible.cfg at the top of the checkout: what of it says where and as whom to connect is honoured where that is one
value, and said by name where it is not; what would change the variables of hosts is refused."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.adapters.reading.bounded import read_input
from deployer.adapters.reading.inventory.connection import NO, WORD
from deployer.adapters.reading.inventory.ssh_args import options_of
from deployer.adapters.reading.inventory.text import shown
from deployer.model.errors import InputError
from deployer.model.fleet import Fleet

CHANGES_VARIABLES = (("defaults", "hash_behaviour", "replace"), ("defaults", "precedence", ""))
UNHEARD = {  # section -> settings that have a meaning for a connection, and what to write instead
    "defaults": {
        "inventory": "pass -i, or set DEPLOY_INVENTORY",
        "remote_port": "write ansible_port in the inventory",
        "vault_password_file": "vaults are not read",
    },
    "ssh_connection": dict.fromkeys(
        ("ssh_args", "ssh_common_args", "ssh_extra_args"),
        "write it in ~/.ssh/config, or ansible_ssh_common_args in the inventory",
    ),
    "privilege_escalation": dict.fromkeys(
        ("become", "become_user", "become_method"), "write ansible_become in the inventory"
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """user, key_file: for hosts of which the inventory says none. unheard: one sentence for each setting that is not
    honoured."""

    user: str = ""
    key_file: str = ""
    unheard: tuple[str, ...] = ()


def read_settings(root: Path, named: bool) -> Settings:
    """named: an inventory is given. Raises InputError."""
    file = root / "ansible.cfg"
    if not file.is_file():
        return Settings()
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_input(file, shown(file)))
    except configparser.Error as error:
        raise InputError(f"cannot read {shown(file)}: {str(error).splitlines()[0]:.120}") from None
    for section, key, meant in CHANGES_VARIABLES:
        if (value := parser.get(section, key, fallback=meant)) != meant:
            raise InputError(f"{shown(file)}: {key} = {value:.40} would give hosts other variables than here")
    user, key_file = (parser.get("defaults", key, fallback="") or "" for key in ("remote_user", "private_key_file"))
    if user and not WORD.fullmatch(user):
        raise InputError(f"{shown(file)}: remote_user = {user!r:.40} is not a user's name")
    if key_file:  # beside the file where it is relative, as Ansible
        key_file = str(root / os.path.expanduser(key_file))
    unheard = (
        f"{shown(file)}: {key} is not honoured here; {instead}"
        for section, settings in UNHEARD.items()
        for key, instead in settings.items()
        if not _harmless(root, key, parser.get(section, key, fallback=""), named)
    )
    return Settings(user, key_file, tuple(unheard))


def _harmless(root: Path, key: str, value: str, named: bool) -> bool:
    """Nothing that would be another here: what Ansible itself would pass over, too, or says what is done anyway."""
    if key == "inventory":
        return not value or named or root / value == root / "inventory.yml"
    if key == "become":
        return value.lower() in ("", *NO)
    if key.startswith("ssh_"):
        return not any(options_of(value)[:2])
    return value in ("", {"become_user": "root", "become_method": "sudo"}.get(key))


def settled(fleet: Fleet, settings: Settings) -> Fleet:
    """The fleet with what the settings say of hosts of which the inventory is silent."""
    hosts = {
        name: replace(host, user=host.user or settings.user, key_file=host.key_file or settings.key_file)
        for name, host in fleet.hosts.items()
    }
    return replace(fleet, hosts=hosts)
