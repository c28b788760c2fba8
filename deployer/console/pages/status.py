"""`deploy status`: the hosts as they are now, and the lock."""

from __future__ import annotations

from dataclasses import asdict

from deployer.console.pages.page import Page
from deployer.engine.standing import Standing
from deployer.model.errors import EXIT_DONE, EXIT_HUMAN, HostError
from deployer.model.release import shown
from deployer.model.state import HostState


def page(environment: str, playbook: str, standing: Standing, lock: str, hint: str) -> Page:
    """Exit 4 where a host is not verified on the release of all. lock: one line. hint: how hosts that lag are brought
    there."""
    names = ", ".join(shown(release) for release in standing.releases) or "no release"
    lines = [f"{environment}  {playbook}  {names}"]
    for name, state in standing.hosts.items():
        goal = f"  should run {standing.lagging[name]}" if name in standing.lagging else ""
        lines.append(f"  {name:<24} {line(state)}{goal}")
    lines += [lock, *([hint] if standing.lagging else [])]
    hosts = {name: to_json(state) for name, state in standing.hosts.items()}
    body: dict[str, object] = {"environment": environment, "playbook": playbook, "verified": standing.verified}
    body |= {"lock": lock, "lagging": standing.lagging, "hosts": hosts}
    return Page("\n".join(lines), body, EXIT_DONE if standing.verified else EXIT_HUMAN)


def to_json(state: HostState | HostError) -> dict[str, object]:
    """What the host said. change is the answer to a question that nobody asked here."""
    return {"error": str(state)} if isinstance(state, HostError) else {**asdict(state), "change": ""}


def line(state: HostState | HostError) -> str:
    """One host in one line."""
    if isinstance(state, HostError):
        return f"unreachable  {state}"
    if not state.adopted:
        return f"not adopted ({state.dest})"
    words = [state.current]
    if state.in_flight:
        words.append(f"{state.phase}: deploy {state.deploy}, back to {state.good} in {state.left} s unless confirmed")
        words.append(f"watchdog {state.watchdog}")
    elif state.loaded != state.current:
        words.append(f"the process runs {state.loaded or 'something unproven'}")
    else:
        words.append("verified")
    if state.outcome == "reverted" and not state.in_flight and state.target != state.good:
        words.append(f"reverted deploy {state.deploy}")
    if state.drift:
        words.append(f"drift: {', '.join(state.drift[:8])}")
    if state.alarm:
        words.append(f"ALARM: {state.alarm}")
    return "  ".join(words)
