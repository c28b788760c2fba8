"""Where `deploy rollback` goes: ONE release for the fleet, worked out from what the hosts themselves remember."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.model.errors import DeployError
from deployer.model.state import Confirmed, HostState

ADOPTED = "0000000000-"


def last_good(states: Iterable[HostState]) -> str:
    """The newest confirmed release that nobody rolled back from, other than the one the fleet is on.

    While something is pending the fleet is on its newest confirmed release and goes back to that. Adopted
    releases are per host: they count as one, named by the prefix ADOPTED. Raises DeployError."""
    states = tuple(states)
    lines = {line for state in states for line in state.history}
    standing = _standing(sorted(lines, key=lambda line: (line.number, line.release)))
    if any(state.in_flight for state in states) and standing:
        return standing[-1]
    if len(standing) < 2:
        on = standing[-1] if standing else "nothing"
        raise DeployError(
            f"cannot roll back: no earlier confirmed release than {on} on these hosts",
            hint="deploy status shows what they run; deploy push a good revision instead",
        )
    return standing[-2]


def _standing(history: list[Confirmed]) -> list[str]:
    """Confirmed releases, oldest first, newest (the one the fleet is on) last; what was rolled back from is out."""
    stack: list[str] = []
    for line in history:
        name = ADOPTED if line.release.startswith(ADOPTED) else line.release
        if line.command == "rollback" and name in stack:
            del stack[stack.index(name) + 1 :]
            continue
        if name in stack:
            stack.remove(name)
        stack.append(name)
    return stack


def on_host(state: HostState, target: str) -> str:
    """What `target` means on this host: its own adopted release, or the release itself."""
    if not target.startswith(ADOPTED):
        return target
    own = [line.release for line in state.history if line.release.startswith(ADOPTED)]
    return own[-1] if own else target
