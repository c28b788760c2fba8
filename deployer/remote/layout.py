"""Where things lie on a host (HOST_PROTOCOL.md 3.1). Pure."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from deployer.model.fleet import Host
from deployer.model.sh import shipped

# The agent's files by subject, in the order in which they are joined: the last one runs what the others define.
PARTS = (
    *(
        "main",
        "words",
        "time",
        "lock",
        "durable",
        "record",
        "phrases",
        "process",
        "stage",
        "deploy",
        "watchdog",
        "adopt",
    ),
    *("unadopt", "answer", "run"),
)


@functools.cache
def agent_source() -> bytes:
    """The host agent as shipped: one script of POSIX sh, joined from the files of hostctl/."""
    return shipped("deployer.remote", *(f"hostctl/{part}.sh" for part in PARTS)).encode()


@dataclass(frozen=True, slots=True)
class Layout:
    """prefix: below which everything of this host lies ("" on a real machine). base: what all playbooks share.
    root: of one playbook. dest: what the service reads; after adopt a link to root/current. agent: hostctl under
    its own hash, never overwritten in place (a running shell would execute garbage, measured)."""

    prefix: str
    base: str
    root: str
    dest: str
    agent: str


def layout_for(host: Host, playbook: str, dest: str) -> Layout:
    """The layout of `playbook` on `host`."""
    base = str(host.vars.get("deploy_root", "")) or f"{host.prefix}/var/lib/deployer"
    digest = hashlib.sha256(agent_source()).hexdigest()[:12]
    return Layout(host.prefix, base, f"{base}/{playbook}", f"{host.prefix}{dest}", f"{base}/bin/hostctl-{digest}")
