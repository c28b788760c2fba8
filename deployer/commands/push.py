"""`deploy push`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from deployer.model.errors import UsageError
from deployer.wiring.options import Options, shared


def refuse_contradiction(file: str, **saved: str) -> None:
    """What a saved plan says already may be said again, but not otherwise. saved: option -> its value in the plan."""
    from click.core import ParameterSource

    context = click.get_current_context()
    for name, value in saved.items():
        given = context.params[name]
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT and given != value:
            raise UsageError(
                f"{file} and --{name} contradict each other: the saved plan says {value}, not {given}",
                hint=f"leave --{name} out, or push a playbook instead of the plan",
                consequence="nothing was sent",
            )


@click.command()
@shared()
@click.option("-r", "--revision", default="HEAD", show_default=True, metavar="REV", help="Branch, tag or commit.")
@click.option("-m", "--message", default="", metavar="WHY", help="Why; kept in the ledger.")
@click.option("--allow-quarantined", is_flag=True, help="Push a release that was reverted before.")
@click.option("--allow-exec", is_flag=True, help="Let health checks run commands here (exec: on: deployer).")
def push(options: Options, revision: str, message: str, allow_quarantined: bool, allow_exec: bool) -> int:
    """Bring a git revision to the fleet: stage and check everywhere, then wave by wave; undo what regresses.

    \b
    Examples:
      deploy push nginx -e production
      deploy push nginx -e production -r v1.4 -m "longer TTLs" --yes
      deploy plan nginx -o plan.json && deploy push plan.json
    """
    from deployer.adapters.local.plan_file import read_plan
    from deployer.adapters.local.samples import Recorder
    from deployer.engine.deploy.push import push as run
    from deployer.model.events import Notice
    from deployer.wiring.context import build
    from deployer.wiring.evidence import evidence_for, measure_for
    from deployer.wiring.measuring import Notices
    from deployer.wiring.policy import policy_for
    from deployer.wiring.report import report
    from deployer.wiring.revision import refuse_lacking, release_of, signing_rule
    from deployer.wiring.uncommitted import naming_uncommitted, uncommitted

    options.require_consent("push")
    saved = None
    if options.playbook and options.playbook.endswith(".json"):
        saved = read_plan(Path(options.playbook))
        refuse_contradiction(options.playbook, revision=saved.revision, environment=saved.environment)
        options = replace(options, playbook=saved.playbook, environment=saved.environment)
        revision = saved.revision
    context = build(options)
    notices = Notices()
    with naming_uncommitted(context):
        release = release_of(context, revision)
        refuse_lacking(context, release)
        evidence = evidence_for(context, release, notices, run=True, allow_exec=allow_exec)
    recorder = Recorder(context.runs)
    measure = measure_for(context, evidence)
    with context.ports(measure, listener=recorder) as ports, measure:
        context.ledger.back_fill()
        if signing_rule(context):
            ports.emit(Notice("info", f"{release.revision[:10]} is signed by {release.author}"))
        notices.tell(lambda text: ports.emit(Notice("warning", text)))
        for text in uncommitted(context):
            ports.emit(Notice("warning", text))
        expected = saved.on(context.fleet) if saved else None
        request = context.request(message, allow_quarantined)
        policy = policy_for(context, ports, expected, recorder, lambda: measure.judged_by)
        policy = replace(policy, missing=notices.noting(evidence.ready.missing))
        outcome = run(request, release, ports, context.ledger, policy)
        for text in notices.again(measure.judged_by, context.fleet.hosts) if outcome.deploy else ():
            ports.emit(Notice("warning", f"evidence: {text}"))
    return report(options, context.runs, outcome)
