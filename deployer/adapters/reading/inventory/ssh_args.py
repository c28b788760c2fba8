"""`ansible_ssh_common_args` and its like: those of ssh's options that mean the same here. Pure."""

from __future__ import annotations

import re
import shlex

SHORT = {"-J": "ProxyJump", "-i": "IdentityFile", "-l": "User", "-p": "Port"}
HONOURED = {
    word.lower(): word
    for word in ("ProxyJump", "IdentityFile", "IdentitiesOnly", "Port", "User", "HostKeyAlias", "ConnectTimeout")
}
# Options of a client that opens a process for every command; one connection is kept here, and kept alive.
WITHOUT_EFFECT = frozenset(
    ("controlmaster", "controlpath", "controlpersist", "serveraliveinterval", "serveralivecountmax", "tcpkeepalive",
     "compression", "loglevel", "batchmode", "connectionattempts", "preferredauthentications", "passwordauthentication",
     "kbdinteractiveauthentication", "pubkeyauthentication", "gssapiauthentication")
)  # fmt: skip
KEYS = "host keys are always checked; bring it into known_hosts: ssh-keyscan HOST >> ~/.ssh/known_hosts"
JUMP = "write -o ProxyJump=[user@]host[:port]; a command belongs in your own ~/.ssh/config"
HINTS = {
    "stricthostkeychecking": KEYS,
    "userknownhostsfile": KEYS,
    "globalknownhostsfile": KEYS,
    "checkhostip": KEYS,
    "proxycommand": JUMP,
}
VALUE = re.compile(r"[A-Za-z0-9._~/@:,%+=\[\]-]+")
NAME = re.compile(r"[A-Za-z0-9._:-]+")  # it may be a token of the user's own ProxyCommand
NO = ("no", "none", "false")


def options_of(text: str) -> tuple[list[str], str, str]:
    """(`Keyword=value` of every option that ssh is to be told, what cannot be honoured, a hint)."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return [], str(error), ""
    found: list[str] = []
    while words:
        word = words.pop(0)
        if re.fullmatch(r"-[qCxT]+", word):
            continue
        flag, rest = word[:2], word[2:]
        if flag not in (*SHORT, "-o") or not (rest or words):
            return [], f"`{word}`", "ssh's -o, -J, -i, -l and -p can be given"
        value = rest or words.pop(0)
        given = f"{SHORT[flag]}={value}" if flag in SHORT else value
        keyword, _, value = (
            part.strip() for part in re.sub(r"\s*=\s*|\s+", "=", given.strip(), count=1).partition("=")
        )
        lower, value = keyword.lower(), value.strip('"')
        if lower in WITHOUT_EFFECT or (lower == "stricthostkeychecking" and value.lower() in ("yes", "ask")):
            continue
        if lower in ("forwardagent", "forwardx11") and value.lower() in NO:
            continue
        grammar = NAME if lower == "hostkeyalias" else VALUE
        if lower not in HONOURED or not grammar.fullmatch(value) or value[0] == "-":
            return [], f"`{flag} {given}`", HINTS.get(lower, f"can be given: {', '.join(HONOURED.values())}")
        found.append(f"{HONOURED[lower]}={value}")
    return found, "", ""
