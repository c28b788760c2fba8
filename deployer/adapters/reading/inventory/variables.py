"""Which variables an inventory may have: the user's own, and those of Ansible's whose meaning is kept here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.adapters.reading.yaml_source import Document, Path_, did_you_mean
from deployer.model.secret import is_secret, learn, learn_named

PASSWORD = re.compile(r"ansible_\w*pass(?:word|phrase|wd)?|become_pass(?:word)?|ansible_\w*ssh_private_key")
# What says where, as whom and how to connect: connection.py.
HONOURED = frozenset(
    ("ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "ansible_user", "ansible_ssh_user",
     "ansible_private_key_file", "ansible_ssh_private_key_file", "ansible_connection", "ansible_ssh_args",
     "ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_become", "ansible_become_user",
     "ansible_become_method", "ansible_group_priority")
)  # fmt: skip
# What steers Ansible's modules and its way of running them, and nothing that happens here.
HARMLESS = frozenset(
    ("ansible_python_interpreter", "ansible_pipelining", "ansible_ssh_pipelining", "ansible_remote_tmp",
     "ansible_async_dir", "ansible_ssh_retries", "ansible_ssh_transfer_method", "ansible_scp_if_ssh",
     "ansible_scp_extra_args", "ansible_sftp_extra_args", "ansible_sftp_batch_mode", "ansible_control_path",
     "ansible_ssh_control_path", "ansible_control_path_dir", "ansible_ssh_control_path_dir", "ansible_ssh_use_tty",
     "ansible_shell_type", "ansible_timeout", "ansible_ssh_timeout", "ansible_facts_parallel", "ansible_module_lang")
)  # fmt: skip
# What Ansible itself says of a host: a value of these in an inventory is never seen.
MAGIC = frozenset(
    ("inventory_hostname", "inventory_hostname_short", "inventory_dir", "inventory_file", "group_names", "groups",
     "hostvars", "omit", "playbook_dir", "role_name", "role_path", "vars", "environment", "play_hosts")
)  # fmt: skip


def checked(document: Document, names: Mapping[str, object], path: Path_, in_file: bool) -> dict[str, object]:
    """The same variables. Values with secret names are learned (and never said). Raises InputError for what Ansible
    would act on and this product does not: passwords to log in with, templates, and `ansible_*` of any other name."""
    learn_named(names)
    for key, value in names.items():
        why, hint = objection(key, value, in_file)
        if why:
            learn(value if PASSWORD.fullmatch(key) else None)
            raise document.fail((*path, key), f"`{key}`: {why}", hint)
    return dict(names)


def objection(key: str, value: object, in_file: bool) -> tuple[str, str]:
    """Why a variable is refused, and what to do; ("", "") for one that is not. in_file: see groups.scope."""
    if PASSWORD.fullmatch(key):
        return (
            "secrets are not read from the inventory",
            "use ssh keys or an agent; for sudo a NOPASSWD rule (deploy doctor --sudoers), or -K",
        )
    if has_template(value):
        return "templates in the inventory are not supported", "write the value itself"
    if key in MAGIC:
        return "Ansible sets this itself, and a value here is never seen", "give your own variable another name"
    if key == "ansible_group_priority" and in_file:
        return "Ansible does not read it from group_vars", "write it in the inventory itself, in the group's vars"
    if key.startswith("ansible_") and key not in HONOURED | HARMLESS:
        return "this variable of Ansible's is not supported here", did_you_mean(key, HONOURED)
    return "", ""


def has_template(value: object) -> bool:
    """Ansible would render it; here it would arrive on a host as it is written."""
    if isinstance(value, dict):
        return any(has_template(item) for item in value.values())
    if isinstance(value, list):
        return any(has_template(item) for item in value)
    return isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#"))


def said(key: str, value: object) -> str:
    """A value in an error, unless it is a secret."""
    return "***" if is_secret(key) else f"{value!r:.80}"
