"""From what hosts are to what they shall be. A pending, drifted or unknown host is a refusal that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.engine.deploy.missing import Asking, nothing, refuse_missing
from deployer.engine.deploy.request import Request
from deployer.engine.fanout import each, failures, successes
from deployer.engine.ports import Ports
from deployer.engine.survey import survey
from deployer.model.errors import DeployError, HostError
from deployer.model.plan import FileChange, HostPlan, Plan, split_waves, weighed
from deployer.model.quorum import shared
from deployer.model.release import Package, Release
from deployer.model.remedy import named_in, remedy
from deployer.model.state import HostState


def plan_push(request: Request, release: Release, ports: Ports, missing: Asking = nothing) -> Plan:
    """Survey, refuse what is not understood, and say who gets `release` in which waves.

    A fleet that has it already gives a Plan without hosts. missing: asked as a push asks, before hosts are. Each host
    checks the release and weighs what taking it costs, without keeping it. Raises DeployError naming every host in the
    way, whose check refuses it, or which would need a restart that the playbook does not allow."""
    plan = push_plan(request, release, survey(ports, request.hosts))
    if plan.hosts:  # before the server's own check, which may make a log that is not there
        plan = replace(plan, warnings=(*plan.warnings, *refuse_missing(plan, ports, missing)))
    hosts = [p.host for p in plan.hosts.values()]
    weighings = each(ports, hosts, lambda host: ports.hosts.preview(host, release.packages[host.name]))
    refuse_failed(plan, failures(weighings))
    plan = weighed(plan, {name: state.change for name, state in successes(weighings).items()})
    refuse_restarts(plan, request.playbook.restart == "allow")
    return replace(plan, warnings=(*plan.warnings, *costs(plan)))


def refuse_failed(plan: Plan, failed: Mapping[str, HostError]) -> None:
    """Raise one DeployError that names every host on which the release cannot be staged. What a server misses may lie
    there and not be in the release, such as a key that no repository should have."""
    if failed:
        lines = "; ".join(f"{name}: {error}" for name, error in failed.items())
        hint = "mend what the message names and push again"
        for name, error in failed.items():
            gone = [path for path, change in plan.hosts[name].changes.items() if change == "removed"]
            if path := named_in(str(error), gone):
                hint = f"{path} lies on {name} and is not in the release: {remedy(f'{plan.playbook}/files/{path}')}"
                break
        raise DeployError(
            f"cannot stage {plan.release} on {', '.join(failed)}: {lines}",
            hint=hint,
            consequence="nothing was activated",
        )


def refuse_restarts(plan: Plan, allowed: bool) -> None:
    """Raise one DeployError that names every host on which a reload would not make the release live, unless the
    playbook allows restarts."""
    needed = by_reason(plan)
    if allowed or not needed:
        return
    reasons = "; ".join(f"{', '.join(names)}: {why}" for (why, _), names in needed.items())
    raise DeployError(
        f"cannot activate {plan.release} without a restart: {reasons}",
        hint="restart: allow in the playbook lets a push restart the server",
        consequence="nothing was activated",
    )


def by_reason(plan: Plan) -> dict[tuple[str, bool], list[str]]:
    """(why, lasting) -> the hosts that need a restart for it."""
    found: dict[tuple[str, bool], list[str]] = {}
    for name, host in plan.hosts.items():
        if host.cost.action == "restart":
            found.setdefault((host.cost.why, host.cost.lasting), []).append(name)
    return found


def costs(plan: Plan) -> tuple[str, ...]:
    """What taking the release costs beyond a reload, one sentence per reason."""
    found = []
    for (why, lasting), names in by_reason(plan).items():
        found.append(f"{', '.join(names)}: needs a restart: {why}")
        if lasting:
            found.append(f"{', '.join(names)}: going back does not bring back what this destroys: {why}")
    return tuple(found)


def colds(plan: Plan) -> tuple[str, ...]:
    """Whose cache starts empty, and why, one sentence per reason."""
    found: dict[str, list[str]] = {}
    for name, host in plan.hosts.items():
        if host.cost.cold:
            found.setdefault(host.cost.cold, []).append(name)
    return tuple(f"{', '.join(names)}: the cache starts empty: {why}" for why, names in found.items())


def push_plan(request: Request, release: Release, surveyed: Mapping[str, HostState | HostError]) -> Plan:
    """The pure half of `plan_push`."""
    wanted = tuple(host for host in request.hosts if host.name in request.limit)
    refuse_unready({host.name: surveyed[host.name] for host in wanted})
    states = successes(dict(surveyed))
    changing = {
        host.name: HostPlan(
            host,
            states[host.name].current,
            release.id,
            file_changes(states[host.name].files, release.packages[host.name]),
        )
        for host in wanted
        if not states[host.name].verified_on(release.id)
    }
    waves = split_waves(tuple(changing), request.playbook.serial)
    control = tuple(name for name, state in states.items() if name not in changing and stays(state, release.id))
    return Plan(
        command="push",
        environment=request.environment,
        playbook=request.playbook.name,
        release=release.id,
        previous=shared(host.current for host in changing.values()),
        revision=release.revision,
        hosts=changing,
        waves=waves,
        control=control,
        unchanged=tuple(host.name for host in wanted if host.name not in changing),
        bake=request.playbook.bake,
        lease=int(request.playbook.confirm_timeout),
        warnings=(*warnings(dict(surveyed), changing), *uncontrolled(request, waves, control)),
    )


def uncontrolled(request: Request, waves: Sequence[Sequence[str]], control: Sequence[str]) -> tuple[str, ...]:
    """What a first wave of everything costs, where there could be another one."""
    if control or len(waves) != 1 or len(request.hosts) < 2:
        return ()
    way = " (serial: [1, 100%] leaves some)" if len(waves[0]) > 1 else ""
    return (f"no host keeps the old release to compare with: harm is held against the past only{way}",)


def stays(state: HostState, target: str) -> bool:
    """Proven on another release than `target`, which it keeps: a host to compare with."""
    return state.verified_on(state.current) and state.current != target


def file_changes(before: Mapping[str, str], package: Package) -> dict[str, FileChange]:
    """path -> added, changed or removed, from the host's manifest and the package's."""
    after: dict[str, str] = {}
    for line in package.manifest().splitlines():
        digest, path = line.split("  ", 1)
        after[path] = digest
    changes: dict[str, FileChange] = {path: "added" for path in after if path not in before}
    changes |= {path: "changed" for path in after if path in before and before[path] != after[path]}
    changes |= {path: "removed" for path in before if path not in after}
    return dict(sorted(changes.items()))


def refuse_unready(surveyed: Mapping[str, HostState | HostError]) -> None:
    """Raise one DeployError that names every host that is not idle, adopted, undrifted and proven."""
    reasons = {name: why for name, result in surveyed.items() if (why := unready(result))}
    if not reasons:
        return
    lines = "; ".join(f"{name}: {why}" for name, (why, _) in reasons.items())
    hint = next(iter(reasons.values()))[1]
    raise DeployError(f"cannot deploy to {', '.join(reasons)}: {lines}", hint=hint)


def unready(state: HostState | HostError) -> tuple[str, str] | None:
    """Why this host cannot take part, with a hint; None when it can."""
    if isinstance(state, HostError):
        return f"no state: {state}", "reach it with ssh, or leave it out with --limit"
    if state.alarm:
        return f"alarm on the host: {state.alarm}", "mend what the alarm names, then run deploy status"
    if not state.adopted:
        if state.dest == "absent":
            return "dest does not exist there", "install the service first, then run deploy adopt"
        return "dest is not ours: it was not adopted", "run deploy adopt to take it as the first release"
    if state.in_flight:
        return (
            f"deploy {state.deploy or '?'} is {state.phase} there ({state.left} s left)",
            "wait for it, or run deploy abort",
        )
    if state.drift:
        return (
            f"differs from its release: {', '.join(state.drift[:5])}",
            "undo the edit by hand, or commit it and run deploy adopt to take it as it is",
        )
    if state.loaded != state.current:
        running = state.loaded or "nothing that can be proven"
        return f"runs {running}, not {state.current}", "start or reload the service, then run deploy status"
    return None


def warnings(surveyed: dict[str, HostState | HostError], changing: Mapping[str, HostPlan]) -> tuple[str, ...]:
    """What a person should know although it stops nothing."""
    found = [f"{name}: {error} (not part of this deploy)" for name, error in failures(surveyed).items()]
    states = successes(surveyed)
    bare = [name for name in changing if "boot:none" in states[name].layers]
    if bare:
        found.append(f"no boot unit on {', '.join(bare)}: a reboot in the bake starts the unconfirmed release")
    return tuple(found)
