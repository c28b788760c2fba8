"""The two ends of a rollout: put everything back, or confirm everything. Both end by reading the hosts back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from deployer.engine.fanout import each_at_once, each_decided, each_then
from deployer.engine.ports import LEAVE, Ports
from deployer.engine.survey import read_back
from deployer.model.errors import HostError, Refused, Unreachable
from deployer.model.events import HostChanged, Notice, Phase
from deployer.model.fleet import Host
from deployer.model.outcome import HostOutcome
from deployer.model.plan import Plan
from deployer.model.state import HostState, Order

GRACE = 5.0  # seconds a host's own watchdog may be late (HOST_PROTOCOL: POLL + reload + proof)
ACTIVATING = 30.0  # seconds more where an activation may still be at work (T_ACT of the host agent)
RETRY = 2.0


def revert_all(
    plan: Plan,
    order: Order,
    ports: Ports,
    touched: tuple[str, ...],
    unanswered: Collection[str] = (),
) -> dict[str, HostOutcome]:
    """Revert every touched host, never stopping at one that fails. Hosts that do not answer are asked again until
    their own watchdog must have acted; being asked to stop a second time leaves them to it. unanswered: hosts whose
    activation was never answered, so that it may still come."""
    ports.emit(Phase("revert", f"putting {len(touched)} host(s) back"))
    ends: dict[str, HostOutcome] = {}
    leaving: set[str] = set()
    lease = order.lease + (ACTIVATING if unanswered else 0.0)
    last = ports.clock.monotonic() + lease + GRACE
    settles = clock_time(ports.clock.now() + lease)
    todo, warned, heard = [plan.hosts[name].host for name in touched], False, ports.stop.asked()
    while todo:
        results = each_then(
            ports,
            todo,
            lambda h: ports.hosts.revert(h, order),
            lambda h, r: proven(ports, h, r, "" if h.name in unanswered else plan.hosts[h.name].current),
        )
        leaving |= announce_leaving(ports, results, leaving)
        ends |= {n: revert_end(r, plan.hosts[n].current, settles, n in leaving) for n, r in results.items()}
        todo = [host for host in todo if ask_again(results[host.name], ends[host.name])]
        if not todo or ports.clock.monotonic() > last:
            break
        if ports.stop.asked() >= LEAVE:
            names = ", ".join(host.name for host in todo)
            ports.emit(Notice("alarm", f"left to their own watchdogs: {names}, back by {settles}"))
            break
        heard = overlook(ports, heard, "already putting hosts back; once more leaves them to their watchdogs")
        if not warned and (names := ", ".join(host.name for host in todo if host.name not in leaving)):
            ports.emit(Notice("warning", f"{names}: not back yet; reverts itself by {settles}; still asking"))
            warned = True
        ports.clock.sleep(RETRY)
    for name in touched:
        end = ends.setdefault(name, HostOutcome("pending", error=f"not asked; reverts itself by {settles}"))
        ports.emit(HostChanged(name, end.state, end.error))
    return ends


def proven(ports: Ports, host: Host, reverted: HostState | HostError, previous: str) -> HostState:
    """Read back with a question of its own. A full disk takes no revert, nor did it take the activation before it, and
    neither does a host that is shutting down: such a host may be on `previous` still ("": its activation may yet come,
    so reading proves nothing)."""
    unable = isinstance(reverted, Refused) and reverted.code in ("disk", "stopping")
    if isinstance(reverted, HostError) and not unable:
        raise reverted
    state = ports.hosts.survey(host)
    if isinstance(reverted, HostError) and not state.verified_on(previous):
        raise reverted
    return state


def ask_again(result: HostState | HostError, end: HostOutcome) -> bool:
    """Silence, a busy host and one that reboots are worth another question; a host that said it is stuck is not."""
    if isinstance(result, Refused):
        return result.passing
    return isinstance(result, Unreachable) or not end.verified


def announce_leaving(ports: Ports, results: Mapping[str, HostState | HostError], known: set[str]) -> set[str]:
    """The hosts that say they are shutting down, each told once: what follows is silence, and no reason to fear."""
    leaving = {n for n, r in results.items() if isinstance(r, Refused) and r.code == "stopping"}
    if new := ", ".join(sorted(leaving - known)):
        ports.emit(Notice("warning", f"{new}: going down; comes back on the old release; waiting for it"))
    return leaving


def revert_end(result: HostState | HostError, previous: str, settles: str, leaving: bool = False) -> HostOutcome:
    """How one touched host ended. leaving: it said that it was shutting down."""
    if leaving and isinstance(result, Refused | Unreachable):
        back = f"going down: comes back on {previous} when it boots, and was not seen again by {settles}"
        return HostOutcome("pending" if isinstance(result, Refused) else "unreachable", error=back)
    if isinstance(result, Unreachable):
        return HostOutcome("unreachable", error=f"{result}; if it is pending it reverts itself by {settles}")
    if isinstance(result, HostError):
        return HostOutcome("failed", error=str(result))
    if result.verified_on(previous):
        return HostOutcome("reverted", result.current, verified=True)
    if result.in_flight:
        return HostOutcome("pending", result.current, error=f"still pending; reverts itself by {settles}")
    return HostOutcome("failed", result.current, error=result.alarm or describe(result))


def describe(state: HostState) -> str:
    """The three facts that should agree and do not."""
    return f"link {state.current or '?'}, good {state.good or '?'}, running {state.loaded or 'unproven'}"


def spare_untouched(plan: Plan, order: Order, ports: Ports, touched: tuple[str, ...]) -> dict[str, HostOutcome]:
    """Tell the hosts that were never asked to change that this deploy went back, and read them back. Were the touched
    ones alone to know it, and to be gone, a rollback would take the others a release further."""
    spared = [p.host for name, p in plan.hosts.items() if name not in touched]
    each_at_once(ports, spared, lambda host: ports.hosts.revert(host, order))
    ends: dict[str, HostOutcome] = {}
    for name, result in (read_back(ports, spared) if spared else {}).items():
        if isinstance(result, HostError):
            ends[name] = HostOutcome("untouched", plan.hosts[name].current, error=str(result))
        else:
            ends[name] = HostOutcome("untouched", result.current, result.verified_on(plan.hosts[name].current))
    return ends


def overlook(ports: Ports, heard: int, text: str) -> int:
    """Say what being asked to stop once more than `heard` does not change; how often it was asked by now."""
    asked = ports.stop.asked()
    if asked > heard:
        ports.emit(Notice("warning", text))
    return asked


def confirm_all(
    plan: Plan, order: Order, ports: Ports, failed: dict[str, HostError], drop: Callable[[str], None]
) -> dict[str, HostOutcome]:
    """Confirm every activated host, again where nothing answered, then read all of them back. The decision is
    written: being asked to stop does not change it; a second time leaves the rest to their watchdogs."""
    ports.emit(Phase("confirm", f"confirming {len(plan.hosts) - len(failed)} host(s)"))
    refused: dict[str, HostError] = dict(failed)
    todo = [p.host for name, p in plan.hosts.items() if name not in failed]
    until, heard = ports.clock.monotonic() + order.lease, 0

    def confirm(host: Host) -> HostState:
        state = ports.hosts.confirm(host, order)
        drop(host.name)
        return state

    while todo and ports.clock.monotonic() < until and ports.stop.asked() < LEAVE:
        heard = overlook(ports, heard, "the decision is already recorded: finishing the confirmation")
        results = each_decided(ports, todo, confirm)
        refused |= {n: r for n, r in results.items() if isinstance(r, HostError)}
        todo = [host for host in todo if isinstance(results[host.name], Unreachable)]
        if todo:
            ports.clock.sleep(RETRY)
    hosts = [p.host for p in plan.hosts.values()]
    settles = clock_time(ports.clock.now() + order.lease)
    ends = {
        n: confirm_end(r, plan.hosts[n].target, refused.get(n), settles) for n, r in read_back(ports, hosts).items()
    }
    for name, end in ends.items():
        ports.emit(HostChanged(name, end.state, end.error))
    return ends


def confirm_end(result: HostState | HostError, target: str, error: HostError | None, settles: str) -> HostOutcome:
    """How one host ended after the decision to commit."""
    why = str(error) if error else ""
    if isinstance(result, HostError):
        doubt = f"in doubt: confirmed, or back on its old release by {settles}"
        return HostOutcome("unreachable", error=f"{result}; {doubt}")
    if result.verified_on(target):
        return HostOutcome("confirmed", result.current, verified=True)
    if result.in_flight:
        return HostOutcome("pending", result.current, error=why or f"pending; reverts itself by {settles}")
    return HostOutcome("failed", result.current, error=why or describe(result))


def unverified(hosts: Mapping[str, HostOutcome]) -> str:
    """`web1: why; web2: why` for every host whose final state is not verified; "" if there is none."""
    return "; ".join(f"{n}: {end.error or end.state}" for n, end in sorted(hosts.items()) if not end.verified)


def clock_time(epoch: float) -> str:
    """`14:03:20 UTC`."""
    return time.strftime("%H:%M:%S UTC", time.gmtime(epoch))
