"""What `deploy doctor` saw on one host, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Examination:
    """user: who logged in. root: may it do what needs root: "" yes, else why not; how: by what (`root`, `sudo`, `sudo
    with a password`, or `an ordinary user` below a deploy_prefix). missing: tools that hostctl needs and lacks.
    versions: binary -> the first line it says of itself; "" where it is not there. clock: seconds it is ahead of us.
    free_kb: where releases go. agent: is this version's host agent installed? adopted, alarm, layers: of the survey.
    real: not below a deploy_prefix. shell: the login shell. noise: what its login files print."""

    user: str
    root: str = ""
    how: str = ""
    missing: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    clock: float = 0.0
    free_kb: int = 0
    agent: bool = False
    adopted: bool = False
    alarm: str = ""
    layers: tuple[str, ...] = ()
    real: bool = True
    shell: str = ""
    noise: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One line of the report. what: connection, shell, root, tools, binaries, clock, agent, layers, space."""

    what: str
    fine: bool
    said: str
    hint: str = ""
