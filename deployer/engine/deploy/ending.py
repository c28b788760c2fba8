"""How a walk ended, and what a person is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.model.outcome import HostOutcome, Outcome, Result, advice
from deployer.model.plan import Plan
from deployer.model.verdict import Verdict


@dataclass
class Ending:
    """How the walk ended. because: one sentence. fault: the release itself is to blame (it is quarantined). closed:
    somebody else ended the deploy."""

    result: Result
    hosts: dict[str, HostOutcome] = field(default_factory=dict)
    verdict: Verdict | None = None
    because: str = ""
    fault: bool = False
    closed: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


def outcome(plan: Plan, deploy: str, ending: Ending) -> Outcome:
    """The closing value."""
    return Outcome(
        result=ending.result,
        deploy=deploy,
        environment=plan.environment,
        playbook=plan.playbook,
        release=plan.release,
        previous=plan.previous,
        revision=plan.revision,
        hosts=ending.hosts,
        waves=plan.waves,
        verdict=ending.verdict,
        seconds=ending.seconds,
        error="" if ending.result in ("deployed", "unchanged") else ending.because,
        hint=hint(plan, ending),
    )


def hint(plan: Plan, ending: Ending) -> str:
    """One thing to do now."""
    if ending.result == "stranded" and not plan.strict:
        return advice(ending.hosts, "run deploy rollback again: it finishes this one")
    if ending.result == "stranded":
        decided = any(end.state == "confirmed" for end in ending.hosts.values())
        return advice(ending.hosts, "run deploy status --repair" if decided else "run deploy status")
    if ending.result == "reverted" and ending.fault:
        return "mend the release and push again; it is quarantined until --allow-quarantined"
    if ending.result == "reverted" and ending.closed:
        return "the release is not blamed; deploy history says who closed it: ask them before you push again"
    if ending.result == "reverted":
        more = " (a longer bake: or a higher rate: of probes gives more evidence)" if ending.verdict else ""
        return f"the release is not blamed: see to what is named, then push it again{more}"
    return ""
