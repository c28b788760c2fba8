"""Ansible's connection variables become a Host's fields, under either of their names."""

from __future__ import annotations

import re
from typing import NoReturn

from deployer.adapters.reading.inventory.groups import Scope
from deployer.adapters.reading.inventory.ranges import is_host_name
from deployer.adapters.reading.inventory.ssh_args import options_of
from deployer.adapters.reading.inventory.variables import said
from deployer.model.fleet import Host

HOST_PATH = re.compile(r"/[A-Za-z0-9._@+/-]*")
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+\\-]*")
WAYS = ("ssh", "smart", "paramiko", "paramiko_ssh")
YES, NO = ("y", "yes", "on", "1", "true", "t", "1.0"), ("n", "no", "off", "0", "false", "f", "0.0")
ARGS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")


def make_host(name: str, variables: Scope) -> Host:
    """Raises InputError at the place of the variable that cannot be honoured."""
    one = _Reader(name, variables)
    one.check_ours()
    one.check_way()
    port_name, port = one.either("ansible_port", "ansible_ssh_port")
    user_name, user = one.either("ansible_user", "ansible_ssh_user")
    address_name, address = one.either("ansible_host", "ansible_ssh_host")
    key_name, key = one.either("ansible_private_key_file", "ansible_ssh_private_key_file")
    if address is not None and not is_host_name(str(address)):
        one.refuse(address_name, "a host name or an address is allowed")
    if user is not None and (isinstance(user, bool) or not WORD.fullmatch(str(user))):
        one.refuse(user_name, "a user's name is allowed")
    if key is not None and (not isinstance(key, str) or not key):
        one.refuse(key_name, "the path of a file is allowed")
    return Host(
        name,
        address="" if address is None else str(address),
        port=0 if port is None else one.port(port_name),
        user="" if user is None else str(user),
        key_file=str(key or ""),
        become=one.yes("ansible_become"),
        ssh_options=one.options(),
        vars=variables.values,
    )


class _Reader:
    def __init__(self, name: str, variables: Scope) -> None:
        self.name, self.values, self.places = name, variables.values, variables.places

    def refuse(self, key: str, allowed: str, hint: str = "") -> NoReturn:
        """The error for a variable that is there."""
        value = said(key, self.values[key])
        raise self.places[key].fail(f"host {self.name}: `{key}` is {value}; {allowed}", hint)

    def either(self, name: str, older: str) -> tuple[str, object]:
        """A variable that has two names. The names must not disagree: Ansible takes the older one, which surprises."""
        found = [key for key in (name, older) if key in self.values]
        if len(found) == 2 and str(self.values[name]) != str(self.values[older]):
            self.refuse(older, f"and `{name}` is {said(name, self.values[name])}", "keep one of them")
        return (found[0], self.values[found[0]]) if found else (name, None)

    def port(self, key: str) -> int:
        """A TCP port. One that YAML reads in another base (0022, 22:22) is nobody's intention."""
        value, written = self.values[key], self.places[key].written
        good = isinstance(value, int | str) and not isinstance(value, bool)
        good = good and re.fullmatch(r"[1-9][0-9]{0,4}", str(value)) is not None and int(str(value)) <= 65535
        if not good or (written and written != str(value)):
            how = f" (written {written})" if written and written != str(value) else ""
            value = said(key, value)
            raise self.places[key].fail(
                f"host {self.name}: `{key}` is {value}{how}; a whole number 1 to 65535 is allowed"
            )
        return int(str(value))

    def yes(self, key: str) -> bool:
        """A truth in any of Ansible's spellings."""
        word = str(self.values.get(key, False)).lower()
        if word not in YES + NO:
            self.refuse(key, "yes or no is allowed")
        return word in YES

    def check_ours(self) -> None:
        """The variables that this product itself reads."""
        for key in ("http_port", "https_port"):
            if key in self.values:
                self.port(key)
        for key in ("deploy_prefix", "deploy_root"):
            value = self.values.get(key, "")
            good = isinstance(value, str) and (not value or HOST_PATH.fullmatch(value))
            if not good or {".", ".."} & set(str(value).split("/")):
                self.refuse(key, "an absolute path of letters, digits and . _ @ + - is allowed, without . and ..")
        if "deploy_require_signed" in self.values:
            self.yes("deploy_require_signed")

    def check_way(self) -> None:
        """By ssh, and sudo to root: there is no other way here."""
        way = str(self.values.get("ansible_connection", "ssh")).removeprefix("ansible.builtin.")
        if way not in WAYS:
            self.refuse("ansible_connection", "hosts are reached by ssh only", "run sshd there, or leave the host out")
        method = str(self.values.get("ansible_become_method", "sudo")).removeprefix("ansible.builtin.")
        if method != "sudo":
            self.refuse("ansible_become_method", "only sudo is supported")
        if str(self.values.get("ansible_become_user", "root")) != "root":
            self.refuse("ansible_become_user", "only root is supported")

    def options(self) -> tuple[str, ...]:
        """What is to be told to ssh, as `Keyword=value`."""
        found: list[str] = []
        for key in ARGS:
            value = self.values.get(key, "")
            if not isinstance(value, str):
                self.refuse(key, "the options of ssh are text")
            options, bad, hint = options_of(value)
            if bad:
                self.refuse(key, f"{bad} cannot be honoured", hint)
            found += options
        return tuple(found)
