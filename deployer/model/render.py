"""`.j2` files, rendered per host: sandboxed Jinja2, strict undefined. jinja2 is imported only where there is one."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployer.model.errors import InputError
from deployer.model.fleet import Host
from deployer.model.release import SourceFile

if TYPE_CHECKING:
    from jinja2 import Template

ANSIBLES = ("hostvars", "omit", "play_hosts", "playbook_dir", "inventory_dir", "inventory_file", "role_path", "vars")
WRITTEN = ("ansible_user", "ansible_port", "ansible_become")
Rendered = dict[str, tuple[bytes, bool]]  # path -> (bytes, executable)


def variables(host: Host) -> dict[str, object]:
    """What a template may name: the host's inventory variables and those that are always there."""
    always = {
        "inventory_hostname": host.name,
        "inventory_hostname_short": host.name.split(".")[0],
        "group_names": sorted(name for name, hosts in host.groups.items() if host.name in hosts and name != "all"),
        "groups": {name: list(hosts) for name, hosts in host.groups.items()},  # its own: a template may append to it
        "ansible_host": host.address or host.name,
        "http_port": host.http_port,
        "deploy_prefix": host.prefix,
    }
    return {**always, **host.vars, "deploy_prefix": host.prefix}


@functools.lru_cache(maxsize=64)
def compiled(text: str) -> Template:
    """One template, for every host that takes it."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    rules = {"undefined": StrictUndefined, "keep_trailing_newline": True, "finalize": shown}
    return SandboxedEnvironment(**rules).from_string(text)


def shown(value: object) -> object:
    """As Ansible, which writes nothing for a null."""
    return "" if value is None else value


def render(source: SourceFile, names: Mapping[str, object]) -> bytes:
    """One file as it lands. Raises InputError naming the file, the line and the variable."""
    if not source.template:
        return source.content
    from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError

    where = source.name
    try:
        return compiled(source.content.decode()).render(**names).encode()
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8: {error.reason} at byte {error.start}") from None
    except TemplateSyntaxError as error:
        raise InputError(f"{where}:{error.lineno}: {error.message}") from None
    except UndefinedError as error:
        raise InputError(f"{_place(where, source, str(error))}: {error}", hint=_nearest(str(error), names)) from None
    except (RecursionError, MemoryError) as error:
        raise InputError(f"{where}: {type(error).__name__}: nested too deeply, or too large") from None
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise InputError(f"{where}: {type(error).__name__}: {error}") from None


def _place(where: str, source: SourceFile, message: str) -> str:
    """The first line that names the undefined variable."""
    match = re.match(r"'([^']+)' is undefined", message)
    for number, line in enumerate(source.content.decode(errors="replace").splitlines(), 1):
        if match and re.search(rf"\b{re.escape(match[1])}\b", line):
            return f"{where}:{number}"
    return where


def _nearest(message: str, names: Mapping[str, object]) -> str:
    match = re.match(r"'([^']+)' is undefined", message)
    if match and (match[1] in ANSIBLES or match[1].startswith("ansible_")) and match[1] not in WRITTEN:
        return "Ansible finds it out when it runs, and nobody does here: write a variable of your own in the inventory"
    near = difflib.get_close_matches(match[1], list(names), 1) if match else []
    return f"did you mean {near[0]}?" if near else "define it in the inventory"
