"""`deploy plan`: who would get what, in which waves, and how that would be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.adapters.local.plan_file import plan_to_json
from deployer.console.pages.page import Page
from deployer.model.errors import EXIT_CHANGES, EXIT_DONE
from deployer.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Beside:
    """What a person reads beside the plan. subject: of the commit. diff: of the files as they are in git. proof: what
    the bake can show without visitors. took: about how long a push takes. step: what to type next."""

    subject: str = ""
    diff: str = ""
    proof: str = ""
    took: str = ""
    step: str = ""


def page(found: Plan, beside: Beside, evidence: Mapping[str, object], detailed: bool = False) -> Page:
    """evidence: the forecast. detailed: changes have an exit code of their own."""
    code = EXIT_CHANGES if detailed and found.hosts else EXIT_DONE
    return Page(text(found, beside), plan_to_json(found) | {"evidence": evidence}, code)


def text(found: Plan, beside: Beside) -> str:
    """What a person reads: the change, the hosts, the waves."""
    if not found.hosts:
        there = f"{found.environment} has {found.playbook} {found.release} on {len(found.unchanged)} hosts"
        return "\n".join([f"nothing to do: {there}", *(f"! {warning}" for warning in found.warnings)])
    change = f"{found.previous or '(different)'} -> {found.release}"
    lines = [f"{found.playbook}  {found.environment}  {change}  {beside.subject}"]
    lines += ["", *beside.diff.splitlines(), ""]
    shapes: dict[str, list[str]] = {}
    for name, host in found.hosts.items():
        words = ", ".join(f"{kind} {path}" for path, kind in host.changes.items()) or "no file differs, not verified"
        cold = f", cold: its cache starts empty: {host.cost.cold}" if host.cost.cold else ""
        shapes.setdefault(f"{words}; {host.cost.action}{cold}", []).append(name)
    lines += [f"  {', '.join(names)}: {words}" for words, names in shapes.items()]
    lines += [f"  {name}: unchanged" for name in found.unchanged]
    lines += [f"! {warning}" for warning in found.warnings]
    waves = " | ".join(", ".join(wave) for wave in found.waves)
    lines += ["", f"Plan: {len(found.hosts)} to change, in waves: {waves}; {beside.took}"]
    lines += [beside.proof] if beside.proof else []
    lines.append(f"Nothing was changed. To go on: {beside.step}")
    return "\n".join(lines)
