"""From a server's command line to where its configuration lies. Pure."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployer.services import SERVICES


@dataclass(frozen=True, slots=True)
class Running:
    """folder: on the host, with its deploy_prefix. entry: the file that the server was started with, below it. vars:
    host variables without which its phrasebook would not find this server."""

    service: str
    folder: str
    entry: str
    vars: Mapping[str, str] = field(default_factory=dict)


def running(service: str, words: Sequence[str], prefix: str = "", built: str = "") -> Running:
    """A main process by its words. built: the file that its binary says it reads where no option names one."""
    option, default = SERVICES[service].start
    if service == "nginx":  # its title: one word
        words = " ".join(words).split()
    named = values(words, option) if option else []
    if service == "apache" and posixpath.basename(words[0]) == "httpd":
        default = "/etc/httpd/conf/httpd.conf"
    file = named[0] if named else built or f"{prefix}{default}"
    if not file.startswith("/"):
        top = [*values(words, "-p"), *values(words, "-d"), *values(words, "-C")]
        file = posixpath.join(top[0] if top else posixpath.dirname(default), file)
    folder, entry = posixpath.split(posixpath.normpath(file))
    if service == "apache" and posixpath.basename(folder) == "conf":  # what it includes lies beside that
        folder, entry = posixpath.dirname(folder), f"conf/{entry}"
    return Running(service, folder, entry, variables(service, words, folder, named))


def variables(service: str, words: Sequence[str], folder: str, files: Sequence[str]) -> dict[str, str]:
    """What the phrasebook's defaults would get wrong."""
    if service == "varnish" and (names := values(words, "-n")):
        return {"varnish_workdir": names[0]}
    if service == "apache" and posixpath.basename(words[0]) == "httpd":
        return {"apache_bin": "httpd", "apache_unit": "httpd"}
    if service == "haproxy":
        inside = [posixpath.relpath(file, folder) for file in files]
        return {"haproxy_files": " ".join(inside)} if inside not in ([], ["haproxy.cfg"]) else {}
    return {}


def values(words: Sequence[str], option: str) -> list[str]:
    """Of `-f FILE` and `-fFILE`, every time."""
    found = [after for word, after in itertools.pairwise(words) if word == option]
    return found or [w[len(option) :] for w in words if w.startswith(option) and w[len(option) :].startswith("/")]
