"""A push: the release and its evidence, the walk, and what was lost of the evidence, told once more at the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployer.adapters.local.samples import Recorder
from deployer.engine.deploy.push import push
from deployer.model.events import Notice
from deployer.wiring.evidence import evidence_for, measure_for
from deployer.wiring.measuring import Notices
from deployer.wiring.policy import policy_for
from deployer.wiring.revision import refuse_lacking, release_of, signing_rule
from deployer.wiring.uncommitted import naming_uncommitted, uncommitted

if TYPE_CHECKING:
    from deployer.adapters.local.plan_file import SavedPlan
    from deployer.model.outcome import Outcome
    from deployer.wiring.context import Context


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be pushed. why: kept in the ledger. saved: the plan that must be what would be done now."""

    revision: str
    why: str = ""
    allow_quarantined: bool = False
    allow_exec: bool = False
    saved: SavedPlan | None = None


def pushed(context: Context, wish: Wish) -> Outcome:
    """Raises DeployError where it is refused."""
    notices = Notices()
    with naming_uncommitted(context):
        release = release_of(context, wish.revision)
        refuse_lacking(context, release)
        evidence = evidence_for(context, release, notices, run=True, allow_exec=wish.allow_exec)
    recorder, measure = Recorder(context.runs), measure_for(context, evidence)
    with context.ports(measure, listener=recorder) as ports, measure:

        def warn(text: str) -> None:
            ports.emit(Notice("warning", text))

        context.ledger.back_fill()
        if signing_rule(context):
            ports.emit(Notice("info", f"{release.revision[:10]} is signed by {release.author}"))
        notices.tell(warn)
        for text in uncommitted(context):
            warn(text)
        expected = wish.saved.on(context.fleet) if wish.saved else None
        policy = policy_for(context, ports, expected, recorder, lambda: measure.judged_by)
        policy = replace(policy, missing=notices.noting(evidence.ready.missing))
        outcome = push(context.request(wish.why, wish.allow_quarantined), release, ports, context.ledger, policy)
        for text in notices.again(measure.lost, context.fleet.hosts) if outcome.deploy else ():
            warn(f"evidence: {text}")
    return outcome
