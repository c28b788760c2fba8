"""The sandbox's config repository with its remote, and the changes that a story needs: good ones, and the incident."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from deployer.adapters.sandbox.fleet import Sandbox
from deployer.adapters.sandbox.servers import EXAMPLES

INCIDENT = {
    "nginx": (
        "conf.d/shop.conf.j2",
        "proxy_cache_bypass $cookie_preview;",
        "proxy_cache_bypass $cookie_preview$http_user_agent;  # previews in the app, too",
    ),
    "varnish": ("default.vcl.j2", 'if (req.http.Cookie ~ "preview=") {', "if (req.http.User-Agent) {"),
}


def git(folder: Path, *words: str) -> str:
    """Run git in the sandbox's own repository."""
    identity = ["-c", "user.name=sandbox", "-c", "user.email=sandbox@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_repository(
    sandbox: Sandbox, bake: str = "6s", confirm_timeout: str = "20s", serial: str = "[1, 50%, 100%]"
) -> Path:
    """A checkout with this fleet's inventory and the project's own example playbook, and a bare remote beside it."""
    config = sandbox.config
    service = sandbox.service
    shutil.copytree(EXAMPLES / "playbooks" / service, config / "playbooks" / service)
    shutil.copytree(EXAMPLES / "health_checks", config / "health_checks")
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


def commit_good_change(sandbox: Sandbox, message: str = "keep pages a little longer") -> str:
    """A change that does no harm."""
    if sandbox.service == "varnish":
        return change(sandbox, "default.vcl.j2", "beresp.ttl = 10m", "beresp.ttl = 15m", message)
    return change(sandbox, "conf.d/shop.conf.j2", "proxy_cache_valid 200 10m", "proxy_cache_valid 200 15m", message)


def commit_incident(sandbox: Sandbox) -> str:
    """The founding incident: one line that sends every request past the cache."""
    path, old, new = INCIDENT[sandbox.service]
    return change(sandbox, path, old, new, "previews in the app, too")


def commit_syntax_error(sandbox: Sandbox) -> str:
    """What the validator refuses."""
    if sandbox.service == "varnish":
        return change(sandbox, "default.vcl.j2", "sub vcl_recv {", "sub vcl_recv { bogus", "oops")
    return change(sandbox, "conf.d/shop.conf.j2", "proxy_cache_lock on;", "proxy_cach_lock on;", "oops")


def commit_cache_path(sandbox: Sandbox) -> str:
    """What `nginx -t` and the reload accept, and nginx never loads."""
    return change(sandbox, "conf.d/shop.conf.j2", "cache/nginx/shop levels", "cache/nginx/shop2 levels", "new disk")
