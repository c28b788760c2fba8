"""The tokens of ssh_config(5), `${VARIABLES}` and `~` in what `ssh -G` gives as it was written. Pure, but for the
environment and the home folders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from deployer.model.errors import InputError

TOKEN = re.compile(r"%(.?)")
VARIABLE = re.compile(r"\$\{([^}]*)\}")


def expand(text: str, tokens: Mapping[str, str], keyword: str) -> str:
    """`text` with its tokens. Raises InputError naming the keyword for one that is not known there."""

    def value(found: re.Match[str]) -> str:
        letter = found[1]
        if letter != "%" and letter not in tokens:
            raise InputError(f"cannot expand %{letter} in {keyword} {text} of the ssh configuration")
        return "%" if letter == "%" else tokens[letter]

    return TOKEN.sub(value, text)


def path(text: str, tokens: Mapping[str, str], keyword: str) -> str:
    """The same of a path, with `~` and `${VARIABLES}`; as for ssh, one that is not set is an error."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise InputError(f"cannot expand ${{{found[1]}}} in {keyword} {text}: it is not set")
        return os.environ[found[1]]

    return expand(VARIABLE.sub(value, os.path.expanduser(text)), tokens, keyword)


def socket_of(text: str) -> str:
    """Where the agent of an IdentityAgent is; "" for none. `ssh -G` has expanded what is not a variable's name."""
    if text == "none":
        return ""
    if text in ("", "SSH_AUTH_SOCK"):
        return os.environ.get("SSH_AUTH_SOCK", "")
    if text.startswith("$") and not text.startswith("${"):
        return os.environ.get(text[1:], "")
    return os.path.expanduser(text)
