"""The sandbox's config repository with its remote, and the changes that a story needs: good ones, and the incident."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from deployer.adapters.reading.examples import EXAMPLES
from deployer.sandbox.daemons import daemon
from deployer.sandbox.fleet import Sandbox


def git(folder: Path, *words: str) -> str:
    """Run git in the sandbox's own repository."""
    identity = ["-c", "user.name=sandbox", "-c", "user.email=sandbox@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_repository(
    sandbox: Sandbox, bake: str = "6s", confirm_timeout: str = "20s", serial: str = "[1, 50%, 100%]"
) -> Path:
    """A checkout with this fleet's inventory and the project's own example playbook, and a bare remote beside it. The
    probes are twice as frequent as in the example: evidence of health takes requests, and a story is told quickly."""
    config = sandbox.config
    service = sandbox.service
    shutil.copytree(EXAMPLES / "playbooks" / service, config / "playbooks" / service)
    shutil.copytree(EXAMPLES / "health_checks", config / "health_checks")
    for check in (config / "health_checks").glob("*.yml"):
        check.write_text(check.read_text().replace("rate: 5/s", "rate: 10/s"))
    playbook = config / "playbooks" / service / "playbook.yml"
    text = playbook.read_text()
    for key, value in (("bake", bake), ("confirm_timeout", confirm_timeout), ("serial", serial), ("hosts", "edge")):
        text = re.sub(rf"(?m)^{key}:.*$", f"{key}: {value}", text)
    playbook.write_text(text)
    hosts = "".join(f"        {h.name}: {json.dumps(sandbox.variables(h))}\n" for h in sandbox.hosts)
    (config / "inventory.yml").write_text(
        f"all:\n  children:\n    edge:\n      hosts:\n{hosts}    production:\n      children: {{edge: {{}}}}\n"
    )
    git(config, "init", "-q")
    commit(sandbox, "the configuration as it is")
    git(sandbox.folder, "init", "-q", "--bare", "origin.git")
    git(config, "remote", "add", "origin", str(sandbox.folder / "origin.git"))
    git(config, "push", "-q", "-u", "origin", "HEAD")
    return config


def commit(sandbox: Sandbox, message: str) -> str:
    """Commit everything; returns the full sha."""
    git(sandbox.config, "add", "-A")
    git(sandbox.config, "commit", "-q", "-m", message)
    return git(sandbox.config, "rev-parse", "HEAD")


def change(sandbox: Sandbox, path: str, old: str, new: str, message: str) -> str:
    """Replace `old` by `new` in one file of the playbook and commit; `old` must be there."""
    file = sandbox.config / "playbooks" / sandbox.service / "files" / path
    text = file.read_text()
    if old not in text:
        raise ValueError(f"{path} does not contain {old!r}")
    file.write_text(text.replace(old, new, 1))
    return commit(sandbox, message)


def commit_edit(sandbox: Sandbox, name: str) -> str:
    """One of the service's EDITS (good, incident, syntax, unloadable); returns the full sha."""
    edit = daemon(sandbox.service).EDITS[name]
    return change(sandbox, edit.path, edit.old, edit.new, edit.message)
