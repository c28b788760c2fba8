"""The shell functions of one service on one real server, without a deployer: what hostctl would call."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.fleet import Sandbox, SandboxHost
from deployer.sandbox.servers import dest
from deployer.services import SERVICES
from deployer.services.base import ServiceSettings

NAMES = iter(f"{number:010x}-{number:08x}" for number in range(1, 1000))


@dataclass
class Phrases:
    """root: like ROOT of a playbook; its first release is what the sandbox started the server with. names: host variables
    that differ from the sandbox's. way: as hostctl.sh says it."""

    sandbox: Sandbox
    host: SandboxHost
    root: Path
    names: dict[str, object] = field(default_factory=dict)
    way: str = "forward"

    def call(self, function: str, *words: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        """One function in a fresh shell, as hostctl calls it."""
        settings = ServiceSettings(
            f"{self.host.prefix}{dest(self.sandbox.service)}",
            str(self.root),
            str(self.host.prefix),
            {**self.sandbox.variables(self.host), **self.names},
        )
        script = self.root / "service"
        script.write_text(SERVICES[self.sandbox.service].script(settings))
        line = '. "$1"; f=$2; shift 2; "$f" "$@"'
        return subprocess.run(
            [*([binaries.find(shell), "sh"] if shell == "busybox" else [binaries.find(shell)]), "-c", line, "sh", str(script), function, *words],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
            env={**os.environ, "WAY": self.way},
        )  # fmt: skip

    def release(self, base: str, **edits: tuple[str, str]) -> str:
        """A copy of release `base` in which FILE (dots as __, slashes as ___) has `old` replaced by `new`."""
        name = next(NAMES)
        shutil.copytree(self.path(base), self.path(name))
        for file, (old, new) in edits.items():
            path = self.path(name) / file.replace("___", "/").replace("__", ".")
            text = path.read_text() if path.exists() else ""
            assert old in text
            path.write_text(text.replace(old, new, 1) if old else text + new)
        for path in self.path(name).rglob("*"):
            os.utime(path, (0, 0))  # as they come out of the deployer's tar
        return name

    def path(self, release: str) -> Path:
        return self.root / "releases" / release

    def switch(self, release: str) -> None:
        """What hostctl does before it calls service_reload."""
        (self.root / "next").symlink_to(f"releases/{release}")
        (self.root / "next").rename(self.root / "current")

    def take(self, release: str, how: str = "reload") -> str:
        """Switch and reload, restart or start: what went wrong, or ""."""
        self.switch(release)
        done = self.call(f"service_{how}", release)
        return "" if done.returncode == 0 else done.stderr.strip() or "failed"

    @property
    def loaded(self) -> str:
        return self.call("service_loaded").stdout.strip()


@contextmanager
def phrases(folder: Path, service: str) -> Iterator[tuple[Phrases, str]]:
    """A sandbox with one server, adopted by hand; and the name of its first release."""
    with Sandbox(folder, 1, service) as sandbox:
        host = sandbox.hosts[0]
        live = host.prefix / dest(service)[1:]
        mine = Phrases(sandbox, host, host.prefix / "var/lib/deployer" / service)
        first = next(NAMES)
        mine.path(first).parent.mkdir(parents=True)
        live.rename(mine.path(first))
        mine.switch(first)
        (mine.root / "good").symlink_to(f"releases/{first}")
        live.symlink_to(mine.root / "current")
        assert mine.call("service_adopted", first).returncode == 0
        yield mine, first
