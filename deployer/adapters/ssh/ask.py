"""What ssh itself would do: `ssh -G`, so that Include, Match and the rest mean what they mean to ssh; without an ssh
client, paramiko's reader in a strict mode."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployer.adapters.local.children import ELSEWHERE, SSH, environment, program
from deployer.adapters.ssh.keywords import KEYWORDS, changed, refusal
from deployer.model.errors import InputError

LISTS = ("identityfile", "certificatefile")  # keywords that add up
TOKENS = "CikLlnprud"  # expanded by ssh itself, %h apart: it is HostName
LACKS = re.compile(r"env var \$\{(\w+)\} has no value")
NOTHING: Mapping[str, str] = {}
READS = re.compile(r"^debug\d: Reading configuration data (.+)$", re.MULTILINE)


def ask_ssh(address: str, user: str, port: int, config_file: str, *more: str) -> dict[str, str]:
    """Lower-case keyword -> value (of LISTS: lines). more: further words, such as `-o Keyword=value`."""
    client = program("ssh")
    if client is None:
        options = _collect([word.replace("=", " ", 1) for word in more if word != "-o"])
        return {**read_strictly(address, config_file, user, port), **options}
    words = ["-F", os.path.abspath(config_file)] if config_file else []
    words += ["-l", user] if user else []
    words += ["-p", str(port)] if port else []
    words, given = [client, "-G", *more, *words, "--", address], dict[str, str]()
    while True:  # a variable that the configuration names is the user's, and ssh gets it; nothing else of ours
        done = _say(words, address, given)
        lacks = LACKS.search(done.stderr)
        if lacks is None or lacks[1] in given or lacks[1] not in os.environ:
            break
        given[lacks[1]] = os.environ[lacks[1]]
    if done.returncode != 0:
        raise InputError(f"cannot read the ssh configuration for {address}: {done.stderr.strip()}")
    return _collect(done.stdout.splitlines())


def _say(words: Sequence[str], address: str, given: Mapping[str, str] = NOTHING) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=10, check=False, errors="surrogateescape",
            stdin=subprocess.DEVNULL, env={**environment(SSH), **given},
            cwd=ELSEWHERE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:  # `Match exec` runs programs
        raise InputError(f"cannot read the ssh configuration for {address}: ssh -G does not end") from None


@functools.cache
def defaults() -> Mapping[str, str]:
    """What `ssh -G` says of an empty configuration; nothing without an ssh client."""
    client = program("ssh")
    return _collect(_say([client, "-G", "-F", "none", "--", "any"], "any").stdout.splitlines()) if client else {}


def tokens(address: str, user: str, port: int, config_file: str) -> dict[str, str]:
    """Token -> its value, as ssh expands it (in a ControlPath, the one keyword that `ssh -G` always expands)."""
    if program("ssh") is None:
        return {}
    asked = "|".join(f"%{letter}" for letter in TOKENS)
    said = ask_ssh(address, user, port, config_file, "-o", f"ControlPath={asked}").get("controlpath", "")
    return dict(zip(TOKENS, said.split("|", len(TOKENS) - 1), strict=False))


def _collect(lines: Sequence[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for line in lines:
        keyword, _, value = line.partition(" ")
        keyword = keyword.lower()
        if keyword in LISTS and keyword in said:
            said[keyword] += "\n" + value
        else:
            said.setdefault(keyword, value)
    return said


def refuse_unsupported(said: Mapping[str, str], address: str, config_file: str) -> dict[str, str]:
    """What the configuration sets. Raises InputError naming host, keyword and file for what cannot be honoured."""
    found = changed(said, defaults())
    refused = refusal(found)
    if refused is not None:
        keyword, why = refused
        places = ", ".join(where(keyword, address, config_file)) or "the ssh configuration"
        raise InputError(f"cannot connect to {address}: {keyword} is not supported here ({places}): {why}")
    return found


def where(keyword: str, address: str, config_file: str) -> list[str]:
    """The lines that set it, of the files that ssh reads; three at most."""
    files, client = [str(Path(config_file or "~/.ssh/config").expanduser())], program("ssh")
    if client is not None:
        words = ["-F", os.path.abspath(config_file)] if config_file else []
        files = READS.findall(_say([client, "-v", "-G", *words, "--", address], address).stderr)
    found = []
    for file in dict.fromkeys(files):
        try:
            lines = Path(file).read_text(errors="replace").splitlines()
        except OSError:
            continue
        found += [f"{file}:{number}" for number, line in enumerate(lines, 1) if _word(line) == keyword.lower()]
    return found[:3]


def _word(line: str) -> str:
    return re.split(r"[\s=]", line.strip(), maxsplit=1)[0].lower()


def refuse_unreadable_config(config_file: str = "") -> None:
    """Without an ssh client, what paramiko's reader would silently skip or always take. Nothing is contacted yet."""
    path = Path(config_file or os.environ.get("DEPLOY_SSH_CONFIG") or "~/.ssh/config").expanduser()
    if program("ssh") is not None or not path.is_file():
        return
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        word = _word(line)
        if word in ("include", "match"):
            raise InputError(
                f"{path}:{number}: {word} cannot be honoured without an ssh client",
                hint="install the distribution's openssh-client",
            )
        if KEYWORDS.get(word, ("", "", ""))[1] == "refused":
            name, _, why = KEYWORDS[word]
            raise InputError(f"{name} is not supported here ({path}:{number}): {why}")


def read_strictly(address: str, config_file: str, user: str = "", port: int = 0) -> dict[str, str]:
    """Without an ssh client: paramiko's reader, refusing what it would silently get wrong. What the inventory says
    comes first, as with `ssh -l USER -p PORT`: %r and %p of a ProxyCommand are that."""
    known = {"userknownhostsfile": "~/.ssh/known_hosts", "globalknownhostsfile": "/etc/ssh/ssh_known_hosts"}
    path = Path(config_file or "~/.ssh/config").expanduser()
    if not path.is_file():
        return known
    refuse_unreadable_config(config_file)
    from paramiko import SSHException
    from paramiko.config import SSHConfig

    try:
        given = [f"Port {port}"] * bool(port) + [f"User {user}"] * (user.isprintable() and bool(user.split()))
        text = "\n".join(["Host *", *given, path.read_text(errors="replace")])
        found = SSHConfig.from_text(text).lookup(address)
    except (SSHException, ValueError, KeyError, OSError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="install the distribution's openssh-client") from None
    lists: dict[str, object] = dict(found)
    flat = {k: "\n".join(v) if isinstance(v, list) else str(v) for k, v in lists.items()}
    return {**known, **flat}
