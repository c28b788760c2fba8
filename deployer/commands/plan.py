"""`deploy plan`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deployer.console.say import say, say_json
from deployer.model.errors import EXIT_CHANGES, DeployError, InputError
from deployer.model.sh import sh
from deployer.wiring.options import Options, shared

if TYPE_CHECKING:
    from deployer.model.forecast import Forecast
    from deployer.model.plan import Plan
    from deployer.wiring.context import Context


@click.command()
@shared()
@click.option("-r", "--revision", default="HEAD", show_default=True, metavar="REV", help="Branch, tag or commit.")
@click.option("-o", "--out", metavar="FILE", help="Save the plan; push FILE applies exactly that or refuses.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
def plan(options: Options, revision: str, out: str | None, detailed_exitcode: bool) -> int:
    """Show who would get what, in which waves; change nothing.

    \b
    Examples:
      deploy plan nginx -e production
      deploy plan nginx -e production -r v1.4 -o plan.json
      deploy plan nginx -e production --detailed-exitcode
    """
    from deployer.adapters.local.plan_file import plan_to_json
    from deployer.engine.deploy.plan import plan_push
    from deployer.model.missing import fold
    from deployer.wiring.context import build
    from deployer.wiring.evidence import evidence_for
    from deployer.wiring.forecast import evidence, foreseen, seen_by_traffic
    from deployer.wiring.revision import refuse_lacking, release_of
    from deployer.wiring.uncommitted import naming_uncommitted, uncommitted
    from deployer.wiring.warming import unwarmed

    context = build(options)
    with naming_uncommitted(context):
        release = release_of(context, revision)
        refuse_lacking(context, release)
        said: list[str] = []
        asked = evidence_for(context, release, said.append)
        with context.ports() as ports, asked.probes:
            found = plan_push(context.request(), release, ports, asked.ready.missing)
        if found.hosts:
            found = replace(found, warnings=(*found.warnings, *fold(said, context.fleet.hosts)))
        if lost := unwarmed(context, found.hosts.values()):
            found = replace(found, warnings=(*found.warnings, lost))
        visitors = seen_by_traffic(context, release, found)
        forecast = foreseen(context, found, visitors)
    found = replace(found, warnings=(*found.warnings, *uncommitted(context)))
    if out:
        try:
            Path(out).write_text(json.dumps(plan_to_json(found), indent=2) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {out}: {error.strerror}") from None
    if options.json:
        say_json(plan_to_json(found) | {"evidence": forecast.to_json()})
    else:
        took = duration(context, found, forecast, visitors)
        say(text(context, found, release.subject, evidence(forecast), next_step(options, revision), took))
    return EXIT_CHANGES if detailed_exitcode and found.hosts else 0


def next_step(options: Options, revision: str) -> str:
    """The push of what was planned: the same hosts, the same revision."""
    return options.repeating("deploy push") + ("" if revision == "HEAD" else sh(" -r {}", revision))


def text(context: Context, found: Plan, subject: str, proof: str, step: str, took: str) -> str:
    """What a person reads: the change, the hosts, the waves, about how long (took). proof: what the bake can show
    without visitors. step: what to type next."""
    if not found.hosts:
        there = f"{found.environment} has {found.playbook} {found.release} on {len(found.unchanged)} hosts"
        return "\n".join([f"nothing to do: {there}", *(f"! {warning}" for warning in found.warnings)])
    lines = [f"{found.playbook}  {found.environment}  {found.previous or '(different)'} -> {found.release}  {subject}"]
    lines += ["", *diff(context, found).splitlines(), ""]
    shapes: dict[str, list[str]] = {}
    for name, host in found.hosts.items():
        words = ", ".join(f"{kind} {path}" for path, kind in host.changes.items()) or "no file differs, not verified"
        cold = f", cold: its cache starts empty: {host.cost.cold}" if host.cost.cold else ""
        shapes.setdefault(f"{words}; {host.cost.action}{cold}", []).append(name)
    lines += [f"  {', '.join(names)}: {words}" for words, names in shapes.items()]
    lines += [f"  {name}: unchanged" for name in found.unchanged]
    lines += [f"! {warning}" for warning in found.warnings]
    waves = " | ".join(", ".join(wave) for wave in found.waves)
    lines += ["", f"Plan: {len(found.hosts)} to change, in waves: {waves}; {took}"]
    lines += [proof] if proof else []
    lines.append(f"Nothing was changed. To go on: {step}")
    return "\n".join(lines)


def duration(context: Context, found: Plan, forecast: Forecast, visitors: bool) -> str:
    """A baseline, and per wave what its proof takes; an emptied cache is warm before evidence of its health counts."""
    from deployer.wiring.takes import told
    from deployer.wiring.warming import loses_cache

    colds = [any(loses_cache(context, found.hosts[name]) for name in wave) for wave in found.waves]
    cold = [any(colds[: number + 1]) for number in range(len(colds))]  # a later wave watches the earlier ones, too
    return told(found.bake, cold, forecast, context.check.sources.min_traffic if visitors else 0.0)


def diff(context: Context, found: Plan) -> str:
    """Line by line where both sides are in git; the previous release is found by the commit in its name."""
    from deployer.adapters.git.releases import unified_diff
    from deployer.model.release import ReleaseId

    previous = ReleaseId(found.previous)
    if not previous or previous.adopted:
        return ""
    repository, name = context.repository, found.playbook
    try:
        before = repository.sources(repository.resolve(previous.commit).sha, name)
        return unified_diff(before, repository.sources(found.revision, name))
    except DeployError:
        return ""
