"""Why a push does not begin: the ledger and its hosts disagree, the release is quarantined, the plan is another one."""

from __future__ import annotations

from deployer.engine.deploy.request import Request
from deployer.engine.fanout import successes
from deployer.engine.ports import Ports
from deployer.model.errors import DeployError, HostError
from deployer.model.events import Notice
from deployer.model.ledger import Entry, above_chain, quarantined
from deployer.model.plan import Plan
from deployer.model.quorum import needed
from deployer.model.state import HostState


def refuse_behind(chain: tuple[Entry, ...], surveyed: dict[str, HostState | HostError], ports: Ports) -> None:
    """The hosts' fences are a second record of what happened: a ledger behind them was shortened or replaced. One host
    of several that says so alone is named, and stops nobody."""
    states = successes(surveyed)
    histories = {name: state.history for name, state in states.items()}
    ahead = above_chain(chain, {name: state.fence for name, state in states.items()}, histories)
    names = ", ".join(f"{name} has seen deploy {fence}" for name, fence in ahead.items())
    text = f"the ledger is behind its hosts: {names}, and it has {len(chain)} record(s)"
    if ahead and len(ahead) >= needed(len(states)):
        raise DeployError(
            f"{text}: it was shortened or replaced",
            hint="find out who did it; deploy adopt takes what the hosts have as the truth from now on",
        )
    if ahead:
        ports.emit(Notice("warning", f"{text}; no other host knows of it: look at this host, and at the ledger"))


def refuse_quarantined(chain: tuple[Entry, ...], request: Request, release: str) -> None:
    """A release that was reverted or rolled back from is not pushed again by the next CI run."""
    why = quarantined(chain, request.playbook.name).get(release)
    if why is not None and not request.allow_quarantined:
        raise DeployError(
            f"cannot push {release}: it is quarantined: {why}",
            hint="push a fix, or pass --allow-quarantined if the cause lay elsewhere",
        )


def refuse_other_plan(plan: Plan, expected: Plan | None) -> None:
    """A saved plan is applied exactly, or not at all."""
    if expected is not None and (plan.release, plan.waves, plan.hosts) != (
        expected.release,
        expected.waves,
        expected.hosts,
    ):
        raise DeployError(
            "cannot apply the saved plan: hosts or files have changed since", hint="run deploy plan -o again"
        )


def missed(request: Request, release: str, surveyed: dict[str, HostState | HostError]) -> dict[str, str]:
    """Hosts that gave no state and were left out for it, while all others have a part: they get `release` when they
    are back (`deploy status --repair`). A push to some of those that answer says nothing about the rest."""
    silent = {name for name, state in surveyed.items() if isinstance(state, HostError)}
    whole = request.limit | silent >= {host.name for host in request.hosts}
    return dict.fromkeys(sorted(silent - request.limit), release) if whole else {}
