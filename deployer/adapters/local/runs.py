"""`.deploy/` in the checkout: what happened here, for people and for CI to keep. Nothing in it is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from deployer.adapters.local.writing import real_folder, write_below
from deployer.model.errors import DeployError
from deployer.model.ledger import Command, Decision, Ended, Entry, Intent, hosts_of
from deployer.model.secret import hide_all

DEPLOY = re.compile(r"[0-9a-f-]{1,40}")
LATEST = 1e11  # seconds since the epoch, the year 5138: what is more breaks calendars and floats
SAMPLES_CAP = 64 * 1024 * 1024  # bytes of samples of one deploy


KINDS: Mapping[str, type[Entry]] = {kind.record: kind for kind in (Intent, Decision, Ended)}
COMMANDS = get_args(Command)
FIELDS: Mapping[str, object] = {  # of every record that is stored, in this order; one that a kind lacks has this value
    "record": "", "deploy": "", "environment": "", "playbook": "", "command": "", "release": "", "who": "", "at": 0.0,
    "number": 0, "previous": "", "revision": "", "why": "", "expires": 0.0, "result": "", "because": "", "verdict": "",
    "hosts": {}, "alive": "",
}  # fmt: skip


def entry_to_json(entry: Entry) -> dict[str, object]:
    """One record as it is stored."""
    return {**{name: getattr(entry, name, value) for name, value in FIELDS.items()}, "hosts": dict(hosts_of(entry))}


def entry_from_json(body: object) -> Entry:
    """Strict: ValueError for anything that is not a record."""
    if not isinstance(body, dict):
        raise ValueError("a record must be an object")
    said = {name: value for name, value in body.items() if name in FIELDS}  # a later version may say more
    known = {name: field_of(name, value) for name, value in said.items()}
    record, command = known.pop("record", ""), known.get("command")
    if record not in KINDS or command not in COMMANDS:
        raise ValueError(f"unknown record {record!r} or command {command!r}")
    kind = KINDS[record]
    try:
        return kind(**{name: value for name, value in known.items() if name in kind.__dataclass_fields__})
    except TypeError as error:
        raise ValueError(str(error)) from None


def field_of(name: str, value: object) -> Any:
    """One value of a record. Raises ValueError."""
    default = FIELDS[name]
    if isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < LATEST:  # an integer of any size, infinite, not a number
            raise ValueError(f"{name} is no time")
        return float(value)
    if name == "hosts" and isinstance(value, dict):
        return {str(k): str(v) for k, v in value.items()}
    if type(value) is not type(default):
        raise ValueError(f"{name} is {value!r:.40}")
    return value


class Runs:
    """Everything below `.deploy/`; a folder that cannot be written is a warning, never the end of a deploy."""

    def __init__(self, root: Path) -> None:
        self.folder = root / ".deploy"
        self.warning = ""
        self._samples = 0  # bytes so far; -1: no more

    def _write(self, name: str, text: str) -> Path | None:
        try:
            path = write_below(self.folder, name, text)
            if not (self.folder / ".gitignore").exists():
                write_below(self.folder, ".gitignore", "*\n")
        except OSError as error:
            self.warning = f"cannot write {self.folder / name}: {error.strerror}"
            return None
        return path

    def _read(self, deploy: str, name: str) -> str:
        return (real_folder(self.folder, f"runs/{deploy}") / name).read_text(encoding="utf-8", errors="replace")

    def write_run(self, deploy: str, body: object) -> None:
        """`.deploy/runs/<deploy>/run.json`."""
        if self._ours(deploy):
            self._write(f"runs/{deploy}/run.json", json.dumps(hide_all(body), indent=2) + "\n")

    def _ours(self, deploy: str) -> bool:
        """Is it an id, and so no path? A host may have said it."""
        if not DEPLOY.fullmatch(deploy):
            self.warning = f"{deploy!r:.40} is no deploy id: nothing is written about it"
            return False
        return True

    def read_run(self, deploy: str) -> dict[str, object] | None:
        """What was written, or None."""
        if not DEPLOY.fullmatch(deploy):
            raise DeployError(f"{deploy!r} is not a deploy id", hint="deploy history lists them")
        try:
            body = json.loads(self._read(deploy, "run.json"))
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) else None

    def append_sample(self, deploy: str, line: str) -> None:
        """One more line of `.deploy/runs/<deploy>/samples.jsonl`, SAMPLES_CAP bytes at most; the first line that
        cannot be written is the last one that is tried."""
        if self._samples < 0 or not self._ours(deploy):
            return
        path = self.folder / "runs" / deploy / "samples.jsonl"
        if not self._samples and self._write(f"runs/{deploy}/samples.jsonl", "") is None:
            self._samples = -1
            return
        self._samples += len(line) + 1
        try:
            if self._samples > SAMPLES_CAP:
                raise OSError(0, f"more than {SAMPLES_CAP >> 20} MiB")
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            self.warning = f"cannot write {path}: {error.strerror}; the samples from here on are not recorded"
            self._samples = -1

    def read_samples(self, deploy: str) -> list[str] | None:
        """The recorded lines, None where there are none."""
        if not DEPLOY.fullmatch(deploy):
            raise DeployError(f"{deploy!r} is not a deploy id", hint="deploy history lists them")
        try:
            return self._read(deploy, "samples.jsonl").splitlines()
        except OSError:
            return None
