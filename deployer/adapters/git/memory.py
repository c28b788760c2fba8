"""What this machine remembers of an environment: the ledger as last seen, and records that wait to be written.

It is believed, so it lies where no commit can write: below XDG_STATE_HOME (~/.local/state), a folder for each checkout.
What earlier versions kept in the checkout's `.deploy/` is not read any more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from deployer.adapters.git.records import without_secrets
from deployer.adapters.local.runs import DEPLOY, entry_from_json, entry_to_json
from deployer.adapters.local.writing import write_below
from deployer.model.ledger import Entry


def state_home() -> Path:
    """The folder of this program's own state (XDG Base Directory Specification: a relative value is ignored)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path("~/.local/state").expanduser()
    return base / "deployer"


class Memory:
    """root: of the checkout, by whose path it is remembered. A folder that cannot be written is a warning, never the
    end of a deploy."""

    def __init__(self, root: Path) -> None:
        whole = root.resolve()
        word = re.sub(r"[^A-Za-z0-9_-]", "_", whole.name)[:40] or "_"
        self.folder = state_home() / f"{word}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]}"
        self.warning = ""
        self._within = self.folder.resolve().is_relative_to(whole)

    def _write(self, name: str, text: str) -> None:
        try:
            if self._within:
                raise OSError(0, "it lies in the checkout, where a commit could write; set XDG_STATE_HOME")
            write_below(self.folder, name, text)
        except OSError as error:
            self.warning = f"cannot remember anything in {self.folder}: {error.strerror}"

    def _read(self, path: Path) -> str:
        return "" if self._within else path.read_text(encoding="utf-8")

    def put_aside(self, entry: Entry) -> None:
        """Keep a record until git can be reached."""
        if not DEPLOY.fullmatch(entry.deploy):  # a host may have said it
            self.warning = f"{entry.deploy!r:.40} is no deploy id: nothing is kept of it"
            return
        name = f"pending/{entry.environment}.{int(entry.at * 1000)}.{entry.deploy}.{entry.record}.json"
        self._write(name, json.dumps(entry_to_json(without_secrets(entry))))

    def pending(self, environment: str) -> list[tuple[Path, Entry]]:
        """Records of this environment that wait to be written, oldest first."""
        found = []
        for path in sorted((self.folder / "pending").glob(f"{environment}.*.json")):
            try:
                entry = entry_from_json(json.loads(self._read(path)))
                if entry.environment == environment:  # `prod` is not `prod.eu`
                    found.append((path, entry))
            except (OSError, ValueError):
                self.warning = f"cannot read {path}"
        return found

    def seen(self, environment: str) -> str:
        """The head of the ledger when it was last read ("" for never)."""
        try:
            return self._read(self.folder / "seen" / environment).strip()
        except (OSError, ValueError):
            return ""

    def set_seen(self, environment: str, sha: str) -> None:
        """Remember the head."""
        self._write(f"seen/{environment}", sha + "\n")
