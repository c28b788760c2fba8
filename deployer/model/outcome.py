"""Outcome: how a push or rollback ended. Its JSON form is a contract (DESIGN.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from deployer.model import errors
from deployer.model.verdict import Verdict

Result = Literal["deployed", "unchanged", "reverted", "stranded", "refused", "locked", "interrupted", "unadopted"]
HostEnd = Literal["confirmed", "reverted", "pending", "untouched", "unreachable", "failed", "unadopted"]

EXIT_CODES: Mapping[Result, int] = {
    "deployed": errors.EXIT_DONE,
    "unchanged": errors.EXIT_DONE,
    "reverted": errors.EXIT_REVERTED,
    "stranded": errors.EXIT_HUMAN,
    "refused": errors.EXIT_REFUSED,
    "locked": errors.EXIT_LOCKED,
    "interrupted": errors.EXIT_INTERRUPTED,
    "unadopted": errors.EXIT_DONE,
}


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """verified: its final state was read back and is what `state` says."""

    state: HostEnd
    release: str = ""
    verified: bool = False
    error: str = ""


def advice(hosts: Mapping[str, HostOutcome], then: str) -> str:
    """One thing to do about the hosts that are not verified, by what they are. then: what to do after it."""
    doubtful = {name: end for name, end in sorted(hosts.items()) if not end.verified}
    named = {state: [name for name, end in doubtful.items() if end.state == state] for state in ("failed", "pending")}
    silent = [name for name in doubtful if name not in (*named["failed"], *named["pending"])]
    if names := named["failed"]:
        return f"mend {', '.join(names)} (deploy status shows what is wrong there), then {then}"
    if silent:
        return f"when {', '.join(silent)} can be reached again, {then}"
    if names := named["pending"]:
        return f"wait for {', '.join(names)} to settle at the time named above, then {then}"
    return then


@dataclass(frozen=True, slots=True)
class Outcome:
    """seconds: total, stage, activate, detect, revert (those that happened)."""

    result: Result
    deploy: str = ""
    environment: str = ""
    playbook: str = ""
    release: str = ""
    previous: str = ""
    revision: str = ""
    hosts: Mapping[str, HostOutcome] = field(default_factory=dict)
    waves: tuple[tuple[str, ...], ...] = ()
    verdict: Verdict | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    hint: str = ""

    @property
    def exit_code(self) -> int:
        """The contract of DESIGN.md section 4."""
        return EXIT_CODES[self.result]

    def to_json(self) -> dict[str, object]:
        """The closing JSON object, exactly as DESIGN.md writes it."""
        hosts = {name: {k: v for k, v in asdict(end).items() if k != "error" or v} for name, end in self.hosts.items()}
        body: dict[str, object] = {
            "result": self.result,
            "deploy": self.deploy,
            "environment": self.environment,
            "playbook": self.playbook,
            "release": self.release,
            "previous": self.previous,
            "revision": self.revision,
            "hosts": hosts,
            "waves": [list(wave) for wave in self.waves],
            "verdict": asdict(self.verdict) if self.verdict else None,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
        }
        if self.error:
            body["error"] = {"message": self.error, "hint": self.hint}
        return body
