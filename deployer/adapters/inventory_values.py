"""The values of an inventory: their types, what is refused, and what makes a Host of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.adapters.yaml_source import Document, Path_
from deployer.model.fleet import Host
from deployer.model.secret import is_secret, learn, learn_named

HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?")
MAX_NAME = 253
LOGINS = ("ansible_password", "ansible_ssh_pass", "ansible_become_password", "ansible_become_pass", "become_password")
HOST_PATH = re.compile(r"/[A-Za-z0-9._@+/-]*")
WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+\\-]*")


def typed(document: Document, names: Mapping[str, object], path: Path_) -> dict[str, object]:
    """Variables are the user's data: whole numbers, decimals and true/false get their types. Passwords to log in with
    are refused, values with secret names are learned (and never said), templates are refused."""
    learn_named(names)
    found: dict[str, object] = {}
    for key, value in names.items():
        if key in LOGINS:
            learn(value)
            raise document.fail(
                (*path, key),
                f"`{key}`: secrets are not read from the inventory",
                "use ssh keys or an agent; for sudo a NOPASSWD rule (deploy doctor --sudoers), or -K",
            )
        if has_template(value):
            raise document.fail(
                (*path, key), f"`{key}`: templates in the inventory are not supported", "write the value itself"
            )
        found[key] = scalar(value)
    return found


def has_template(value: object) -> bool:
    """Ansible would render it; here it would arrive on a host as it is written."""
    if isinstance(value, dict):
        return any(has_template(item) for item in value.values())
    if isinstance(value, list):
        return any(has_template(item) for item in value)
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def scalar(value: object) -> object:
    """Text -> int, float, bool or text; inside lists and maps too."""
    if isinstance(value, list):
        return [scalar(item) for item in value]
    if isinstance(value, dict):
        return {key: scalar(item) for key, item in value.items()}
    if value in ("true", "false", "True", "False"):
        return str(value).lower() == "true"
    if isinstance(value, str) and re.fullmatch(r"0|-?[1-9]\d{0,17}", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,300}\.\d{1,300}", value):
        return float(value)
    return value


def said(key: str, value: object) -> str:
    """A value in an error, unless it is a secret."""
    return "***" if is_secret(key) else f"{value!r:.80}"


def make_host(document: Document, name: str, names: dict[str, object], places: Mapping[str, Path_]) -> Host:
    """Ansible's connection variables become fields. places: variable -> where it is written."""

    def refuse(key: str, allowed: str) -> Exception:
        return document.fail(places.get(key, ()), f"host {name}: `{key}` is {said(key, names[key])}; {allowed}")

    for key in ("ansible_port", "http_port", "https_port"):
        value = names.get(key, 1)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
            raise refuse(key, "a whole number 1 to 65535 is allowed")
    for key in ("deploy_prefix", "deploy_root"):
        value = str(names.get(key, "") or "")
        if value and (not HOST_PATH.fullmatch(value) or ".." in value.split("/") or "." in value.split("/")):
            raise refuse(key, "an absolute path of letters, digits and . _ @ + - is allowed, without . and ..")
    if "ansible_host" in names and not is_host_name(str(names["ansible_host"])):
        raise refuse("ansible_host", "a host name or an address is allowed")
    if "ansible_user" in names and not WORD.fullmatch(str(names["ansible_user"])):
        raise refuse("ansible_user", "a user's name is allowed")
    if not isinstance(names.get("ansible_become", False), bool):
        raise refuse("ansible_become", "true or false is allowed")
    return Host(
        name,
        address=str(names.get("ansible_host", "")),
        port=int(str(names.get("ansible_port", 0))),
        user=str(names.get("ansible_user", "")),
        key_file=str(names.get("ansible_ssh_private_key_file", "")),
        become=bool(names.get("ansible_become", False)),
        vars=names,
    )


def is_host_name(text: str) -> bool:
    """Letters, digits, dots and dashes, or an address; nothing that a shell or ssh could take for something else."""
    return len(text) <= MAX_NAME and bool(HOST_NAME.fullmatch(text))
