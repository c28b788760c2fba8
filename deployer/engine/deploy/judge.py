"""Who judges a wave: one gate for each, all of them taught by one measurement before any change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deployer.engine.deploy.bake import Sides, baseline, watch
from deployer.engine.deploy.request import Policy, Turn
from deployer.engine.deploy.rollout import Judge
from deployer.engine.ports import Ports
from deployer.gate import Gate
from deployer.model.errors import DeployError
from deployer.model.events import Notice
from deployer.model.fleet import Host
from deployer.model.plan import Plan
from deployer.model.sample import Sample
from deployer.model.verdict import Verdict, first_clause

Gates = dict[tuple[str, ...], Gate]


def make_judge(
    plan: Plan, ports: Ports, policy: Policy, spare: Sequence[Host] = (), closed: Callable[[], str] = str
) -> Judge:
    """Measure before any change (an illness that is already there is not blamed on the push), then per wave:
    everything activated so far against everything that still runs the old release. spare: hosts that keep another
    release for good; they are compared with, too, unless that would make the fleet look ill: they may have been left
    out for a reason. closed: why the deploy itself is over (asked in the main thread only), "" while it is not."""
    everyone = {name: p.host for name, p in plan.hosts.items()}
    ports.probes.expect(policy.forecast(plan))
    before = baseline(ports, list(everyone.values()), plan.bake, spare)
    gates = taught(plan, policy, [host.name for host in spare], before)
    if spare and (reason := suspicion(gates)):
        names = ", ".join(host.name for host in spare)
        ports.emit(Notice("info", f"not compared with {names} (not part of this push): {reason}"))
        gates, spare = taught(plan, policy, (), before), ()
    if said := policy.judged_by():
        ports.emit(Notice("info", said))
    refuse_ill(plan, gates)

    watched: set[str] = set()

    def judge(touched: tuple[str, ...], lost: Callable[[], str]) -> Verdict:
        new = [plan.hosts[name] for name in touched if name not in watched]
        watched.update(touched)
        policy.warm([host for host in new if policy.loses_cache(host)], lost)
        canary = [everyone[name] for name in touched]
        rest = [*(host for name, host in everyone.items() if name not in touched), *spare]

        def over() -> str:
            return lost() or closed()

        later = [gate for names, gate in gates.items() if len(names) > len(touched)]
        verdict = watch(gates[touched], ports, Sides(canary, rest), plan.bake, over, later)
        if said := policy.judged_by():
            verdict = replace(verdict, because=f"{verdict.because}; {said}")
        if verdict.ruling == "inconclusive" and not over() and policy.go_on(verdict):  # what is lost cannot be held
            ports.emit(Notice("warning", f"going on without a verdict: {first_clause(verdict.because)}"))
            return replace(verdict, ruling="healthy", because=f"overlooked: {verdict.because}")
        return verdict

    return judge


def taught(plan: Plan, policy: Policy, spare: Sequence[str], before: Sequence[Sample]) -> Gates:
    """touched hosts -> the gate of that wave. All learn from the same measurement, and share the false alarms that a
    deploy may have."""
    gates: Gates = {}
    judged: tuple[str, ...] = ()
    for number, wave in enumerate(plan.waves, 1):
        touched = judged + wave
        control = (*(name for name in plan.hosts if name not in touched), *spare)
        cold = any(policy.loses_cache(plan.hosts[name]) for name in touched)
        gates[touched] = policy.gate(Turn(touched, judged, control, 1.0 / len(plan.waves), cold, number))
        judged = touched
    for sample in before:
        for gate in gates.values():
            gate.pre(sample)
    return gates


def refuse_ill(plan: Plan, gates: Gates) -> None:
    """Raises DeployError where the hosts are ill already, or this machine could not measure any."""
    reason, busy = suspicion(gates), next((why for gate in gates.values() if (why := gate.busy())), "")
    if busy:
        text = f"cannot push {plan.release}: {busy}: nothing is known of any host"
        raise DeployError(text, hint="push again when this machine has less to do, or from another one")
    if reason:
        text = f"cannot push {plan.release}: ill before any change: {reason}"
        raise DeployError(text, hint="mend that first; deploy check asks each probe once")


def suspicion(gates: Gates) -> str:
    """The first thing that speaks against changing anything now; "" for none."""
    return next((reason for gate in gates.values() if (reason := gate.suspicion())), "")
